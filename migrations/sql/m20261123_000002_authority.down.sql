-- Takes authority away, data included: for development only.
DROP POLICY visible ON projects;
DROP POLICY visible ON gate_reviews;
DROP POLICY visible ON benefits;
DROP POLICY visible ON measurements;
DROP TRIGGER org_units_authority_insert ON org_units;
DROP TRIGGER org_units_authority_update ON org_units;
DROP TRIGGER org_units_authority_delete ON org_units;
DROP TRIGGER org_units_no_truncate ON org_units;
DROP TABLE refused_calls, authority_states, token_denials, gate_votes, authority_rules, delegations, role_grants,
    org_unit_placements;
DROP TRIGGER org_units_moved ON org_units;
DROP TRIGGER org_units_path ON org_units;
DROP TRIGGER projects_scopes ON projects;
DROP FUNCTION authority_changed(), org_unit_moved(), project_scopes(), org_unit_path();
ALTER TABLE audit_entries DROP COLUMN actor_kind, DROP COLUMN acting_for, DROP COLUMN policy;
ALTER TABLE gate_reviews
    DROP COLUMN amount_ore, DROP COLUMN risk_class, DROP COLUMN decided_for, DROP COLUMN submitted_for,
    DROP CONSTRAINT gate_reviews_outcome_check,
    ADD CONSTRAINT gate_reviews_outcome_check CHECK (outcome IN ('GO', 'HOLD', 'RECYCLE', 'KILL'));
ALTER TABLE projects DROP COLUMN portfolio_id, DROP COLUMN track, DROP COLUMN scopes;
DROP TABLE portfolios;
ALTER TABLE org_units
    DROP CONSTRAINT org_units_name_key,
    DROP COLUMN fk_org_uuid, DROP COLUMN kitos_uuid, DROP COLUMN valid_from, DROP COLUMN valid_until, DROP COLUMN path,
    ADD CONSTRAINT org_units_name_key UNIQUE (organisation_id, name);
DROP INDEX org_units_leader, org_units_name, org_units_parent;
