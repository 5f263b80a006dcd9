-- What becomes of benefits: the policy they are followed by, what they take out of the budget, reviews with outcomes, and the
-- measurements that are to be made (S29, S30).

-- How an organisation follows its benefits. The newest version is in force.
CREATE TABLE benefit_policies (
    organisation_id uuid         NOT NULL REFERENCES organisations (id),
    id              uuid         NOT NULL,
    version         integer      NOT NULL CHECK (version > 0),
    review_months   integer[]    NOT NULL CHECK (cardinality(review_months) BETWEEN 1 AND 5),
    grace_days      integer      NOT NULL CHECK (grace_days >= 0),
    missing_days    integer      NOT NULL,
    yellow_below    numeric(5,4) NOT NULL,
    red_below       numeric(5,4) NOT NULL,
    realised_from   numeric(5,4) NOT NULL,
    partly_from     numeric(5,4) NOT NULL,
    setter          text         NOT NULL,
    set_at          timestamptz  NOT NULL,
    reason          text         NOT NULL,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT benefit_policies_version_key UNIQUE (organisation_id, version),
    CONSTRAINT benefit_policies_order
        CHECK (missing_days > grace_days AND red_below <= yellow_below AND partly_from < realised_from)
);

ALTER TABLE benefits
    -- When the project went into realisation; null before. Reviews are counted from there.
    ADD COLUMN realises_from date,
    -- False where the project was stopped before it went into realisation: nothing is asked of the benefit any more.
    ADD COLUMN followed      boolean NOT NULL DEFAULT true,
    -- The next day on which a measurement or a review of it becomes due, late or missing: what the clock asks for.
    ADD COLUMN next_look_on  date;
CREATE INDEX benefits_next_look ON benefits (organisation_id, next_look_on) WHERE next_look_on IS NOT NULL;
CREATE INDEX benefits_project_realises ON benefits (organisation_id, project_id) WHERE realises_from IS NOT NULL;

-- What benefits take out of the budget, step by step, account by account, year by year.
CREATE TABLE budget_effects (
    organisation_id   uuid        NOT NULL REFERENCES organisations (id),
    id                uuid        NOT NULL,
    benefit_id        uuid        NOT NULL,
    -- The benefit's, which never changes: lists filter by it.
    project_id        uuid        NOT NULL,
    account           text        NOT NULL CHECK (account <> ''),
    year              integer     NOT NULL,
    step              text        NOT NULL CHECK (step IN ('PROMISED', 'BUDGETED', 'REMOVED')),
    amount_ore        bigint      NOT NULL CHECK (amount_ore >= 0),
    price_level_year  integer,
    reference         text        NOT NULL,
    recorder          text        NOT NULL,
    recorded_at       timestamptz NOT NULL,
    corrects_id       uuid,
    correction_reason text        NOT NULL DEFAULT '',
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT budget_effects_benefit_fkey FOREIGN KEY (organisation_id, benefit_id)
        REFERENCES benefits (organisation_id, id),
    CONSTRAINT budget_effects_corrects_fkey FOREIGN KEY (organisation_id, corrects_id)
        REFERENCES budget_effects (organisation_id, id),
    CONSTRAINT budget_effects_reference CHECK (step = 'PROMISED' OR reference <> ''),
    CONSTRAINT budget_effects_correction CHECK ((corrects_id IS NULL) = (correction_reason = ''))
);
CREATE UNIQUE INDEX budget_effects_one_correction ON budget_effects (organisation_id, corrects_id)
    WHERE corrects_id IS NOT NULL;
CREATE INDEX budget_effects_benefit ON budget_effects (organisation_id, benefit_id, account, year);
CREATE INDEX budget_effects_recorded ON budget_effects (organisation_id, recorded_at, id);
CREATE INDEX budget_effects_project ON budget_effects (organisation_id, project_id, recorded_at, id);

