-- Takes the spine away, data included: for development only.
DROP TABLE idempotency_records, audit_entries, measurements, benefits, gate_reviews, projects, project_numbers,
    org_units, organisations;
DROP FUNCTION refuse_change();
