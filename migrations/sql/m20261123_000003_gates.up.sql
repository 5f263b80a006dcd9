-- Gates with teeth: gate models, assessments, drafts, conditions, money, plans, lessons, and the clock's lease.
--
-- Whatever belongs to a project carries its id, is seen with it (policy visible), and is added to, or ended, but never
-- removed. Versions of the gate model that Gevinst ships are no rows: the service knows them by their ids.

ALTER TABLE organisations NO FORCE ROW LEVEL SECURITY;

-- Versions of the gate model that the organisation has published; never changed.
CREATE TABLE gate_models (
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    id              uuid        NOT NULL,
    name            text        NOT NULL,
    version         integer     NOT NULL CHECK (version > 0),
    -- The definition as canonical JSON, byte for byte what was hashed.
    definition      text        NOT NULL,
    sha256          text        NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    publisher       text        NOT NULL,
    reason          text        NOT NULL,
    published_at    timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT gate_models_version_key UNIQUE (organisation_id, name, version)
);
CREATE INDEX gate_models_published ON gate_models (organisation_id, published_at, id);

ALTER TABLE projects
    ADD COLUMN size_class    text NOT NULL DEFAULT 'M' CHECK (size_class IN ('XS', 'S', 'M', 'L', 'XL')),
    ADD COLUMN track_reason  text NOT NULL DEFAULT '',
    -- A row of gate_models, or a version that is shipped: the default is its first.
    ADD COLUMN gate_model_id uuid NOT NULL DEFAULT '6e761257-0000-8000-8000-000000000001';

-- A draft has no submitter and no basis yet; submitted_at is when it was drafted.
ALTER TABLE gate_reviews
    ADD COLUMN drafter       text,
    ADD COLUMN summary       text   NOT NULL DEFAULT '',
    ADD COLUMN hold_reasons  text[] NOT NULL DEFAULT '{}' CHECK (hold_reasons <@ ARRAY['CHANGE_LOAD', 'FUNDING', 'CAPACITY',
                                 'DEPENDENCY', 'LEGAL', 'UNCERTAINTY', 'OTHER']),
    ADD COLUMN supersedes_id uuid,
    ADD COLUMN gate_model_id uuid   NOT NULL DEFAULT '6e761257-0000-8000-8000-000000000001',
    -- How the criteria stood: at submission, then at the decision.
    ADD COLUMN criteria      jsonb  NOT NULL DEFAULT '[]',
    -- Of a KILL, what the project had cost (S21).
    ADD COLUMN stop          jsonb,
    ADD CONSTRAINT gate_reviews_supersedes_fkey FOREIGN KEY (organisation_id, supersedes_id)
        REFERENCES gate_reviews (organisation_id, id),
    DROP CONSTRAINT gate_reviews_state_check,
    ADD CONSTRAINT gate_reviews_state_check CHECK (state IN ('DRAFT', 'SUBMITTED', 'DECIDED', 'WITHDRAWN')),
    DROP CONSTRAINT gate_reviews_outcome_check,
    ADD CONSTRAINT gate_reviews_outcome_check
        CHECK (outcome IN ('GO', 'GO_WITH_CONDITIONS', 'HOLD', 'RECYCLE', 'KILL', 'ESCALATED')),
    DROP CONSTRAINT gate_reviews_basis_sha256_check,
    ADD CONSTRAINT gate_reviews_basis_sha256_check CHECK (basis_sha256 ~ '^[0-9a-f]{64}$'
        OR (basis_sha256 = '' AND basis = '' AND submitter = '' AND state IN ('DRAFT', 'WITHDRAWN'))),
    DROP CONSTRAINT gate_reviews_ended,
    ADD CONSTRAINT gate_reviews_ended CHECK ((state IN ('DRAFT', 'SUBMITTED')) = (ended_at IS NULL)),
    ADD CONSTRAINT gate_reviews_held CHECK (outcome = 'HOLD' OR hold_reasons = '{}'),
    ADD CONSTRAINT gate_reviews_stopped CHECK (outcome IS NOT DISTINCT FROM 'KILL' OR stop IS NULL);
-- A decision is corrected once; the correction can be corrected in its turn.
CREATE UNIQUE INDEX gate_reviews_one_correction ON gate_reviews (organisation_id, supersedes_id)
    WHERE state = 'DECIDED' AND outcome <> 'ESCALATED';
-- A draft is open too.
DROP INDEX gate_reviews_one_open;
CREATE UNIQUE INDEX gate_reviews_one_open ON gate_reviews (organisation_id, project_id)
    WHERE state IN ('DRAFT', 'SUBMITTED');