-- What reviews have found, with the figures that they rested on. The newest outcome stands in the benefit's own row too.
CREATE TABLE benefit_reviews (
    organisation_id     uuid          NOT NULL REFERENCES organisations (id),
    id                  uuid          NOT NULL,
    benefit_id          uuid          NOT NULL,
    -- Which of the policy's reviews it answers; null where none.
    number              integer       CHECK (number > 0),
    outcome             text          NOT NULL CHECK (outcome IN ('REALISED', 'PARTLY_REALISED', 'NOT_REALISED', 'CANCELLED')),
    outcome_by_rule     text,
    deviation_reason    text          NOT NULL,
    statement           text          NOT NULL,
    plan_number         integer       NOT NULL,
    baseline            numeric(21,6) NOT NULL,
    target              numeric(21,6) NOT NULL,
    measurement_id      uuid,
    actual              numeric(21,6),
    realised_ore        bigint,
    planned_to_date_ore bigint,
    share               numeric,
    share_basis         text          CHECK (share_basis IN ('REALISED_SHARE', 'PROGRESS')),
    policy_version      integer       NOT NULL,
    realised_from       numeric(5,4)  NOT NULL,
    partly_from         numeric(5,4)  NOT NULL,
    reviewer            text          NOT NULL,
    reviewed_at         timestamptz   NOT NULL,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT benefit_reviews_benefit_fkey FOREIGN KEY (organisation_id, benefit_id)
        REFERENCES benefits (organisation_id, id),
    CONSTRAINT benefit_reviews_measurement_fkey FOREIGN KEY (organisation_id, measurement_id)
        REFERENCES measurements (organisation_id, id),
    CONSTRAINT benefit_reviews_measured CHECK ((measurement_id IS NULL) = (actual IS NULL)),
    CONSTRAINT benefit_reviews_share CHECK ((share IS NULL) = (share_basis IS NULL)),
    -- What the figures do not say has a reason.
    CONSTRAINT benefit_reviews_reasoned CHECK (outcome IS NOT DISTINCT FROM outcome_by_rule OR deviation_reason <> '')
);
CREATE INDEX benefit_reviews_benefit ON benefit_reviews (organisation_id, benefit_id, reviewed_at, id);
CREATE INDEX benefit_reviews_number ON benefit_reviews (organisation_id, benefit_id, number) WHERE number IS NOT NULL;

-- That measurements and reviews were due, late or missing, as the clock found it: each once.
CREATE TABLE benefit_events (
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    id              uuid        NOT NULL,
    benefit_id      uuid        NOT NULL,
    -- The benefit's, which never changes: lists filter by it.
    project_id      uuid        NOT NULL,
    kind            text        NOT NULL CHECK (kind IN ('MEASUREMENT_DUE', 'MEASUREMENT_LATE', 'MEASUREMENT_MISSING', 'REVIEW_DUE')),
    number          integer     NOT NULL CHECK (number > 0),
    due_on          date        NOT NULL,
    occurred_at     timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT benefit_events_once UNIQUE (organisation_id, benefit_id, kind, due_on),
    CONSTRAINT benefit_events_benefit_fkey FOREIGN KEY (organisation_id, benefit_id)
        REFERENCES benefits (organisation_id, id)
);
CREATE INDEX benefit_events_occurred ON benefit_events (organisation_id, occurred_at, id);

-- The policy in force, which is this default until one is set (version 0); rules.rs says the same.
CREATE FUNCTION benefit_policy(organisation uuid) RETURNS TABLE (version integer, review_months integer[],
    grace_days integer, missing_days integer) LANGUAGE sql STABLE AS $$
    SELECT p.version, p.review_months, p.grace_days, p.missing_days
        FROM benefit_policies p WHERE p.organisation_id = organisation
    UNION ALL SELECT 0, '{6,12}', 14, 60
    ORDER BY 1 DESC LIMIT 1
$$;

