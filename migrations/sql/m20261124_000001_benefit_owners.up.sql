-- Benefit owners who accept, decline and are succeeded (S35, I10, I11).
--
-- What a benefit says of its owner stands in its own row too, written by the command that changes it: lists filter by it,
-- and a read needs no other row. benefits.owner is who answers for it; they become the owner by accepting.

ALTER TABLE benefits
    ADD COLUMN owner_state text NOT NULL DEFAULT 'NOMINATED'
        CHECK (owner_state IN ('NOMINATED', 'ACCEPTED', 'DECLINED', 'ORPHANED')),
    -- Who is asked, and has not answered.
    ADD COLUMN nominee     text,
    -- Of an orphaned benefit, who sees to it.
    ADD COLUMN escalated_to text;
-- What the clock asks for.
CREATE INDEX benefits_accepted ON benefits (organisation_id, id) WHERE owner_state = 'ACCEPTED';
CREATE INDEX benefits_nominee ON benefits (organisation_id, nominee, created_at, id) WHERE nominee IS NOT NULL;

-- Who was asked to own a benefit, and what became of it; ended, never removed.
CREATE TABLE benefit_ownerships (
    organisation_id  uuid        NOT NULL REFERENCES organisations (id),
    id               uuid        NOT NULL,
    benefit_id       uuid        NOT NULL,
    owner            text        NOT NULL,
    state            text        NOT NULL CHECK (state IN ('NOMINATED', 'AWAITING_APPROVAL', 'ACCEPTED', 'DECLINED',
                                     'SUPERSEDED', 'HANDED_OVER', 'ORPHANED')),
    nominated_by     text        NOT NULL,
    -- Empty of who was named when the benefit was created.
    reason           text        NOT NULL,
    nominated_at     timestamptz NOT NULL,
    -- As found when it was last asked; null when it was not.
    eligibility      jsonb,
    exception_reason text        NOT NULL DEFAULT '',
    approver         text,
    approval_reason  text        NOT NULL DEFAULT '',
    approved_at      timestamptz,
    answered_at      timestamptz,
    decline_reason   text        NOT NULL DEFAULT '',
    ended_at         timestamptz,
    orphaned_at      timestamptz,
    PRIMARY KEY (organisation_id, id),
    CONSTRAINT benefit_ownerships_benefit_fkey FOREIGN KEY (organisation_id, benefit_id)
        REFERENCES benefits (organisation_id, id),
    CONSTRAINT benefit_ownerships_approved CHECK ((approver IS NULL) = (approved_at IS NULL)
        AND (approver IS NULL OR exception_reason <> '') AND (state <> 'AWAITING_APPROVAL' OR approver IS NULL)),
    -- Four eyes, at the last line of defence.
    CONSTRAINT benefit_ownerships_four_eyes CHECK (approver IS NULL OR approver NOT IN (nominated_by, owner)),
    CONSTRAINT benefit_ownerships_answered
        CHECK ((state IN ('ACCEPTED', 'DECLINED', 'HANDED_OVER', 'ORPHANED')) = (answered_at IS NOT NULL)),
    CONSTRAINT benefit_ownerships_ended
        CHECK ((state IN ('DECLINED', 'SUPERSEDED', 'HANDED_OVER')) = (ended_at IS NOT NULL))
);
CREATE UNIQUE INDEX benefit_ownerships_one_open ON benefit_ownerships (organisation_id, benefit_id)
    WHERE state IN ('NOMINATED', 'AWAITING_APPROVAL');
CREATE UNIQUE INDEX benefit_ownerships_one_owner ON benefit_ownerships (organisation_id, benefit_id)
    WHERE state IN ('ACCEPTED', 'ORPHANED');
CREATE INDEX benefit_ownerships_benefit ON benefit_ownerships (organisation_id, benefit_id, nominated_at, id);

-- The owners there are were named and never asked. Each gets the benefit's own id, which is as old as it is.
ALTER TABLE organisations NO FORCE ROW LEVEL SECURITY;
ALTER TABLE benefits NO FORCE ROW LEVEL SECURITY;
INSERT INTO benefit_ownerships (organisation_id, id, benefit_id, owner, state, nominated_by, reason, nominated_at)
    SELECT organisation_id, id, id, owner, 'NOMINATED', 'gevinst', '', created_at
    FROM benefits WHERE owner <> '';
UPDATE benefits SET nominee = owner WHERE owner <> '';
ALTER TABLE benefits FORCE ROW LEVEL SECURITY;
ALTER TABLE organisations FORCE ROW LEVEL SECURITY;

ALTER TABLE benefit_ownerships ENABLE ROW LEVEL SECURITY;
ALTER TABLE benefit_ownerships FORCE ROW LEVEL SECURITY;
CREATE POLICY organisation ON benefit_ownerships
    USING (organisation_id = nullif(current_setting('app.organisation', true), '')::uuid);
-- Who is asked to own it sees it too.
DROP POLICY visible ON benefits;
CREATE POLICY visible ON benefits AS RESTRICTIVE FOR SELECT USING (
    organisation_id = ANY ((SELECT nullif(current_setting('app.scopes', true), '')::uuid[])::uuid[])
    OR owner = (SELECT nullif(current_setting('app.subject', true), ''))
    OR nominee = (SELECT nullif(current_setting('app.subject', true), ''))
    OR EXISTS (SELECT FROM projects p WHERE p.organisation_id = benefits.organisation_id AND p.id = project_id));
CREATE POLICY visible ON benefit_ownerships AS RESTRICTIVE FOR SELECT USING (
    organisation_id = ANY ((SELECT nullif(current_setting('app.scopes', true), '')::uuid[])::uuid[])
    OR EXISTS (SELECT FROM benefits b WHERE b.organisation_id = benefit_ownerships.organisation_id AND b.id = benefit_id));

GRANT SELECT, INSERT, UPDATE ON benefit_ownerships TO gevinst_app;
GRANT UPDATE (owner, owner_state, nominee, escalated_to) ON benefits TO gevinst_app;
