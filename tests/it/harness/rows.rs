//! Rows as SQL, for what is asked below the service's own calls.

use uuid::Uuid;

/// Tables with a row for each project, as [`sections`] writes them; each is seen with its project.
pub const SECTIONS: [&str; 9] = [
    "appropriations",
    "benefit_maps",
    "criterion_assessments",
    "direction_changes",
    "expenditures",
    "increments",
    "lessons",
    "project_baselines",
    "project_events",
];

/// A row for a project in each of [`SECTIONS`].
pub fn sections(organisation: Uuid, project: Uuid) -> String {
    let insert = |(table, columns, values): (&str, &str, &str)| {
        format!(
            "INSERT INTO {table} (organisation_id, project_id, {columns}) VALUES ('{organisation}', '{project}', {values});"
        )
    };
    [
        (
            "appropriations",
            "id, basis, expenditure_type, body, decided_on, case_number, amount_ore, first_year, last_year, recorder, recorded_at",
            "gen_random_uuid(), 'COUNCIL_DECISION', 'CAPITAL', 'Byrådet', '2027-01-01', '1', 1, 2027, 2027, 'nogen', now()",
        ),
        ("benefit_maps", "nodes, edges, set_by, set_at, version", "'[]', '[]', 'nogen', now(), 1"),
        (
            "criterion_assessments",
            "id, gate, criterion, grade, reason, evidence, assessor, assessed_at, gate_model_id",
            "gen_random_uuid(), 'G1', 'S29_BENEFIT', 'GREEN', 'Tydelig.', '[]', 'nogen', now(), gen_random_uuid()",
        ),
        (
            "direction_changes",
            "id, from_direction, to_direction, learnt, decided_by, decided_at, baseline_number",
            "gen_random_uuid(), 'Nord', 'Syd', 'Det er varmere.', 'nogen', now(), 1",
        ),
        (
            "expenditures",
            "id, amount_ore, spent_on, purpose, category, source, recorder, recorded_at",
            "gen_random_uuid(), 1, '2027-01-01', 'GENERAL', 'SOFTWARE', 'Økonomisystemet', 'nogen', now()",
        ),
        (
            "increments",
            "id, goal, scope, budget_ore, start_on, end_on, done_criteria, state, planner, planned_at",
            "gen_random_uuid(), 'Mål', 'Omfang', 1, '2027-01-01', '2027-01-31', '{Færdig}', 'PLANNED', 'nogen', now()",
        ),
        (
            "lessons",
            "id, what, why, advice, tags, publisher, published_at",
            "gen_random_uuid(), 'Hvad', 'Hvorfor', 'Råd', '{}', 'nogen', now()",
        ),
        (
            "project_baselines",
            "number, budget_ore, end_on, scope, set_by, set_at",
            "0, 1, '2027-12-31', 'Omfang', 'nogen', now()",
        ),
        ("project_events", "id, kind, actor, reason, occurred_at", "gen_random_uuid(), 'RESUMED', 'nogen', 'Videre.', now()"),
    ]
    .map(insert)
    .concat()
}

/// What a review has released.
pub fn released(organisation: Uuid, project: Uuid, review: Uuid) -> String {
    format!(
        "INSERT INTO spend_authorities (organisation_id, id, project_id, gate_review_id, amount_ore, purpose, granted_at) \
         VALUES ('{organisation}', gen_random_uuid(), '{project}', '{review}', 1, 'GENERAL', now());"
    )
}

/// An open condition of a review.
pub fn condition(organisation: Uuid, id: Uuid, project: Uuid, review: Uuid, owner: &str) -> String {
    format!(
        "INSERT INTO conditions (organisation_id, id, project_id, gate_review_id, title, owner, due_on, blocking, state, created_at) \
         VALUES ('{organisation}', '{id}', '{project}', '{review}', 'Betingelse', '{owner}', '2027-12-31', true, 'OPEN', now());"
    )
}

/// What the organisation wants to reach.
pub fn strategy_goal(organisation: Uuid) -> String {
    format!(
        "INSERT INTO strategy_goals (organisation_id, id, code, title_da, title_en, created_by, created_at) \
         VALUES ('{organisation}', gen_random_uuid(), 'MÅL', 'Mål', 'Goal', 'nogen', now());"
    )
}

/// What became of a benefit: an effect on the budget, a review, an event.
pub fn followed(organisation: Uuid, project: Uuid, benefit: Uuid) -> String {
    format!(
        "INSERT INTO budget_effects (organisation_id, id, benefit_id, project_id, account, year, step, amount_ore, reference, \
            recorder, recorded_at) \
         VALUES ('{organisation}', gen_random_uuid(), '{benefit}', '{project}', 'Konto', 2028, 'PROMISED', 1, '', 'nogen', now()); \
         INSERT INTO benefit_reviews (organisation_id, id, benefit_id, outcome, deviation_reason, statement, plan_number, \
            baseline, target, policy_version, realised_from, partly_from, reviewer, reviewed_at) \
         VALUES ('{organisation}', gen_random_uuid(), '{benefit}', 'CANCELLED', 'Væk', 'Væk', 0, 1, 2, 0, 0.9, 0.1, 'nogen', now()); \
         INSERT INTO benefit_events (organisation_id, id, benefit_id, project_id, kind, number, due_on, occurred_at) \
         VALUES ('{organisation}', gen_random_uuid(), '{benefit}', '{project}', 'REVIEW_DUE', 1, '2027-03-31', now());"
    )
}

/// A benefit policy that the organisation has set.
pub fn benefit_policy(organisation: Uuid) -> String {
    format!(
        "INSERT INTO benefit_policies (organisation_id, id, version, review_months, grace_days, missing_days, yellow_below, \
            red_below, realised_from, partly_from, setter, set_at, reason) \
         VALUES ('{organisation}', gen_random_uuid(), 1, '{{6}}', 14, 60, 0.9, 0.8, 0.9, 0.1, 'nogen', now(), 'Vedtaget.');"
    )
}

/// A gate model that the organisation has published.
pub fn gate_model(organisation: Uuid) -> String {
    format!(
        "INSERT INTO gate_models (organisation_id, id, name, version, definition, sha256, publisher, reason, published_at) \
         VALUES ('{organisation}', gen_random_uuid(), 'Vores', 1, '{{}}', repeat('0', 64), 'nogen', 'Vedtaget.', now());"
    )
}