DROP TRIGGER gate_reviews_ended_is_final ON gate_reviews;
CREATE TRIGGER gate_reviews_ended_is_final BEFORE UPDATE OR DELETE ON gate_reviews
    FOR EACH ROW WHEN (OLD.state IN ('DECIDED', 'WITHDRAWN')) EXECUTE FUNCTION refuse_change();

ALTER TABLE gate_votes
    ADD COLUMN hold_reasons text[] NOT NULL DEFAULT '{}',
    ADD COLUMN conditions   jsonb  NOT NULL DEFAULT '[]',
    DROP CONSTRAINT gate_votes_outcome_check,
    ADD CONSTRAINT gate_votes_outcome_check
        CHECK (outcome IN ('GO', 'GO_WITH_CONDITIONS', 'HOLD', 'RECYCLE', 'KILL', 'ESCALATED'));

-- How a criterion stands at a gate, as somebody has recorded it. The newest counts.
CREATE TABLE criterion_assessments (
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    id              uuid        NOT NULL,
    project_id      uuid        NOT NULL,
    gate            text        NOT NULL CHECK (gate IN ('G1', 'G2', 'G3', 'G4', 'G5')),
    criterion       text        NOT NULL,
    grade           text        NOT NULL CHECK (grade IN ('RED', 'AMBER', 'GREEN')),
    reason          text        NOT NULL,
    evidence        jsonb       NOT NULL,
    assessor        text        NOT NULL,
    assessed_for    text,
    assessed_at     timestamptz NOT NULL,
    -- The version of the gate model that asked.
    gate_model_id   uuid        NOT NULL,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT criterion_assessments_project_fkey FOREIGN KEY (organisation_id, project_id)
        REFERENCES projects (organisation_id, id)
);
CREATE INDEX criterion_assessments_newest
    ON criterion_assessments (organisation_id, project_id, gate, criterion, assessed_at DESC, id DESC);
CREATE INDEX criterion_assessments_assessed ON criterion_assessments (organisation_id, project_id, assessed_at, id);

-- What a decision lets a project go on upon.
CREATE TABLE conditions (
    organisation_id    uuid        NOT NULL REFERENCES organisations (id),
    id                 uuid        NOT NULL,
    project_id         uuid        NOT NULL,
    gate_review_id     uuid        NOT NULL,
    title              text        NOT NULL,
    owner              text        NOT NULL,
    -- The last day.
    due_on             date        NOT NULL,
    blocking           boolean     NOT NULL,
    state              text        NOT NULL CHECK (state IN ('OPEN', 'MET', 'WAIVED', 'LAPSED', 'SUPERSEDED')),
    evidence           jsonb       NOT NULL DEFAULT '[]',
    waiver_proposer    text,
    waiver_reason      text        NOT NULL DEFAULT '',
    settled_by         text,
    settle_reason      text        NOT NULL DEFAULT '',
    settled_at         timestamptz,
    version            bigint      NOT NULL DEFAULT 1,
    created_at         timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT conditions_project_fkey FOREIGN KEY (organisation_id, project_id) REFERENCES projects (organisation_id, id),
    CONSTRAINT conditions_review_fkey FOREIGN KEY (organisation_id, gate_review_id)
        REFERENCES gate_reviews (organisation_id, id),
    CONSTRAINT conditions_settled CHECK ((state = 'OPEN') = (settled_by IS NULL) AND (settled_by IS NULL) = (settled_at IS NULL)),
    -- Four eyes, at the last line of defence.
    CONSTRAINT conditions_four_eyes CHECK (state <> 'WAIVED'
        OR (waiver_proposer IS NOT NULL AND settled_by NOT IN (waiver_proposer, owner)))
);
CREATE INDEX conditions_due ON conditions (organisation_id, due_on, id);
CREATE INDEX conditions_project ON conditions (organisation_id, project_id, due_on, id);
CREATE INDEX conditions_owner ON conditions (organisation_id, owner, due_on, id);
-- What the clock asks for.
CREATE INDEX conditions_open ON conditions (organisation_id, due_on) WHERE state = 'OPEN';

-- Where a project's money comes from.
CREATE TABLE appropriations (
    organisation_id  uuid        NOT NULL REFERENCES organisations (id),
    id               uuid        NOT NULL,
    project_id       uuid        NOT NULL,
    basis            text        NOT NULL CHECK (basis IN ('COUNCIL_DECISION', 'EXISTING_FRAME')),
    expenditure_type text        NOT NULL CHECK (expenditure_type IN ('OPERATING', 'CAPITAL')),
    body             text        NOT NULL,
    decided_on       date        NOT NULL,
    case_number      text        NOT NULL,
    amount_ore       bigint      NOT NULL CHECK (amount_ore > 0),
    first_year       integer     NOT NULL,
    last_year        integer     NOT NULL CHECK (last_year >= first_year),
    recorder         text        NOT NULL,
    recorded_at      timestamptz NOT NULL,
    ended_by         text,
    end_reason       text        NOT NULL DEFAULT '',
    ended_at         timestamptz,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT appropriations_project_fkey FOREIGN KEY (organisation_id, project_id)
        REFERENCES projects (organisation_id, id),
    CONSTRAINT appropriations_ended CHECK ((ended_by IS NULL) = (ended_at IS NULL))
);
CREATE INDEX appropriations_project ON appropriations (organisation_id, project_id, recorded_at, id);