-- The measurements that are to be made: from a benefit's start on one for each interval of its frequency, for as many years as
-- are planned, and where each stands on a day. A read asks it of what the caller sees.
CREATE FUNCTION measurement_slots(organisation uuid, today date) RETURNS TABLE (organisation_id uuid, benefit_id uuid,
    project_id uuid, owner text, number integer, from_on date, due_on date, late_on date, missing_on date, state text,
    measurement_id uuid, measured_on date) LANGUAGE sql STABLE AS $$
    SELECT b.organisation_id, b.id, b.project_id, b.owner, s.number, s.from_on, s.due_on,
        s.due_on + p.grace_days + 1, s.due_on + p.missing_days + 1,
        CASE WHEN m.latest_id IS NOT NULL THEN 'DONE'
            WHEN today <= s.due_on THEN 'UPCOMING'
            WHEN today <= s.due_on + p.grace_days THEN 'DUE'
            WHEN today <= s.due_on + p.missing_days THEN 'LATE'
            ELSE 'MISSING' END,
        m.latest_id, m.latest_on
    FROM benefit_policy(organisation) p
    JOIN benefits b ON b.organisation_id = organisation AND b.starts_on IS NOT NULL AND b.measure_frequency IS NOT NULL
        AND b.followed AND b.outcome IS DISTINCT FROM 'CANCELLED'
    CROSS JOIN LATERAL (SELECT CASE b.measure_frequency
        WHEN 'MONTHLY' THEN 1 WHEN 'QUARTERLY' THEN 3 WHEN 'HALF_YEARLY' THEN 6 ELSE 12 END AS months) f
    CROSS JOIN LATERAL generate_series(1, b.planned_years * 12 / f.months) AS k
    CROSS JOIN LATERAL (SELECT k AS number, (b.starts_on + make_interval(months => (k - 1) * f.months))::date AS from_on,
        (b.starts_on + make_interval(months => k * f.months))::date - 1 AS due_on) s
    LEFT JOIN LATERAL (SELECT n.latest_id, n.latest_on FROM measured_months n
        WHERE n.organisation_id = b.organisation_id AND n.benefit_id = b.id AND n.month BETWEEN s.from_on AND s.due_on
        ORDER BY n.month DESC LIMIT 1) m ON true
    -- The contract's days have four digits.
    WHERE s.due_on <= '9999-12-31'
$$;

-- The reviews that the policy asks for, benefit by benefit.
CREATE FUNCTION benefit_review_dues(organisation uuid) RETURNS TABLE (organisation_id uuid, benefit_id uuid, project_id uuid,
    number integer, due_on date, overdue_on date, done boolean) LANGUAGE sql STABLE AS $$
    SELECT b.organisation_id, b.id, b.project_id, r.number::integer, d.due_on, d.due_on + p.grace_days + 1,
        b.outcome IS NOT DISTINCT FROM 'CANCELLED' OR EXISTS (SELECT FROM benefit_reviews v
            WHERE v.organisation_id = b.organisation_id AND v.benefit_id = b.id AND v.number = r.number)
    FROM benefit_policy(organisation) p
    JOIN benefits b ON b.organisation_id = organisation AND b.realises_from IS NOT NULL
    CROSS JOIN LATERAL unnest(p.review_months) WITH ORDINALITY AS r (months, number)
    CROSS JOIN LATERAL (SELECT (b.realises_from + make_interval(months => r.months))::date AS due_on) d
$$;

-- The same, project by project, and where each stands on a day.
CREATE FUNCTION due_benefit_reviews(organisation uuid, today date) RETURNS TABLE (organisation_id uuid, project_id uuid,
    number integer, due_on date, state text, missing uuid[]) LANGUAGE sql STABLE AS $$
    SELECT d.organisation_id, d.project_id, d.number, d.due_on,
        CASE WHEN bool_and(d.done) THEN 'DONE' WHEN today < d.due_on THEN 'UPCOMING' WHEN today < d.overdue_on THEN 'DUE'
            ELSE 'OVERDUE' END,
        coalesce(array_agg(d.benefit_id ORDER BY d.benefit_id) FILTER (WHERE NOT d.done), '{}')
    FROM benefit_review_dues(organisation) d
    GROUP BY d.organisation_id, d.project_id, d.number, d.due_on, d.overdue_on
$$;

-- The first day after this one on which something of a benefit becomes due, late or missing.
CREATE FUNCTION next_look(organisation uuid, benefit uuid, today date) RETURNS date LANGUAGE sql STABLE AS $$
    SELECT min(looks.day) FROM (
        SELECT CASE s.state WHEN 'UPCOMING' THEN s.due_on + 1 WHEN 'DUE' THEN s.late_on WHEN 'LATE' THEN s.missing_on END AS day
            FROM measurement_slots(organisation, today) s WHERE s.benefit_id = benefit
        UNION ALL SELECT d.due_on FROM benefit_review_dues(organisation) d
            WHERE d.benefit_id = benefit AND NOT d.done AND d.due_on > today) looks
