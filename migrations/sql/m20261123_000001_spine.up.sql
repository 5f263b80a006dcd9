-- The spine: organisations and their units, projects, gate reviews, benefits, audit entries, idempotency records.
--
-- Every table but the migrator's own holds one organisation's rows and is closed by row-level security (I25):
-- a statement sees what app.organisation names, and nothing while it is unset. After a transaction PostgreSQL leaves the
-- setting as '' rather than NULL, hence nullif. FORCE holds the owner to the same policy. Keys and foreign keys carry the
-- organisation, so that no row can point across.
--
-- The runtime role owns nothing here, and may change or delete only what is listed at the end.

CREATE TABLE organisations (
    id            uuid        PRIMARY KEY,
    name          text        NOT NULL CHECK (name <> ''),
    code          text        NOT NULL CHECK (code ~ '^[0-9]{4}$'),
    number_prefix text        NOT NULL CHECK (number_prefix ~ '^[A-ZÆØÅ]{2,6}$'),
    created_at    timestamptz NOT NULL,
    CONSTRAINT organisations_code_key UNIQUE (code)
);

CREATE TABLE org_units (
    id                  uuid        NOT NULL,
    organisation_id     uuid        NOT NULL REFERENCES organisations (id),
    name                text        NOT NULL,
    parent_id           uuid,
    leader              text,
    is_operational_area boolean     NOT NULL,
    version             bigint      NOT NULL DEFAULT 1,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT org_units_name_key UNIQUE (organisation_id, name),
    CONSTRAINT org_units_parent_fkey FOREIGN KEY (organisation_id, parent_id) REFERENCES org_units (organisation_id, id)
);
CREATE INDEX org_units_created ON org_units (organisation_id, created_at, id);

-- The last number given, per organisation and year. A row lock on it is what makes numbers gapless: the next
-- registration waits until this one has committed, or takes over its number when it has not.
CREATE TABLE project_numbers (
    organisation_id uuid    NOT NULL REFERENCES organisations (id),
    year            integer NOT NULL,
    last            integer NOT NULL,
    PRIMARY KEY (organisation_id, year)
);

CREATE TABLE projects (
    id              uuid        NOT NULL,
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    number          text        NOT NULL,
    title           text        NOT NULL,
    vision          text        NOT NULL,
    org_unit_id     uuid        NOT NULL,
    project_owner   text        NOT NULL,
    project_manager text        NOT NULL,
    project_class   text        NOT NULL CHECK (project_class IN ('EFFICIENCY', 'SELF_SERVICE', 'WELFARE_TECH',
                        'INFRASTRUCTURE', 'SECURITY', 'INNOVATION', 'MANDATORY', 'JOINT_MUNICIPAL')),
    stage           text        NOT NULL CHECK (stage IN ('IDEA', 'ANALYSIS', 'EXECUTION', 'EXECUTION_SCALED',
                        'REALISATION', 'CLOSED')),
    status          text        NOT NULL CHECK (status IN ('ACTIVE', 'ON_HOLD', 'STOPPED')),
    archived        boolean     NOT NULL DEFAULT false,
    version         bigint      NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT projects_number_key UNIQUE (organisation_id, number),
    CONSTRAINT projects_org_unit_fkey FOREIGN KEY (organisation_id, org_unit_id)
        REFERENCES org_units (organisation_id, id)
);
-- One index for each order a list can have; the id makes the key of a page unique.
CREATE INDEX projects_created ON projects (organisation_id, created_at, id);
CREATE INDEX projects_updated ON projects (organisation_id, updated_at, id);
CREATE INDEX projects_title ON projects (organisation_id, title, id);
CREATE INDEX projects_org_unit ON projects (organisation_id, org_unit_id, created_at, id);

CREATE TABLE gate_reviews (
    id              uuid        NOT NULL,
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    project_id      uuid        NOT NULL,
    gate            text        NOT NULL CHECK (gate IN ('G1', 'G2', 'G3', 'G4', 'G5')),
    attempt         integer     NOT NULL CHECK (attempt > 0),
    state           text        NOT NULL CHECK (state IN ('SUBMITTED', 'DECIDED', 'WITHDRAWN')),
    submitter       text        NOT NULL,
    -- As of the submission: a change of manager while the review is open gets nobody round I03.
    project_manager text        NOT NULL,
    submitted_at    timestamptz NOT NULL,
    -- The bytes that were hashed: text, because jsonb would order and space them anew.
    basis           text        NOT NULL,
    basis_sha256    text        NOT NULL CHECK (basis_sha256 ~ '^[0-9a-f]{64}$'),
    outcome         text        CHECK (outcome IN ('GO', 'HOLD', 'RECYCLE', 'KILL')),
    decider         text,
    reason          text        NOT NULL DEFAULT '',
    ended_at        timestamptz,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT gate_reviews_project_fkey FOREIGN KEY (organisation_id, project_id)
        REFERENCES projects (organisation_id, id),
    CONSTRAINT gate_reviews_decided CHECK ((state = 'DECIDED') = (outcome IS NOT NULL AND decider IS NOT NULL)),
    CONSTRAINT gate_reviews_ended CHECK ((state = 'SUBMITTED') = (ended_at IS NULL)),
    -- I03, at the last line of defence.
    CONSTRAINT gate_reviews_three_people CHECK (submitter <> project_manager
        AND (decider IS NULL OR decider NOT IN (submitter, project_manager)))
);
CREATE UNIQUE INDEX gate_reviews_one_open ON gate_reviews (organisation_id, project_id) WHERE state = 'SUBMITTED';
CREATE INDEX gate_reviews_project ON gate_reviews (organisation_id, project_id, submitted_at, id);