-- What a gate has released: a tranche. Superseded decisions revoke theirs.
CREATE TABLE spend_authorities (
    organisation_id      uuid        NOT NULL REFERENCES organisations (id),
    id                   uuid        NOT NULL,
    project_id           uuid        NOT NULL,
    gate_review_id       uuid        NOT NULL,
    amount_ore           bigint      NOT NULL CHECK (amount_ore > 0),
    purpose              text        NOT NULL CHECK (purpose IN ('EXPERIMENTS', 'GENERAL')),
    granted_at           timestamptz NOT NULL,
    revoked_by_review_id uuid,
    revoked_at           timestamptz,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT spend_authorities_project_fkey FOREIGN KEY (organisation_id, project_id)
        REFERENCES projects (organisation_id, id),
    CONSTRAINT spend_authorities_review_fkey FOREIGN KEY (organisation_id, gate_review_id)
        REFERENCES gate_reviews (organisation_id, id),
    CONSTRAINT spend_authorities_revoking_fkey FOREIGN KEY (organisation_id, revoked_by_review_id)
        REFERENCES gate_reviews (organisation_id, id),
    CONSTRAINT spend_authorities_one_each UNIQUE (organisation_id, gate_review_id),
    CONSTRAINT spend_authorities_revoked CHECK ((revoked_by_review_id IS NULL) = (revoked_at IS NULL))
);
CREATE INDEX spend_authorities_project ON spend_authorities (organisation_id, project_id, granted_at, id);

-- What was spent, or came back; never changed.
CREATE TABLE expenditures (
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    id              uuid        NOT NULL,
    project_id      uuid        NOT NULL,
    amount_ore      bigint      NOT NULL CHECK (amount_ore <> 0),
    spent_on        date        NOT NULL,
    purpose         text        NOT NULL CHECK (purpose IN ('EXPERIMENTS', 'GENERAL')),
    category        text        NOT NULL CHECK (category IN ('INTERNAL_TIME', 'LOST_PRODUCTIVITY', 'SOFTWARE', 'HARDWARE',
                        'CONSULTANTS', 'TRAINING', 'OPERATION', 'EXIT', 'OTHER')),
    source          text        NOT NULL,
    recorder        text        NOT NULL,
    recorded_at     timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT expenditures_project_fkey FOREIGN KEY (organisation_id, project_id)
        REFERENCES projects (organisation_id, id)
);
-- With the amounts, so that a sum needs no row.
CREATE INDEX expenditures_project ON expenditures (organisation_id, project_id, spent_on, id) INCLUDE (amount_ore, purpose);

-- A change of direction, and what a project is held to: nothing is edited (S10).
CREATE TABLE direction_changes (
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    id              uuid        NOT NULL,
    project_id      uuid        NOT NULL,
    from_direction  text        NOT NULL,
    to_direction    text        NOT NULL,
    learnt          text        NOT NULL,
    decided_by      text        NOT NULL,
    decided_for     text,
    decided_at      timestamptz NOT NULL,
    baseline_number integer     NOT NULL CHECK (baseline_number > 0),
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT direction_changes_project_fkey FOREIGN KEY (organisation_id, project_id)
        REFERENCES projects (organisation_id, id)
);
CREATE INDEX direction_changes_project ON direction_changes (organisation_id, project_id, baseline_number);

CREATE TABLE project_baselines (
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    project_id      uuid        NOT NULL,
    number          integer     NOT NULL CHECK (number >= 0),
    budget_ore      bigint      NOT NULL CHECK (budget_ore >= 0),
    end_on          date        NOT NULL,
    scope           text        NOT NULL,
    set_by          text        NOT NULL,
    set_at          timestamptz NOT NULL,
    CONSTRAINT project_baselines_number_key PRIMARY KEY (organisation_id, project_id, number),
    CONSTRAINT project_baselines_project_fkey FOREIGN KEY (organisation_id, project_id)
        REFERENCES projects (organisation_id, id)
);