$$;

-- A benefit whose intervals or reviews have moved is looked at from the first of them on: the clock then finds what it has
-- not told yet.
CREATE FUNCTION look_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.next_look_on := CASE WHEN NEW.followed AND NEW.outcome IS DISTINCT FROM 'CANCELLED' THEN least(
        CASE WHEN NEW.measure_frequency IS NOT NULL AND NEW.targets <> '[]' THEN (NEW.starts_on + CASE NEW.measure_frequency
            WHEN 'MONTHLY' THEN interval '1 month' WHEN 'QUARTERLY' THEN interval '3 months'
            WHEN 'HALF_YEARLY' THEN interval '6 months' ELSE interval '1 year' END)::date END,
        (SELECT (NEW.realises_from + make_interval(months => p.review_months[1]))::date
            FROM benefit_policy(NEW.organisation_id) p)) END;
    RETURN NEW;
END $$;
CREATE TRIGGER benefits_look_again BEFORE UPDATE ON benefits FOR EACH ROW WHEN (
    (OLD.starts_on, OLD.targets, OLD.measure_frequency, OLD.realises_from, OLD.followed,
        OLD.outcome IS NOT DISTINCT FROM 'CANCELLED')
    IS DISTINCT FROM (NEW.starts_on, NEW.targets, NEW.measure_frequency, NEW.realises_from, NEW.followed,
        NEW.outcome IS NOT DISTINCT FROM 'CANCELLED'))
    EXECUTE FUNCTION look_again();

-- Of projects that were in realisation before, since when: as the decisions say.
ALTER TABLE organisations NO FORCE ROW LEVEL SECURITY;
ALTER TABLE benefits NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projects NO FORCE ROW LEVEL SECURITY;
ALTER TABLE gate_reviews NO FORCE ROW LEVEL SECURITY;
UPDATE benefits b SET realises_from = (SELECT max((r.ended_at AT TIME ZONE 'Europe/Copenhagen')::date) FROM gate_reviews r
    WHERE r.organisation_id = b.organisation_id AND r.project_id = b.project_id AND r.led_to = 'REALISATION'
        AND NOT EXISTS (SELECT FROM gate_reviews c WHERE c.organisation_id = r.organisation_id AND c.supersedes_id = r.id
            AND c.state = 'DECIDED' AND c.outcome <> 'ESCALATED'));
UPDATE benefits b SET followed = false FROM projects p
    WHERE p.organisation_id = b.organisation_id AND p.id = b.project_id AND p.status = 'STOPPED' AND b.realises_from IS NULL;
-- And what was planned before is looked at.
UPDATE benefits SET next_look_on = starts_on WHERE starts_on IS NOT NULL AND next_look_on IS NULL;
ALTER TABLE gate_reviews FORCE ROW LEVEL SECURITY;
ALTER TABLE projects FORCE ROW LEVEL SECURITY;
ALTER TABLE benefits FORCE ROW LEVEL SECURITY;
ALTER TABLE organisations FORCE ROW LEVEL SECURITY;

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['benefit_policies', 'budget_effects', 'benefit_reviews', 'benefit_events'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY organisation ON %I '
            'USING (organisation_id = nullif(current_setting(''app.organisation'', true), '''')::uuid)', t);
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I '
            'FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', t || '_append_only', t);
    END LOOP;
    -- Seen with the benefit. A policy is known to all who have a role.
    FOREACH t IN ARRAY ARRAY['budget_effects', 'benefit_reviews', 'benefit_events'] LOOP
        EXECUTE format('CREATE POLICY visible ON %1$I AS RESTRICTIVE FOR SELECT USING ('
            'organisation_id = ANY ((SELECT nullif(current_setting(''app.scopes'', true), '''')::uuid[])::uuid[]) '
            'OR EXISTS (SELECT FROM benefits b WHERE b.organisation_id = %1$I.organisation_id AND b.id = benefit_id))', t);
    END LOOP;
END $$;
GRANT SELECT, INSERT ON benefit_policies, budget_effects, benefit_reviews, benefit_events TO gevinst_app;
GRANT UPDATE (realises_from, followed, next_look_on) ON benefits TO gevinst_app;
