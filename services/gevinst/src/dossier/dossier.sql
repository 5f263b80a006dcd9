-- Everything known of one project ($1 organisation, $2 project), a column a section, rows as JSON.
SELECT
    to_jsonb(p) AS project,
    (SELECT to_jsonb(u) FROM org_units u WHERE u.organisation_id = p.organisation_id AND u.id = p.org_unit_id) AS org_unit,
    coalesce((SELECT jsonb_agg(
            to_jsonb(b) || jsonb_build_object('baseline', b.baseline::text, 'target', b.target::text, 'latest',
                (SELECT to_jsonb(m) || jsonb_build_object('value', m.value::text) FROM measurements m
                    WHERE m.organisation_id = b.organisation_id AND m.benefit_id = b.id
                    ORDER BY m.measured_on DESC, m.id DESC LIMIT 1))
            ORDER BY b.created_at, b.id)
        FROM benefits b WHERE b.organisation_id = p.organisation_id AND b.project_id = p.id), '[]') AS benefits,
    coalesce((SELECT jsonb_agg(
            to_jsonb(r) || jsonb_build_object('basis', '', 'criteria', '[]'::jsonb,
                'votes', (SELECT coalesce(jsonb_agg(v ORDER BY v.voted_at, v.principal), '[]') FROM gate_votes v
                    WHERE v.organisation_id = r.organisation_id AND v.gate_review_id = r.id),
                'superseded_by', (SELECT s.id FROM gate_reviews s
                    WHERE s.organisation_id = r.organisation_id AND s.supersedes_id = r.id
                        AND s.state = 'DECIDED' AND s.outcome <> 'ESCALATED'))
            ORDER BY r.ended_at, r.id)
        FROM gate_reviews r WHERE r.organisation_id = p.organisation_id AND r.project_id = p.id AND r.state = 'DECIDED'),
        '[]') AS decisions,
    coalesce((SELECT to_jsonb(r) || jsonb_build_object('basis', '', 'criteria', '[]'::jsonb) FROM gate_reviews r
        WHERE r.organisation_id = p.organisation_id AND r.project_id = p.id AND r.state IN ('DRAFT', 'SUBMITTED')),
        'null') AS open,
    coalesce((SELECT jsonb_agg(c ORDER BY c.due_on, c.id) FROM conditions c
        WHERE c.organisation_id = p.organisation_id AND c.project_id = p.id), '[]') AS conditions,
    coalesce((SELECT jsonb_agg(a ORDER BY a.recorded_at, a.id) FROM appropriations a
        WHERE a.organisation_id = p.organisation_id AND a.project_id = p.id), '[]') AS appropriations,
    coalesce((SELECT jsonb_agg(s ORDER BY s.granted_at, s.id) FROM spend_authorities s
        WHERE s.organisation_id = p.organisation_id AND s.project_id = p.id), '[]') AS spend_authorities,
    spent.spent_ore,
    spent.spent_on_experiments_ore,
    coalesce((SELECT jsonb_agg(b ORDER BY b.number) FROM project_baselines b
        WHERE b.organisation_id = p.organisation_id AND b.project_id = p.id), '[]') AS baselines,
    coalesce((SELECT jsonb_agg(d ORDER BY d.baseline_number) FROM direction_changes d
        WHERE d.organisation_id = p.organisation_id AND d.project_id = p.id), '[]') AS direction_changes,
    coalesce((SELECT jsonb_agg(i ORDER BY i.start_on, i.id) FROM increments i
        WHERE i.organisation_id = p.organisation_id AND i.project_id = p.id), '[]') AS increments,
    coalesce((SELECT jsonb_agg(l ORDER BY l.published_at, l.id) FROM lessons l
        WHERE l.organisation_id = p.organisation_id AND l.project_id = p.id), '[]') AS lessons,
    coalesce((SELECT jsonb_agg(a ORDER BY a.gate, a.criterion) FROM (
            SELECT DISTINCT ON (n.gate, n.criterion) n.* FROM criterion_assessments n
            WHERE n.organisation_id = p.organisation_id AND n.project_id = p.id
            ORDER BY n.gate, n.criterion, n.assessed_at DESC, n.id DESC) a), '[]') AS assessments,
    coalesce((SELECT jsonb_agg(e ORDER BY e.occurred_at, e.id) FROM project_events e
        WHERE e.organisation_id = p.organisation_id AND e.project_id = p.id), '[]') AS events
FROM projects p
CROSS JOIN LATERAL (
    SELECT coalesce(sum(x.amount_ore), 0)::bigint AS spent_ore,
        coalesce(sum(x.amount_ore) FILTER (WHERE x.purpose = 'EXPERIMENTS'), 0)::bigint AS spent_on_experiments_ore
    FROM expenditures x WHERE x.organisation_id = p.organisation_id AND x.project_id = p.id) spent
WHERE p.organisation_id = $1 AND p.id = $2
