-- What a review answers is told by its months, and what an owner has accepted by its plan; who an orphaned benefit was escalated
-- to sees it.

-- How many months after its project went into realisation the review was asked for; null where it answers none. Its number says
-- that only under the policy of its day.
ALTER TABLE benefit_reviews ADD COLUMN months integer CHECK (months > 0);
-- The plan that was accepted; null before, and of what was accepted before this was kept.
ALTER TABLE benefit_ownerships ADD COLUMN accepted_plan integer;

ALTER TABLE organisations NO FORCE ROW LEVEL SECURITY;
ALTER TABLE benefit_reviews NO FORCE ROW LEVEL SECURITY;
ALTER TABLE benefit_policies NO FORCE ROW LEVEL SECURITY;
-- What was recorded is not changed by this: it is said in another way.
ALTER TABLE benefit_reviews DISABLE TRIGGER benefit_reviews_append_only;
UPDATE benefit_reviews v SET months = CASE v.policy_version WHEN 0 THEN ('{6,12}'::integer[])[v.number]
    ELSE (SELECT p.review_months[v.number] FROM benefit_policies p
        WHERE p.organisation_id = v.organisation_id AND p.version = v.policy_version) END
    WHERE v.number IS NOT NULL;
ALTER TABLE benefit_reviews ENABLE TRIGGER benefit_reviews_append_only;
ALTER TABLE benefit_policies FORCE ROW LEVEL SECURITY;
ALTER TABLE benefit_reviews FORCE ROW LEVEL SECURITY;
ALTER TABLE organisations FORCE ROW LEVEL SECURITY;

-- Replicas of the version before do not know of it: it follows from the number, and from the policy in force.
CREATE FUNCTION keep_review_months() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.months := (SELECT p.review_months[NEW.number] FROM benefit_policy(NEW.organisation_id) p);
    RETURN NEW;
END $$;
CREATE TRIGGER benefit_reviews_months BEFORE INSERT ON benefit_reviews
    FOR EACH ROW WHEN (NEW.number IS NOT NULL) EXECUTE FUNCTION keep_review_months();

DROP INDEX benefit_reviews_number;
CREATE INDEX benefit_reviews_months ON benefit_reviews (organisation_id, benefit_id, months) WHERE months IS NOT NULL;

-- The reviews that the policy asks for, benefit by benefit: as before, but for what has been held.
CREATE OR REPLACE FUNCTION benefit_review_dues(organisation uuid) RETURNS TABLE (organisation_id uuid, benefit_id uuid,
    project_id uuid, number integer, due_on date, overdue_on date, done boolean) LANGUAGE sql STABLE AS $$
    SELECT b.organisation_id, b.id, b.project_id, r.number::integer, d.due_on, d.due_on + p.grace_days + 1,
        b.outcome IS NOT DISTINCT FROM 'CANCELLED' OR EXISTS (SELECT FROM benefit_reviews v
            WHERE v.organisation_id = b.organisation_id AND v.benefit_id = b.id AND v.months = r.months)
    FROM benefit_policy(organisation) p
    JOIN benefits b ON b.organisation_id = organisation AND b.realises_from IS NOT NULL
    CROSS JOIN LATERAL unnest(p.review_months) WITH ORDINALITY AS r (months, number)
    CROSS JOIN LATERAL (SELECT (b.realises_from + make_interval(months => r.months))::date AS due_on) d
$$;

DROP POLICY visible ON benefits;
CREATE POLICY visible ON benefits AS RESTRICTIVE FOR SELECT USING (
    organisation_id = ANY ((SELECT nullif(current_setting('app.scopes', true), '')::uuid[])::uuid[])
    OR owner = (SELECT nullif(current_setting('app.subject', true), ''))
    OR nominee = (SELECT nullif(current_setting('app.subject', true), ''))
    OR escalated_to = (SELECT nullif(current_setting('app.subject', true), ''))
    OR EXISTS (SELECT FROM projects p WHERE p.organisation_id = benefits.organisation_id AND p.id = project_id));
CREATE INDEX benefits_escalated ON benefits (organisation_id, escalated_to, created_at, id) WHERE escalated_to IS NOT NULL;
