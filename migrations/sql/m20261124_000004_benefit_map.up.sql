-- Strategy goals, benefit maps, what each benefit serves, and what is claimed twice (S07, S29, I21).

-- What an organisation wants to reach; ended, never removed. Known to all who have a role in it.
CREATE TABLE strategy_goals (
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    id              uuid        NOT NULL,
    code            text        NOT NULL,
    title_da        text        NOT NULL,
    title_en        text        NOT NULL,
    principle       text CHECK (principle IN ('INVOLVE', 'START_SMALL', 'USABLE_AND_SECURE', 'GIVE_VALUE')),
    created_by      text        NOT NULL,
    created_at      timestamptz NOT NULL,
    -- Its last day.
    ends_on         date,
    ended_by        text,
    ended_at        timestamptz,
    end_reason      text        NOT NULL DEFAULT '',
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT strategy_goals_code_key UNIQUE (organisation_id, code),
    CONSTRAINT strategy_goals_ended
        CHECK ((ends_on IS NULL) = (ended_by IS NULL) AND (ends_on IS NULL) = (ended_at IS NULL))
);
CREATE INDEX strategy_goals_created ON strategy_goals (organisation_id, created_at, id);

-- A project's map, whole: it is set and read as one. What a map was before, the audit log says.
CREATE TABLE benefit_maps (
    organisation_id uuid        NOT NULL REFERENCES organisations (id),
    project_id      uuid        NOT NULL,
    -- [{key, kind, title, benefit, strategy_goal, principle}]; benefits are the project's, and neither they nor goals are
    -- ever removed.
    nodes           jsonb       NOT NULL,
    -- [{from, to, weight}]
    edges           jsonb       NOT NULL,
    set_by          text        NOT NULL,
    set_at          timestamptz NOT NULL,
    version         bigint      NOT NULL,
    PRIMARY KEY (organisation_id, project_id),
    CONSTRAINT benefit_maps_project_fkey FOREIGN KEY (organisation_id, project_id)
        REFERENCES projects (organisation_id, id)
);

-- What a benefit serves, as its project's map says: [{strategy_goal, principle, share}], written with the map.
ALTER TABLE benefits ADD COLUMN serves jsonb NOT NULL DEFAULT '[]';
GRANT UPDATE (serves) ON benefits TO gevinst_app;

ALTER TABLE strategy_goals ENABLE ROW LEVEL SECURITY;
ALTER TABLE strategy_goals FORCE ROW LEVEL SECURITY;
ALTER TABLE benefit_maps ENABLE ROW LEVEL SECURITY;
ALTER TABLE benefit_maps FORCE ROW LEVEL SECURITY;
CREATE POLICY organisation ON strategy_goals
    USING (organisation_id = nullif(current_setting('app.organisation', true), '')::uuid);
CREATE POLICY organisation ON benefit_maps
    USING (organisation_id = nullif(current_setting('app.organisation', true), '')::uuid);
CREATE POLICY visible ON benefit_maps AS RESTRICTIVE FOR SELECT USING (
    organisation_id = ANY ((SELECT nullif(current_setting('app.scopes', true), '')::uuid[])::uuid[])
    OR EXISTS (SELECT FROM projects p WHERE p.organisation_id = benefit_maps.organisation_id AND p.id = project_id));
GRANT SELECT, INSERT ON strategy_goals, benefit_maps TO gevinst_app;
GRANT UPDATE (ends_on, ended_by, ended_at, end_reason) ON strategy_goals TO gevinst_app;
GRANT UPDATE (nodes, edges, set_by, set_at, version) ON benefit_maps TO gevinst_app;

