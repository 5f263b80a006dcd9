-- A measurement that was wrong is not changed: another takes its place, and says why (I14).

ALTER TABLE measurements
    ADD COLUMN corrects_id       uuid,
    ADD COLUMN correction_reason text NOT NULL DEFAULT '',
    ADD CONSTRAINT measurements_corrects_fkey FOREIGN KEY (organisation_id, corrects_id)
        REFERENCES measurements (organisation_id, id),
    ADD CONSTRAINT measurements_correction CHECK ((corrects_id IS NULL) = (correction_reason = ''));
-- One takes its place; and by it, whether one counts is known.
CREATE UNIQUE INDEX measurements_one_correction ON measurements (organisation_id, corrects_id)
    WHERE corrects_id IS NOT NULL;
