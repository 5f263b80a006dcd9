-- Takes gates' teeth away, data included: for development only. Drafts are lost, and decisions upon conditions.
DROP POLICY clock ON organisations;
DROP TABLE clock_leases, project_events, lessons, increments, project_baselines, direction_changes, expenditures,
    spend_authorities, appropriations, conditions, criterion_assessments, gate_models;
DROP TRIGGER gate_reviews_ended_is_final ON gate_reviews;
ALTER TABLE gate_votes DISABLE TRIGGER gate_votes_append_only, NO FORCE ROW LEVEL SECURITY;
ALTER TABLE gate_reviews NO FORCE ROW LEVEL SECURITY, DROP CONSTRAINT gate_reviews_supersedes_fkey;
DELETE FROM gate_votes v USING gate_reviews r WHERE r.organisation_id = v.organisation_id AND r.id = v.gate_review_id
    AND (v.outcome = 'GO_WITH_CONDITIONS' OR r.outcome IS NOT DISTINCT FROM 'GO_WITH_CONDITIONS');
DELETE FROM gate_reviews WHERE basis_sha256 = '' OR outcome = 'GO_WITH_CONDITIONS';
ALTER TABLE gate_votes ENABLE TRIGGER gate_votes_append_only, FORCE ROW LEVEL SECURITY,
    DROP COLUMN hold_reasons, DROP COLUMN conditions,
    DROP CONSTRAINT gate_votes_outcome_check,
    ADD CONSTRAINT gate_votes_outcome_check CHECK (outcome IN ('GO', 'HOLD', 'RECYCLE', 'KILL', 'ESCALATED'));
DROP INDEX gate_reviews_one_open, gate_reviews_one_correction;
CREATE UNIQUE INDEX gate_reviews_one_open ON gate_reviews (organisation_id, project_id) WHERE state = 'SUBMITTED';
ALTER TABLE gate_reviews FORCE ROW LEVEL SECURITY,
    DROP CONSTRAINT gate_reviews_held, DROP CONSTRAINT gate_reviews_stopped, DROP CONSTRAINT gate_reviews_ended,
    DROP CONSTRAINT gate_reviews_basis_sha256_check, DROP CONSTRAINT gate_reviews_outcome_check,
    DROP CONSTRAINT gate_reviews_state_check,
    DROP COLUMN drafter, DROP COLUMN summary, DROP COLUMN hold_reasons, DROP COLUMN supersedes_id,
    DROP COLUMN gate_model_id, DROP COLUMN criteria, DROP COLUMN stop,
    ADD CONSTRAINT gate_reviews_state_check CHECK (state IN ('SUBMITTED', 'DECIDED', 'WITHDRAWN')),
    ADD CONSTRAINT gate_reviews_outcome_check CHECK (outcome IN ('GO', 'HOLD', 'RECYCLE', 'KILL', 'ESCALATED')),
    ADD CONSTRAINT gate_reviews_basis_sha256_check CHECK (basis_sha256 ~ '^[0-9a-f]{64}$'),
    ADD CONSTRAINT gate_reviews_ended CHECK ((state = 'SUBMITTED') = (ended_at IS NULL));
CREATE TRIGGER gate_reviews_ended_is_final BEFORE UPDATE OR DELETE ON gate_reviews
    FOR EACH ROW WHEN (OLD.state <> 'SUBMITTED') EXECUTE FUNCTION refuse_change();
ALTER TABLE projects DROP COLUMN size_class, DROP COLUMN track_reason, DROP COLUMN gate_model_id;