-- What each benefit claims to move, and when: the same measure claimed twice in overlapping years, also by another project,
-- counts one thing twice. A row for each benefit, kept by triggers. Everybody's own, so that whether somebody else claims the
-- same does not depend on who asks; of whose it is, answers say no more than the caller may see.
CREATE TABLE measure_claims (
    organisation_id uuid      NOT NULL REFERENCES organisations (id),
    benefit_id      uuid      NOT NULL,
    project_id      uuid      NOT NULL,
    -- Name and unit, without spaces and in small letters.
    measure         text      NOT NULL,
    -- Without a start: always. With one and no years planned: from then on.
    period          daterange NOT NULL,
    -- No disbenefit, not cancelled.
    pursued         boolean   NOT NULL,
    -- With its project: what is stopped claims nothing.
    stopped         boolean   NOT NULL,
    PRIMARY KEY (organisation_id, benefit_id),
    CONSTRAINT measure_claims_benefit_fkey FOREIGN KEY (organisation_id, benefit_id)
        REFERENCES benefits (organisation_id, id)
);
CREATE INDEX measure_claims_measure ON measure_claims (organisation_id, measure) WHERE pursued AND NOT stopped;

CREATE FUNCTION measure_key(name text, unit text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT lower(regexp_replace(name, '\s+', '', 'g') || '|' || regexp_replace(unit, '\s+', '', 'g'))
$$;
CREATE FUNCTION claimed_period(starts_on date, years integer) RETURNS daterange LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN starts_on IS NULL THEN daterange(NULL, NULL)
        WHEN years = 0 THEN daterange(starts_on, NULL)
        ELSE daterange(starts_on, (starts_on + make_interval(years => years))::date) END
$$;
CREATE FUNCTION keep_measure_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO measure_claims (organisation_id, benefit_id, project_id, measure, period, pursued, stopped)
        SELECT NEW.organisation_id, NEW.id, NEW.project_id, measure_key(NEW.measure_name, NEW.measure_unit),
            claimed_period(NEW.starts_on, NEW.planned_years),
            NOT NEW.disbenefit AND NEW.outcome IS DISTINCT FROM 'CANCELLED', p.status = 'STOPPED'
        FROM projects p WHERE p.organisation_id = NEW.organisation_id AND p.id = NEW.project_id
    ON CONFLICT (organisation_id, benefit_id) DO UPDATE
        SET measure = excluded.measure, period = excluded.period, pursued = excluded.pursued;
    RETURN NULL;
END $$;
CREATE FUNCTION stop_measure_claims() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE measure_claims SET stopped = NEW.status = 'STOPPED'
        WHERE organisation_id = NEW.organisation_id AND project_id = NEW.id;
    RETURN NULL;
END $$;
CREATE INDEX measure_claims_project ON measure_claims (organisation_id, project_id);

-- What there is already.
ALTER TABLE organisations NO FORCE ROW LEVEL SECURITY;
ALTER TABLE projects NO FORCE ROW LEVEL SECURITY;
ALTER TABLE benefits NO FORCE ROW LEVEL SECURITY;
INSERT INTO measure_claims (organisation_id, benefit_id, project_id, measure, period, pursued, stopped)
    SELECT b.organisation_id, b.id, b.project_id, measure_key(b.measure_name, b.measure_unit),
        claimed_period(b.starts_on, b.planned_years), NOT b.disbenefit AND b.outcome IS DISTINCT FROM 'CANCELLED',
        p.status = 'STOPPED'
    FROM benefits b JOIN projects p ON p.organisation_id = b.organisation_id AND p.id = b.project_id;
ALTER TABLE benefits FORCE ROW LEVEL SECURITY;
ALTER TABLE projects FORCE ROW LEVEL SECURITY;
ALTER TABLE organisations FORCE ROW LEVEL SECURITY;

CREATE TRIGGER benefits_measure_claim
    AFTER INSERT OR UPDATE OF measure_name, measure_unit, targets, starts_on, disbenefit, outcome ON benefits
    FOR EACH ROW EXECUTE FUNCTION keep_measure_claim();
CREATE TRIGGER projects_measure_claims AFTER UPDATE OF status ON projects
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION stop_measure_claims();

ALTER TABLE measure_claims ENABLE ROW LEVEL SECURITY;
ALTER TABLE measure_claims FORCE ROW LEVEL SECURITY;
CREATE POLICY organisation ON measure_claims
    USING (organisation_id = nullif(current_setting('app.organisation', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON measure_claims TO gevinst_app;
