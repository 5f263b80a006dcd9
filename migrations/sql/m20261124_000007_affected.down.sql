-- Without other affected units, and without what is claimed of accounts: for development only.
DROP TRIGGER budget_effects_account_claim ON budget_effects;
DROP TABLE account_claims;
DROP FUNCTION keep_account_claim();
ALTER TABLE projects DROP COLUMN affected_units;
