-- The register of benefits: what a benefit is, how it is measured, what is planned of it and from when (S07, S29, S30, I14).
--
-- The newest plan stands in the benefit's own row, written by the command that plans: lists and dossiers read no other row.
-- benefit_plans keeps each of them.

ALTER TABLE benefits
    ADD COLUMN disbenefit          boolean NOT NULL DEFAULT false,
    ADD COLUMN cashability         text CHECK (cashability IN ('CASHABLE', 'FREED_CAPACITY', 'AVOIDED', 'NON_FINANCIAL', 'SOCIETAL')),
    -- As messages of the contract, as the other jsonb columns here.
    ADD COLUMN beneficiaries       jsonb   NOT NULL DEFAULT '[]',
    ADD COLUMN measure_method      text    NOT NULL DEFAULT '',
    ADD COLUMN measure_source      text    NOT NULL DEFAULT '',
    ADD COLUMN measure_frequency   text CHECK (measure_frequency IN ('MONTHLY', 'QUARTERLY', 'HALF_YEARLY', 'YEARLY')),
    ADD COLUMN measure_aggregation text CHECK (measure_aggregation IN ('SUM', 'AVERAGE', 'LATEST', 'MIN', 'MAX', 'YES_NO')),
    ADD COLUMN measure_direction   text CHECK (measure_direction IN ('INCREASE', 'DECREASE', 'MAINTAIN')),
    ADD COLUMN measure_scale       jsonb   NOT NULL DEFAULT '[]',
    ADD COLUMN plan_number         integer NOT NULL DEFAULT 0,
    ADD COLUMN baseline_evidence   jsonb,
    ADD COLUMN targets             jsonb   NOT NULL DEFAULT '[]',
    ADD COLUMN planned_years       integer NOT NULL GENERATED ALWAYS AS (jsonb_array_length(targets)) STORED,
    ADD COLUMN start               jsonb,
    ADD COLUMN plan_reason         text    NOT NULL DEFAULT '',
    ADD COLUMN planner             text    NOT NULL DEFAULT '',
    ADD COLUMN planned_at          timestamptz NOT NULL DEFAULT now(),
    -- The first day of the first year, a month's first; null where nothing says when.
    ADD COLUMN starts_on           date CHECK (extract(day FROM starts_on) = 1),
    -- I14: the plan that a gate has frozen, and when its first year began or was to begin then.
    ADD COLUMN baseline_plan       integer,
    ADD COLUMN baseline_starts_on  date CHECK (extract(day FROM baseline_starts_on) = 1),
    -- Whether there is a measurement, whatever has become of it.
    ADD COLUMN measured            boolean NOT NULL DEFAULT false,
    -- What the newest review has found.
    ADD COLUMN outcome             text CHECK (outcome IN ('REALISED', 'PARTLY_REALISED', 'NOT_REALISED', 'CANCELLED')),
    ADD COLUMN outcome_at          timestamptz,
    ADD COLUMN version             bigint  NOT NULL DEFAULT 1;
ALTER TABLE benefits
    ADD COLUMN state text NOT NULL GENERATED ALWAYS AS (CASE
        WHEN outcome IS NOT NULL THEN outcome
        WHEN baseline_plan IS NOT NULL THEN CASE WHEN measured THEN 'MEASURING' ELSE 'BASELINED' END
        WHEN measure_method = '' OR measure_source = '' OR measure_frequency IS NULL OR measure_aggregation IS NULL
            OR targets = '[]' OR start IS NULL THEN 'IDENTIFIED'
        WHEN owner_state IN ('ACCEPTED', 'ORPHANED') THEN 'ACCEPTED'
        ELSE 'PROFILED' END) STORED,
    ADD CONSTRAINT benefits_outcome CHECK ((outcome IS NULL) = (outcome_at IS NULL));

-- Plans are added, never changed (I14).
CREATE TABLE benefit_plans (
    organisation_id    uuid          NOT NULL REFERENCES organisations (id),
    id                 uuid          NOT NULL,
    benefit_id         uuid          NOT NULL,
    number             integer       NOT NULL CHECK (number >= 0),
    baseline           numeric(21,6) NOT NULL,
    baseline_evidence  jsonb,
    target             numeric(21,6) NOT NULL,
    targets            jsonb         NOT NULL,
    planned_annual_ore bigint,
    price_level_year   integer,
    start              jsonb,
    reason             text          NOT NULL,
    planner            text          NOT NULL,
    planned_at         timestamptz   NOT NULL,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT benefit_plans_number_key UNIQUE (organisation_id, benefit_id, number),
    CONSTRAINT benefit_plans_benefit_fkey FOREIGN KEY (organisation_id, benefit_id)
        REFERENCES benefits (organisation_id, id)
);
CREATE INDEX benefit_plans_benefit ON benefit_plans (organisation_id, benefit_id, planned_at, id);

