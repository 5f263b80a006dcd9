ALTER TABLE measurements DROP COLUMN corrects_id, DROP COLUMN correction_reason;
