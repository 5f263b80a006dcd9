-- The units that a project affects besides its own (I10), and budget accounts that are claimed twice (I21).

-- Units besides its own whose daily work a project changes (I10); units are never removed.
ALTER TABLE projects ADD COLUMN affected_units uuid[] NOT NULL DEFAULT '{}' CHECK (cardinality(affected_units) <= 20);

-- Which account each promise counts on, and in which year: the same account and year promised by two benefits could be counted
-- on twice. As measure_claims: everybody's own, and told no further than the caller may see.
CREATE TABLE account_claims (
    organisation_id  uuid    NOT NULL REFERENCES organisations (id),
    budget_effect_id uuid    NOT NULL,
    benefit_id       uuid    NOT NULL,
    project_id       uuid    NOT NULL,
    -- As it was written, and without spaces and in small letters.
    account          text    NOT NULL,
    account_key      text    NOT NULL,
    year             integer NOT NULL,
    -- False once it is corrected.
    stands           boolean NOT NULL,
    PRIMARY KEY (organisation_id, budget_effect_id),
    CONSTRAINT account_claims_effect_fkey FOREIGN KEY (organisation_id, budget_effect_id)
        REFERENCES budget_effects (organisation_id, id)
);
CREATE INDEX account_claims_account ON account_claims (organisation_id, account_key, year) WHERE stands;
CREATE INDEX account_claims_project ON account_claims (organisation_id, project_id) WHERE stands;
CREATE FUNCTION keep_account_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE account_claims SET stands = false
        WHERE organisation_id = NEW.organisation_id AND budget_effect_id = NEW.corrects_id;
    IF NEW.amount_ore > 0 THEN
        INSERT INTO account_claims (organisation_id, budget_effect_id, benefit_id, project_id, account, account_key, year, stands)
            VALUES (NEW.organisation_id, NEW.id, NEW.benefit_id, NEW.project_id, NEW.account,
                lower(regexp_replace(NEW.account, '\s+', '', 'g')), NEW.year, true);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER budget_effects_account_claim AFTER INSERT ON budget_effects
    FOR EACH ROW WHEN (NEW.step = 'PROMISED') EXECUTE FUNCTION keep_account_claim();

-- What there is already.
ALTER TABLE organisations NO FORCE ROW LEVEL SECURITY;
ALTER TABLE budget_effects NO FORCE ROW LEVEL SECURITY;
INSERT INTO account_claims (organisation_id, budget_effect_id, benefit_id, project_id, account, account_key, year, stands)
    SELECT e.organisation_id, e.id, e.benefit_id, e.project_id, e.account, lower(regexp_replace(e.account, '\s+', '', 'g')),
        e.year, NOT EXISTS (SELECT FROM budget_effects c
            WHERE c.organisation_id = e.organisation_id AND c.corrects_id = e.id)
    FROM budget_effects e WHERE e.step = 'PROMISED' AND e.amount_ore > 0;
ALTER TABLE budget_effects FORCE ROW LEVEL SECURITY;
ALTER TABLE organisations FORCE ROW LEVEL SECURITY;

ALTER TABLE account_claims ENABLE ROW LEVEL SECURITY;
ALTER TABLE account_claims FORCE ROW LEVEL SECURITY;
CREATE POLICY organisation ON account_claims
    USING (organisation_id = nullif(current_setting('app.organisation', true), '')::uuid);
GRANT SELECT, INSERT ON account_claims TO gevinst_app;
GRANT UPDATE (stands) ON account_claims TO gevinst_app;