CREATE TABLE increments (
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    id              uuid        NOT NULL,
    project_id      uuid        NOT NULL,
    goal            text        NOT NULL,
    benefit_id      uuid,
    scope           text        NOT NULL,
    budget_ore      bigint      NOT NULL CHECK (budget_ore >= 0),
    start_on        date        NOT NULL,
    end_on          date        NOT NULL CHECK (end_on >= start_on),
    done_criteria   text[]      NOT NULL CHECK (done_criteria <> '{}'),
    state           text        NOT NULL CHECK (state IN ('PLANNED', 'DONE', 'ABANDONED')),
    result          text        NOT NULL DEFAULT '',
    planner         text        NOT NULL,
    planned_at      timestamptz NOT NULL,
    ended_by        text,
    ended_at        timestamptz,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT increments_project_fkey FOREIGN KEY (organisation_id, project_id) REFERENCES projects (organisation_id, id),
    CONSTRAINT increments_benefit_fkey FOREIGN KEY (organisation_id, benefit_id) REFERENCES benefits (organisation_id, id),
    CONSTRAINT increments_ended CHECK ((state = 'PLANNED') = (ended_by IS NULL) AND (ended_by IS NULL) = (ended_at IS NULL))
);
CREATE INDEX increments_project ON increments (organisation_id, project_id, start_on, id);

-- What a project has learnt (S22).
CREATE TABLE lessons (
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    id              uuid        NOT NULL,
    project_id      uuid        NOT NULL,
    what            text        NOT NULL,
    why             text        NOT NULL,
    advice          text        NOT NULL,
    tags            text[]      NOT NULL,
    publisher       text        NOT NULL,
    published_at    timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT lessons_project_fkey FOREIGN KEY (organisation_id, project_id) REFERENCES projects (organisation_id, id)
);
CREATE INDEX lessons_published ON lessons (organisation_id, published_at, id);
CREATE INDEX lessons_project ON lessons (organisation_id, project_id, published_at, id);

-- Turns in a project's life that no other row tells of.
CREATE TABLE project_events (
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    id              uuid        NOT NULL,
    project_id      uuid        NOT NULL,
    kind            text        NOT NULL CHECK (kind IN ('RESUMED', 'HELD_BY_CONDITION', 'GATE_MODEL_MIGRATED')),
    actor           text        NOT NULL,
    reason          text        NOT NULL,
    occurred_at     timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT project_events_project_fkey FOREIGN KEY (organisation_id, project_id)
        REFERENCES projects (organisation_id, id)
);
CREATE INDEX project_events_project ON project_events (organisation_id, project_id, occurred_at, id);

-- Which replica does the clock's work, and until when unless it says so again. No organisation's.
CREATE TABLE clock_leases (
    job    text        PRIMARY KEY,
    holder uuid        NOT NULL,
    until  timestamptz NOT NULL
);

-- The clock asks every organisation in turn: it may see which there are, and nothing else of theirs.
CREATE POLICY clock ON organisations FOR SELECT USING (current_setting('app.clock', true) = 'on');
ALTER TABLE organisations FORCE ROW LEVEL SECURITY;

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['gate_models', 'criterion_assessments', 'expenditures', 'direction_changes',
                             'project_baselines', 'lessons', 'project_events'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I '
            'FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', t || '_append_only', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['gate_models', 'criterion_assessments', 'conditions', 'appropriations', 'spend_authorities',
                             'expenditures', 'direction_changes', 'project_baselines', 'increments', 'lessons',
                             'project_events'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY organisation ON %I USING '
            '(organisation_id = nullif(current_setting(''app.organisation'', true), '''')::uuid)', t);
    END LOOP;
    -- Seen with the project.
    FOREACH t IN ARRAY ARRAY['criterion_assessments', 'appropriations', 'spend_authorities', 'expenditures',
                             'direction_changes', 'project_baselines', 'increments', 'lessons', 'project_events'] LOOP
        EXECUTE format('CREATE POLICY visible ON %I AS RESTRICTIVE FOR SELECT USING ('
            'organisation_id = ANY ((SELECT nullif(current_setting(''app.scopes'', true), '''')::uuid[])::uuid[]) '
            'OR EXISTS (SELECT FROM projects p WHERE p.organisation_id = %I.organisation_id AND p.id = project_id))', t, t);
    END LOOP;
END $$;
-- A condition also by its owner.
CREATE POLICY visible ON conditions AS RESTRICTIVE FOR SELECT USING (
    organisation_id = ANY ((SELECT nullif(current_setting('app.scopes', true), '')::uuid[])::uuid[])
    OR owner = (SELECT nullif(current_setting('app.subject', true), ''))
    OR EXISTS (SELECT FROM projects p WHERE p.organisation_id = conditions.organisation_id AND p.id = project_id));

GRANT SELECT, INSERT ON gate_models, criterion_assessments, expenditures, direction_changes, project_baselines, lessons,
    project_events TO gevinst_app;
GRANT SELECT, INSERT, UPDATE ON conditions, appropriations, spend_authorities, increments, clock_leases TO gevinst_app;