CREATE TABLE benefits (
    id                   uuid          NOT NULL,
    organisation_id      uuid          NOT NULL REFERENCES organisations (id),
    project_id           uuid          NOT NULL,
    title                text          NOT NULL,
    kind                 text          NOT NULL CHECK (kind IN ('ECONOMIC', 'QUALITATIVE')),
    measure_name         text          NOT NULL,
    measure_unit         text          NOT NULL,
    baseline             numeric(21,6) NOT NULL,
    target               numeric(21,6) NOT NULL,
    owner                text          NOT NULL,
    planned_annual_ore   bigint,
    price_level_year     integer,
    created_at           timestamptz   NOT NULL,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT benefits_project_fkey FOREIGN KEY (organisation_id, project_id)
        REFERENCES projects (organisation_id, id),
    CONSTRAINT benefits_value CHECK ((kind = 'ECONOMIC')
        = (planned_annual_ore IS NOT NULL AND price_level_year IS NOT NULL))
);
CREATE INDEX benefits_created ON benefits (organisation_id, created_at, id);
CREATE INDEX benefits_title ON benefits (organisation_id, title, id);
CREATE INDEX benefits_project ON benefits (organisation_id, project_id, created_at, id);
CREATE INDEX benefits_owner ON benefits (organisation_id, owner, created_at, id);

CREATE TABLE measurements (
    id              uuid          NOT NULL,
    organisation_id uuid          NOT NULL REFERENCES organisations (id),
    benefit_id      uuid          NOT NULL,
    value           numeric(21,6) NOT NULL,
    measured_on     date          NOT NULL,
    source          text          NOT NULL,
    recorder        text          NOT NULL,
    recorded_at     timestamptz   NOT NULL,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT measurements_benefit_fkey FOREIGN KEY (organisation_id, benefit_id)
        REFERENCES benefits (organisation_id, id)
);
-- The newest measurement is the first of this index: newest day, then newest record of that day.
CREATE INDEX measurements_benefit ON measurements (organisation_id, benefit_id, measured_on, id);

CREATE TABLE audit_entries (
    id              uuid        NOT NULL,
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    occurred_at     timestamptz NOT NULL,
    actor           text        NOT NULL,
    action          text        NOT NULL,
    object_type     text        NOT NULL,
    object_id       uuid,
    outcome         text        NOT NULL CHECK (outcome IN ('DONE', 'REFUSED')),
    reason          text        NOT NULL DEFAULT '',
    changes         jsonb       NOT NULL,
    trace_id        text        NOT NULL,
    request_id      text        NOT NULL,
    PRIMARY KEY (organisation_id, id)
);
CREATE INDEX audit_entries_occurred ON audit_entries (organisation_id, occurred_at, id);
CREATE INDEX audit_entries_object ON audit_entries (organisation_id, object_id, occurred_at, id);

-- The answer that a command gave under an idempotency key, stored in the command's own transaction.
CREATE TABLE idempotency_records (
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    actor           text        NOT NULL,
    key             text        NOT NULL,
    request_sha256  bytea       NOT NULL,
    response        bytea,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, actor, key)
);
CREATE INDEX idempotency_records_created ON idempotency_records (organisation_id, created_at);

-- Immutability, whoever asks (I14, I24; a decided review stays as it was decided).
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is not allowed: its rows are never changed or removed', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER measurements_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON measurements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER gate_reviews_ended_is_final BEFORE UPDATE OR DELETE ON gate_reviews
    FOR EACH ROW WHEN (OLD.state <> 'SUBMITTED') EXECUTE FUNCTION refuse_change();

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['org_units', 'project_numbers', 'projects', 'gate_reviews', 'benefits', 'measurements',
                             'audit_entries', 'idempotency_records'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY organisation ON %I USING '
            '(organisation_id = nullif(current_setting(''app.organisation'', true), '''')::uuid)', t);
    END LOOP;
END $$;
ALTER TABLE organisations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organisations FORCE ROW LEVEL SECURITY;
CREATE POLICY organisation ON organisations
    USING (id = nullif(current_setting('app.organisation', true), '')::uuid);

GRANT SELECT ON seaql_migrations, organisations TO gevinst_app;
GRANT SELECT, INSERT ON audit_entries, measurements TO gevinst_app;
GRANT SELECT, INSERT, UPDATE ON org_units, project_numbers, projects, gate_reviews TO gevinst_app;
GRANT SELECT, INSERT ON benefits TO gevinst_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_records TO gevinst_app;