-- What was measured, month by month: of the measurements that count, none of those that another has taken the place of.
-- Figures of years are read from here, so that they cost the same however much was measured.
CREATE TABLE measured_months (
    organisation_id uuid          NOT NULL REFERENCES organisations (id),
    benefit_id      uuid          NOT NULL,
    month           date          NOT NULL CHECK (extract(day FROM month) = 1),
    count           bigint        NOT NULL CHECK (count > 0),
    sum             numeric       NOT NULL,
    min             numeric(21,6) NOT NULL,
    max             numeric(21,6) NOT NULL,
    -- The newest day, then the newest record of that day.
    latest          numeric(21,6) NOT NULL,
    latest_on       date          NOT NULL,
    latest_id       uuid          NOT NULL,
    PRIMARY KEY (organisation_id, benefit_id, month),
    CONSTRAINT measured_months_benefit_fkey FOREIGN KEY (organisation_id, benefit_id)
        REFERENCES benefits (organisation_id, id)
);

-- A statement's measurements are added to their months; the months of what they correct are counted anew. Who records holds
-- the project's lock: two statements never do this for one benefit at once.
CREATE FUNCTION keep_measured_months() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO measured_months AS m
        SELECT organisation_id, benefit_id, date_trunc('month', measured_on)::date, count(*), sum(value), min(value), max(value),
            (array_agg(value ORDER BY measured_on DESC, id DESC))[1], max(measured_on),
            (array_agg(id ORDER BY measured_on DESC, id DESC))[1]
        FROM recorded GROUP BY 1, 2, 3
    ON CONFLICT (organisation_id, benefit_id, month) DO UPDATE SET
        count = m.count + excluded.count, sum = m.sum + excluded.sum,
        min = least(m.min, excluded.min), max = greatest(m.max, excluded.max),
        latest = CASE WHEN (excluded.latest_on, excluded.latest_id) > (m.latest_on, m.latest_id)
            THEN excluded.latest ELSE m.latest END,
        latest_id = CASE WHEN (excluded.latest_on, excluded.latest_id) > (m.latest_on, m.latest_id)
            THEN excluded.latest_id ELSE m.latest_id END,
        latest_on = greatest(m.latest_on, excluded.latest_on);
    IF EXISTS (SELECT FROM recorded WHERE corrects_id IS NOT NULL) THEN
        PERFORM count_measured_months(w.organisation_id, w.benefit_id, date_trunc('month', w.measured_on)::date)
        FROM (SELECT DISTINCT w.organisation_id, w.benefit_id, w.measured_on FROM recorded r JOIN measurements w
            ON w.organisation_id = r.organisation_id AND w.id = r.corrects_id) w;
    END IF;
    UPDATE benefits b SET measured = true FROM (SELECT DISTINCT organisation_id, benefit_id FROM recorded) r
        WHERE b.organisation_id = r.organisation_id AND b.id = r.benefit_id AND NOT b.measured;
    RETURN NULL;
END $$;

-- One month of one benefit, from its measurements.
CREATE FUNCTION count_measured_months(organisation uuid, benefit uuid, first_day date) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM measured_months WHERE organisation_id = organisation AND benefit_id = benefit AND month = first_day;
    INSERT INTO measured_months
        SELECT organisation, benefit, first_day, count(*), sum(value), min(value), max(value),
            (array_agg(value ORDER BY measured_on DESC, id DESC))[1], max(measured_on),
            (array_agg(id ORDER BY measured_on DESC, id DESC))[1]
        FROM measurements m
        WHERE m.organisation_id = organisation AND m.benefit_id = benefit
            AND m.measured_on >= first_day AND m.measured_on < first_day + interval '1 month'
            AND NOT EXISTS (SELECT FROM measurements c WHERE c.organisation_id = organisation AND c.corrects_id = m.id)
        HAVING count(*) > 0;
END $$;

-- S30: one of each kind, or a reason.
ALTER TABLE projects ADD COLUMN single_kind_reason text NOT NULL DEFAULT '';

-- What led where: the stage that a decision that goes on led to. Null of those that led nowhere.
ALTER TABLE gate_reviews ADD COLUMN led_to text;

