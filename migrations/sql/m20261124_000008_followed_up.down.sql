DROP INDEX benefits_escalated;
DROP POLICY visible ON benefits;
CREATE POLICY visible ON benefits AS RESTRICTIVE FOR SELECT USING (
    organisation_id = ANY ((SELECT nullif(current_setting('app.scopes', true), '')::uuid[])::uuid[])
    OR owner = (SELECT nullif(current_setting('app.subject', true), ''))
    OR nominee = (SELECT nullif(current_setting('app.subject', true), ''))
    OR EXISTS (SELECT FROM projects p WHERE p.organisation_id = benefits.organisation_id AND p.id = project_id));

CREATE OR REPLACE FUNCTION benefit_review_dues(organisation uuid) RETURNS TABLE (organisation_id uuid, benefit_id uuid,
    project_id uuid, number integer, due_on date, overdue_on date, done boolean) LANGUAGE sql STABLE AS $$
    SELECT b.organisation_id, b.id, b.project_id, r.number::integer, d.due_on, d.due_on + p.grace_days + 1,
        b.outcome IS NOT DISTINCT FROM 'CANCELLED' OR EXISTS (SELECT FROM benefit_reviews v
            WHERE v.organisation_id = b.organisation_id AND v.benefit_id = b.id AND v.number = r.number)
    FROM benefit_policy(organisation) p
    JOIN benefits b ON b.organisation_id = organisation AND b.realises_from IS NOT NULL
    CROSS JOIN LATERAL unnest(p.review_months) WITH ORDINALITY AS r (months, number)
    CROSS JOIN LATERAL (SELECT (b.realises_from + make_interval(months => r.months))::date AS due_on) d
$$;
DROP TRIGGER benefit_reviews_months ON benefit_reviews;
DROP FUNCTION keep_review_months();
DROP INDEX benefit_reviews_months;
CREATE INDEX benefit_reviews_number ON benefit_reviews (organisation_id, benefit_id, number) WHERE number IS NOT NULL;
ALTER TABLE benefit_ownerships DROP COLUMN accepted_plan;
ALTER TABLE benefit_reviews DROP COLUMN months;
