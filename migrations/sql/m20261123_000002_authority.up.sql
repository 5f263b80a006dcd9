-- Who may do what: places that a role can cover, grants, delegations, the authority matrix (I04), votes, revoked tokens,
-- and what the audit log says of who acted by which policy.
--
-- A role covers a place: the organisation, a portfolio, a unit with all below it, or one project. Places are ids, and
-- each project carries the ids of all places that it lies in (projects.scopes). So one operator, &&, answers who sees
-- what, here in row-level security and in the policies of the service (services/gevinst/src/auth/policies.cedar).

-- The owner is held to row-level security too, and here has to reach every organisation's rows.
ALTER TABLE organisations NO FORCE ROW LEVEL SECURITY;
ALTER TABLE org_units NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projects NO FORCE ROW LEVEL SECURITY;

-- Units: known elsewhere by these ids, there for a time, and under what (path: from the top down to the unit itself).
ALTER TABLE org_units
    ADD COLUMN fk_org_uuid uuid,
    ADD COLUMN kitos_uuid  uuid,
    ADD COLUMN valid_from  date,
    -- The last day.
    ADD COLUMN valid_until date,
    ADD COLUMN path        uuid[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT org_units_validity CHECK (valid_until >= valid_from),
    ADD CONSTRAINT org_units_fk_org_key UNIQUE (organisation_id, fk_org_uuid),
    ADD CONSTRAINT org_units_kitos_key UNIQUE (organisation_id, kitos_uuid),
    DROP CONSTRAINT org_units_name_key,
    -- Two units may share a name, but not below the same one: every school has an administration.
    ADD CONSTRAINT org_units_name_key UNIQUE NULLS NOT DISTINCT (organisation_id, parent_id, name);
CREATE INDEX org_units_leader ON org_units (organisation_id, leader) WHERE leader IS NOT NULL;
-- The unique key begins with the parent now: lists by name need one of their own.
CREATE INDEX org_units_name ON org_units (organisation_id, name, id);
CREATE INDEX org_units_parent ON org_units (organisation_id, parent_id, id);

-- What a unit was part of, and when: a move closes one row and opens another, and none is ever forgotten.
CREATE TABLE org_unit_placements (
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    id              uuid        NOT NULL,
    org_unit_id     uuid        NOT NULL,
    parent_id       uuid,
    placed_at       timestamptz NOT NULL,
    placed_by       text        NOT NULL,
    reason          text        NOT NULL,
    left_at         timestamptz,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT org_unit_placements_org_unit_fkey FOREIGN KEY (organisation_id, org_unit_id)
        REFERENCES org_units (organisation_id, id),
    CONSTRAINT org_unit_placements_parent_fkey FOREIGN KEY (organisation_id, parent_id)
        REFERENCES org_units (organisation_id, id)
);
CREATE INDEX org_unit_placements_unit ON org_unit_placements (organisation_id, org_unit_id, placed_at, id);
CREATE UNIQUE INDEX org_unit_placements_current ON org_unit_placements (organisation_id, org_unit_id)
    WHERE left_at IS NULL;

-- The parent's path, read under a lock: a concurrent move of the parent is waited for. A unit below itself is refused.
CREATE FUNCTION org_unit_path() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    above uuid[];
BEGIN
    SELECT path INTO above FROM org_units
        WHERE organisation_id = NEW.organisation_id AND id = NEW.parent_id FOR SHARE;
    IF NEW.id = ANY (above) THEN
        RAISE EXCEPTION 'a unit cannot be below itself' USING ERRCODE = 'check_violation', CONSTRAINT = 'org_units_acyclic';
    END IF;
    NEW.path := coalesce(above, '{}') || NEW.id;
    RETURN NEW;
END $$;
CREATE TRIGGER org_units_path BEFORE INSERT OR UPDATE OF parent_id ON org_units
    FOR EACH ROW EXECUTE FUNCTION org_unit_path();

CREATE TABLE portfolios (
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    id              uuid        NOT NULL,
    name            text        NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT portfolios_name_key UNIQUE (organisation_id, name)
);
CREATE INDEX portfolios_created ON portfolios (organisation_id, created_at, id);

ALTER TABLE projects
    ADD COLUMN portfolio_id uuid,
    -- S08: small until a gate has heard why not.
    ADD COLUMN track        text   NOT NULL DEFAULT 'START_SMALL' CHECK (track IN ('START_SMALL', 'STANDARD', 'MANDATORY')),
    -- Every place it lies in: the organisation, its portfolio, its unit and all above, itself.
    ADD COLUMN scopes       uuid[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT projects_portfolio_fkey FOREIGN KEY (organisation_id, portfolio_id)
        REFERENCES portfolios (organisation_id, id);

CREATE FUNCTION project_scopes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    above uuid[];
BEGIN
    SELECT path INTO above FROM org_units
        WHERE organisation_id = NEW.organisation_id AND id = NEW.org_unit_id FOR SHARE;
    NEW.scopes := array_remove(ARRAY[NEW.organisation_id, NEW.id, NEW.portfolio_id], NULL) || coalesce(above, '{}');
    RETURN NEW;
END $$;
CREATE TRIGGER projects_scopes BEFORE INSERT OR UPDATE OF org_unit_id, portfolio_id ON projects
    FOR EACH ROW EXECUTE FUNCTION project_scopes();

-- A unit that moves takes with it the units below it and the projects in them. One statement moves units of one level
-- only: an event that waits still carries the path from before the move of a unit above.
CREATE FUNCTION org_unit_moved() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    seen text := current_setting('app.scopes', true);
BEGIN
    -- All of the organisation's projects, whatever the one who moves sees of them.
    PERFORM set_config('app.scopes', '{' || NEW.organisation_id || '}', true);
    UPDATE org_units SET path = NEW.path || id WHERE organisation_id = NEW.organisation_id AND parent_id = NEW.id;
    UPDATE projects SET scopes = array_remove(ARRAY[organisation_id, id, portfolio_id], NULL) || NEW.path
        WHERE organisation_id = NEW.organisation_id AND org_unit_id = NEW.id;
    PERFORM set_config('app.scopes', coalesce(seen, ''), true);
    RETURN NULL;
END $$;
CREATE TRIGGER org_units_moved AFTER UPDATE ON org_units
    FOR EACH ROW WHEN (OLD.path IS DISTINCT FROM NEW.path) EXECUTE FUNCTION org_unit_moved();

-- What is there already. From the top down: each level fires the trigger for the one below.
UPDATE org_units SET path = ARRAY[id] WHERE parent_id IS NULL;
UPDATE projects SET scopes = ARRAY[organisation_id, id] WHERE scopes = '{}';
INSERT INTO org_unit_placements (organisation_id, id, org_unit_id, parent_id, placed_at, placed_by, reason)
    SELECT organisation_id, gen_random_uuid(), id, parent_id, created_at, 'operator', 'as found when history began'
    FROM org_units;

-- Grants: who holds which role where, from when until when (the last day), by whom and why. A grant ends by being
-- revoked, and stays as a record.
CREATE TABLE role_grants (
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    id              uuid        NOT NULL,
    subject         text        NOT NULL,
    role            text        NOT NULL CHECK (role IN ('EXECUTIVE_BOARD', 'STEERING_GROUP', 'PORTFOLIO_OFFICE',
                        'PROJECT_OWNER', 'PROJECT_MANAGER', 'BENEFIT_OWNER', 'AREA_LEADER', 'ASSESSOR_DPO',
                        'ASSESSOR_CISO', 'ASSESSOR_UX', 'FINANCE', 'READER', 'AUDITOR', 'INTEGRATION')),
    scope_kind      text        NOT NULL CHECK (scope_kind IN ('ORGANISATION', 'PORTFOLIO', 'ORG_UNIT', 'PROJECT')),
    scope_id        uuid        NOT NULL,
    -- Whether its holder may grant the same, in the same place or inside it, to others.
    grantable       boolean     NOT NULL,
    valid_from      date        NOT NULL,
    valid_until     date,
    reason          text        NOT NULL,
    granted_by      text        NOT NULL,
    granted_at      timestamptz NOT NULL,
    revoked_by      text,
    revoked_at      timestamptz,
    revoke_reason   text        NOT NULL DEFAULT '',
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT role_grants_period CHECK (valid_until >= valid_from),
    CONSTRAINT role_grants_to_another CHECK (granted_by <> subject),
    CONSTRAINT role_grants_revoked CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE INDEX role_grants_subject ON role_grants (organisation_id, subject) WHERE revoked_at IS NULL;
CREATE INDEX role_grants_granted ON role_grants (organisation_id, granted_at, id);

-- Delegations: a grant lent to a substitute for a time, with a reason, once a third person has approved it (I03: who
-- acts under it acts for the delegator, and counts as the delegator, once).
CREATE TABLE delegations (
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    id              uuid        NOT NULL,
    role_grant_id   uuid        NOT NULL,
    delegator       text        NOT NULL,
    delegate        text        NOT NULL,
    valid_from      date        NOT NULL,
    valid_until     date        NOT NULL,
    reason          text        NOT NULL,
    proposed_at     timestamptz NOT NULL,
    approved_by     text,
    approved_at     timestamptz,
    ended_by        text,
    ended_at        timestamptz,
    end_reason      text        NOT NULL DEFAULT '',
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT delegations_role_grant_fkey FOREIGN KEY (organisation_id, role_grant_id)
        REFERENCES role_grants (organisation_id, id),
    CONSTRAINT delegations_period CHECK (valid_until >= valid_from),
    CONSTRAINT delegations_two_people CHECK (delegate <> delegator),
    CONSTRAINT delegations_third_approves CHECK (approved_by NOT IN (delegator, delegate)),
    CONSTRAINT delegations_approved CHECK ((approved_at IS NULL) = (approved_by IS NULL)),
    CONSTRAINT delegations_ended CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
CREATE INDEX delegations_delegate ON delegations (organisation_id, delegate) WHERE ended_at IS NULL;
CREATE INDEX delegations_proposed ON delegations (organisation_id, proposed_at, id);

-- The authority matrix (I04): up to what amount and risk, on which tracks, with which answers a role decides at gates,
-- and whether a second person must agree.
CREATE TABLE authority_rules (
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    id              uuid        NOT NULL,
    role            text        NOT NULL CHECK (role IN ('EXECUTIVE_BOARD', 'STEERING_GROUP')),
    max_amount_ore  bigint      NOT NULL CHECK (max_amount_ore >= 0),
    max_risk_class  text        NOT NULL CHECK (max_risk_class IN ('LOW', 'MEDIUM', 'HIGH')),
    tracks          text[]      NOT NULL CHECK (tracks <@ ARRAY['START_SMALL', 'STANDARD', 'MANDATORY'] AND tracks <> '{}'),
    outcomes        text[]      NOT NULL CHECK (outcomes <@ ARRAY['GO', 'HOLD', 'RECYCLE', 'KILL'] AND outcomes <> '{}'),
    second_required boolean     NOT NULL,
    valid_from      date        NOT NULL,
    valid_until     date,
    reason          text        NOT NULL,
    set_by          text        NOT NULL,
    set_at          timestamptz NOT NULL,
    ended_by        text,
    ended_at        timestamptz,
    end_reason      text        NOT NULL DEFAULT '',
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT authority_rules_period CHECK (valid_until >= valid_from),
    CONSTRAINT authority_rules_ended CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
CREATE INDEX authority_rules_set ON authority_rules (organisation_id, set_at, id);

-- Every organisation begins with the matrix that `gevinst organisation` founds new ones with: the steering group up to
-- 10 million kroner; beyond that, two of the executive board.
INSERT INTO authority_rules (organisation_id, id, role, max_amount_ore, max_risk_class, tracks, outcomes,
        second_required, valid_from, reason, set_by, set_at)
    SELECT o.id, gen_random_uuid(), r.role, r.max_amount_ore, 'HIGH', ARRAY['START_SMALL', 'STANDARD', 'MANDATORY'],
        ARRAY['GO', 'HOLD', 'RECYCLE', 'KILL'], r.second_required, o.created_at::date, 'default', 'operator', o.created_at
    FROM organisations o, (VALUES ('STEERING_GROUP', 1000000000, false), ('EXECUTIVE_BOARD', 9223372036854775807, true))
        AS r (role, max_amount_ore, second_required);

ALTER TABLE gate_reviews
    -- What the decision is to release, and how risky it is: what nobody has assessed is not called safe.
    ADD COLUMN amount_ore   bigint NOT NULL DEFAULT 0 CHECK (amount_ore >= 0),
    ADD COLUMN risk_class   text   NOT NULL DEFAULT 'HIGH' CHECK (risk_class IN ('LOW', 'MEDIUM', 'HIGH')),
    -- For whom the submitter and the decider acted, under a delegation.
    ADD COLUMN submitted_for text,
    ADD COLUMN decided_for  text,
    DROP CONSTRAINT gate_reviews_outcome_check,
    ADD CONSTRAINT gate_reviews_outcome_check CHECK (outcome IN ('GO', 'HOLD', 'RECYCLE', 'KILL', 'ESCALATED')),
    -- I03, whoever acts for whom.
    ADD CONSTRAINT gate_reviews_three_people_lent CHECK (
        (submitted_for IS NULL OR submitted_for <> project_manager)
        AND (decider IS NULL OR submitted_for IS NULL OR decider <> submitted_for)
        AND (decided_for IS NULL OR decided_for NOT IN (submitter, project_manager, coalesce(submitted_for, submitter))));

-- Who has answered at a gate, for whom, and by which rule of the matrix; one answer a principal (I03: a delegate counts
-- as the delegator, once).
CREATE TABLE gate_votes (
    organisation_id   uuid        NOT NULL REFERENCES organisations (id),
    gate_review_id    uuid        NOT NULL,
    -- Whose answer it is: the voter, or whom the voter acts for.
    principal         text        NOT NULL,
    voter             text        NOT NULL,
    outcome           text        NOT NULL CHECK (outcome IN ('GO', 'HOLD', 'RECYCLE', 'KILL', 'ESCALATED')),
    reason            text        NOT NULL,
    authority_rule_id uuid,
    voted_at          timestamptz NOT NULL,
    CONSTRAINT gate_votes_one_each PRIMARY KEY (organisation_id, gate_review_id, principal),
    -- Nor does one person answer twice, for themselves and for another.
    CONSTRAINT gate_votes_one_voice UNIQUE (organisation_id, gate_review_id, voter),
    CONSTRAINT gate_votes_review_fkey FOREIGN KEY (organisation_id, gate_review_id)
        REFERENCES gate_reviews (organisation_id, id),
    CONSTRAINT gate_votes_rule_fkey FOREIGN KEY (organisation_id, authority_rule_id)
        REFERENCES authority_rules (organisation_id, id)
);

-- Tokens and subjects that are refused whatever their signature says, from the moment a row is here: every read and
-- every command looks, in the statement that it makes anyway.
CREATE TABLE token_denials (
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    id              uuid        NOT NULL,
    -- What is looked at in tokens: sub or jti.
    claim           text        NOT NULL CHECK (claim IN ('SUBJECT', 'TOKEN_ID')),
    value           text        NOT NULL,
    reason          text        NOT NULL,
    denied_by       text        NOT NULL,
    denied_at       timestamptz NOT NULL,
    lifted_by       text,
    lifted_at       timestamptz,
    lift_reason     text        NOT NULL DEFAULT '',
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT token_denials_lifted CHECK ((lifted_at IS NULL) = (lifted_by IS NULL))
);
CREATE INDEX token_denials_value ON token_denials (organisation_id, value, claim) WHERE lifted_at IS NULL;
CREATE INDEX token_denials_denied ON token_denials (organisation_id, denied_at, id);

-- What can be kept in memory of who holds what: nothing that an older version says. Every change of a table that roles
-- come from changes it, in its own transaction; every read and every command compares, in the statement that it makes
-- anyway. And which policies decide: a replica with others says so in the audit log before the first
-- change or refusal that rests on them.
CREATE TABLE authority_states (
    organisation_id uuid   PRIMARY KEY REFERENCES organisations (id),
    version         bigint NOT NULL DEFAULT (random() * 9007199254740991)::bigint,
    policies_sha256 text   CHECK (policies_sha256 ~ '^[0-9a-f]{64}$')
);
INSERT INTO authority_states (organisation_id) SELECT id FROM organisations;

-- For the organisations of the rows, whoever changes them. Not by one: a version that a failover or a restore has taken
-- back never comes again for something else.
CREATE FUNCTION authority_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('UPDATE', 'DELETE') THEN
        UPDATE authority_states SET version = (random() * 9007199254740991)::bigint
            WHERE organisation_id IN (SELECT organisation_id FROM before);
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        UPDATE authority_states SET version = (random() * 9007199254740991)::bigint
            WHERE organisation_id IN (SELECT organisation_id FROM after);
    END IF;
    RETURN NULL;
END $$;

-- Refused calls that stand in no organisation's log: bad tokens, floods, malformed ones. Counted per second, reason and network, so that an
-- attacker fills no disk; for the operator, not for an organisation, and not even
-- readable for the service.
CREATE TABLE refused_calls (
    id               uuid        PRIMARY KEY,
    occurred_at      timestamptz NOT NULL,
    reason           text        NOT NULL,
    method           text        NOT NULL,
    -- The /24 or /48 that the calls came from.
    network          text        NOT NULL,
    count            bigint      NOT NULL CHECK (count > 0),
    first_request_id text        NOT NULL,
    first_trace_id   text        NOT NULL
);
CREATE INDEX refused_calls_occurred ON refused_calls (occurred_at, id);

-- Who acted as what, for whom, and which policy refused.
ALTER TABLE audit_entries
    ADD COLUMN actor_kind text NOT NULL DEFAULT 'PERSON' CHECK (actor_kind IN ('PERSON', 'SERVICE', 'OPERATOR', 'SYSTEM')),
    ADD COLUMN acting_for text NOT NULL DEFAULT '',
    ADD COLUMN policy     text NOT NULL DEFAULT '';

ALTER TABLE organisations FORCE ROW LEVEL SECURITY;
ALTER TABLE org_units FORCE ROW LEVEL SECURITY;
ALTER TABLE projects FORCE ROW LEVEL SECURITY;

CREATE TRIGGER gate_votes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON gate_votes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- The owner may drop what is old; the service can only add.
CREATE TRIGGER refused_calls_unchanged BEFORE UPDATE ON refused_calls
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['org_units', 'role_grants', 'delegations', 'token_denials'] LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER INSERT ON %I REFERENCING NEW TABLE AS after '
            'FOR EACH STATEMENT EXECUTE FUNCTION authority_changed()', t || '_authority_insert', t);
        EXECUTE format('CREATE TRIGGER %I AFTER UPDATE ON %I REFERENCING OLD TABLE AS before NEW TABLE AS after '
            'FOR EACH STATEMENT EXECUTE FUNCTION authority_changed()', t || '_authority_update', t);
        EXECUTE format('CREATE TRIGGER %I AFTER DELETE ON %I REFERENCING OLD TABLE AS before '
            'FOR EACH STATEMENT EXECUTE FUNCTION authority_changed()', t || '_authority_delete', t);
        EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I '
            'FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', t || '_no_truncate', t);
    END LOOP;
END $$;

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['org_unit_placements', 'portfolios', 'role_grants', 'delegations', 'authority_rules',
                             'gate_votes', 'token_denials', 'authority_states'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY organisation ON %I USING '
            '(organisation_id = nullif(current_setting(''app.organisation'', true), '''')::uuid)', t);
    END LOOP;
END $$;

-- Visibility, in one place: a project is seen from every place that it lies in and that a role of the caller covers
-- (app.scopes), and by its owner and its manager (app.subject); what belongs to a project is seen with it; a benefit
-- also by its owner. Restrictive: inside the organisation, never instead of it. Subselects, so that each setting is read
-- once a statement. Unset, nothing is seen. A command covers the organisation: there, the policies decide on each object.
CREATE POLICY visible ON projects AS RESTRICTIVE FOR SELECT USING (
    scopes && (SELECT nullif(current_setting('app.scopes', true), '')::uuid[])
    OR project_owner = (SELECT nullif(current_setting('app.subject', true), ''))
    OR project_manager = (SELECT nullif(current_setting('app.subject', true), '')));
CREATE POLICY visible ON gate_reviews AS RESTRICTIVE FOR SELECT USING (
    organisation_id = ANY ((SELECT nullif(current_setting('app.scopes', true), '')::uuid[])::uuid[])
    OR EXISTS (SELECT FROM projects p WHERE p.organisation_id = gate_reviews.organisation_id AND p.id = project_id));
CREATE POLICY visible ON gate_votes AS RESTRICTIVE FOR SELECT USING (
    organisation_id = ANY ((SELECT nullif(current_setting('app.scopes', true), '')::uuid[])::uuid[])
    OR EXISTS (SELECT FROM gate_reviews r WHERE r.organisation_id = gate_votes.organisation_id AND r.id = gate_review_id));
CREATE POLICY visible ON benefits AS RESTRICTIVE FOR SELECT USING (
    organisation_id = ANY ((SELECT nullif(current_setting('app.scopes', true), '')::uuid[])::uuid[])
    OR owner = (SELECT nullif(current_setting('app.subject', true), ''))
    OR EXISTS (SELECT FROM projects p WHERE p.organisation_id = benefits.organisation_id AND p.id = project_id));
CREATE POLICY visible ON measurements AS RESTRICTIVE FOR SELECT USING (
    organisation_id = ANY ((SELECT nullif(current_setting('app.scopes', true), '')::uuid[])::uuid[])
    OR EXISTS (SELECT FROM benefits b WHERE b.organisation_id = measurements.organisation_id AND b.id = benefit_id));

GRANT SELECT, INSERT ON portfolios, gate_votes TO gevinst_app;
GRANT SELECT, INSERT, UPDATE ON org_unit_placements, role_grants, delegations, authority_rules, token_denials,
    authority_states TO gevinst_app;
GRANT INSERT ON refused_calls TO gevinst_app;
