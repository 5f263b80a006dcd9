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