-- What was there before: each benefit's only plan, its months, and where decisions led by the gates that were shipped.
ALTER TABLE organisations NO FORCE ROW LEVEL SECURITY;
ALTER TABLE benefits NO FORCE ROW LEVEL SECURITY;
ALTER TABLE measurements NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projects NO FORCE ROW LEVEL SECURITY;
ALTER TABLE gate_reviews NO FORCE ROW LEVEL SECURITY;
UPDATE benefits SET planned_at = created_at, planner = 'gevinst',
    measure_direction = CASE WHEN target > baseline THEN 'INCREASE' WHEN target < baseline THEN 'DECREASE' ELSE 'MAINTAIN' END,
    measured = EXISTS (SELECT FROM measurements m WHERE m.organisation_id = benefits.organisation_id AND m.benefit_id = benefits.id);
INSERT INTO benefit_plans (organisation_id, id, benefit_id, number, baseline, target, targets, planned_annual_ore,
        price_level_year, reason, planner, planned_at)
    SELECT organisation_id, id, id, 0, baseline, target, '[]', planned_annual_ore, price_level_year, '', 'gevinst', created_at
    FROM benefits;
INSERT INTO measured_months
    SELECT organisation_id, benefit_id, date_trunc('month', measured_on)::date, count(*), sum(value), min(value), max(value),
        (array_agg(value ORDER BY measured_on DESC, id DESC))[1], max(measured_on),
        (array_agg(id ORDER BY measured_on DESC, id DESC))[1]
    FROM measurements m
    WHERE NOT EXISTS (SELECT FROM measurements c WHERE c.organisation_id = m.organisation_id AND c.corrects_id = m.id)
    GROUP BY 1, 2, 3;
ALTER TABLE gate_reviews DISABLE TRIGGER gate_reviews_ended_is_final;
UPDATE gate_reviews r SET led_to = CASE r.gate WHEN 'G1' THEN 'ANALYSIS' WHEN 'G3' THEN 'EXECUTION_SCALED'
        WHEN 'G4' THEN 'REALISATION' WHEN 'G5' THEN 'CLOSED' ELSE CASE p.size_class WHEN 'XS' THEN 'REALISATION' ELSE 'EXECUTION' END END
    FROM projects p
    WHERE p.organisation_id = r.organisation_id AND p.id = r.project_id AND r.outcome IN ('GO', 'GO_WITH_CONDITIONS');
ALTER TABLE gate_reviews ENABLE TRIGGER gate_reviews_ended_is_final;
-- I14: what had led to execution has frozen its benefits.
UPDATE benefits b SET baseline_plan = 0 FROM projects p
    WHERE p.organisation_id = b.organisation_id AND p.id = b.project_id
        AND p.stage IN ('EXECUTION', 'EXECUTION_SCALED', 'REALISATION', 'CLOSED');
ALTER TABLE gate_reviews FORCE ROW LEVEL SECURITY;
ALTER TABLE projects FORCE ROW LEVEL SECURITY;
ALTER TABLE measurements FORCE ROW LEVEL SECURITY;
ALTER TABLE benefits FORCE ROW LEVEL SECURITY;
ALTER TABLE organisations FORCE ROW LEVEL SECURITY;

CREATE INDEX benefits_state ON benefits (organisation_id, state, created_at, id);
CREATE TRIGGER measurements_months AFTER INSERT ON measurements REFERENCING NEW TABLE AS recorded
    FOR EACH STATEMENT EXECUTE FUNCTION keep_measured_months();

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['benefit_plans', 'measured_months'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY organisation ON %I '
            'USING (organisation_id = nullif(current_setting(''app.organisation'', true), '''')::uuid)', t);
        EXECUTE format('CREATE POLICY visible ON %1$I AS RESTRICTIVE FOR SELECT USING ('
            'organisation_id = ANY ((SELECT nullif(current_setting(''app.scopes'', true), '''')::uuid[])::uuid[]) '
            'OR EXISTS (SELECT FROM benefits b WHERE b.organisation_id = %1$I.organisation_id AND b.id = benefit_id))', t);
    END LOOP;
END $$;
CREATE TRIGGER benefit_plans_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON benefit_plans
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON benefit_plans TO gevinst_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON measured_months TO gevinst_app;
GRANT UPDATE (title, kind, measure_name, measure_unit, baseline, target, planned_annual_ore, price_level_year, disbenefit,
    cashability, beneficiaries, measure_method, measure_source, measure_frequency, measure_aggregation, measure_direction,
    measure_scale, plan_number, baseline_evidence, targets, start, plan_reason, planner, planned_at, starts_on, baseline_plan,
    baseline_starts_on, measured, outcome, outcome_at, version) ON benefits TO gevinst_app;
