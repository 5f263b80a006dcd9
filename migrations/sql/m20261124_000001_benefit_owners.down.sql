-- Benefit owners are names again: for development only. Who accepted, and who owned a benefit before, is lost.
DROP TABLE benefit_ownerships;
REVOKE UPDATE (owner, owner_state, nominee, escalated_to) ON benefits FROM gevinst_app;
DROP POLICY visible ON benefits;
CREATE POLICY visible ON benefits AS RESTRICTIVE FOR SELECT USING (
    organisation_id = ANY ((SELECT nullif(current_setting('app.scopes', true), '')::uuid[])::uuid[])
    OR owner = (SELECT nullif(current_setting('app.subject', true), ''))
    OR EXISTS (SELECT FROM projects p WHERE p.organisation_id = benefits.organisation_id AND p.id = project_id));
ALTER TABLE benefits DROP COLUMN owner_state, DROP COLUMN nominee, DROP COLUMN escalated_to;
