//! What a benefit is planned to become, year by year, and from when (S10, I14).
//!
//! A plan is added, never changed. The newest stands in the benefit's own row; the one that a gate has frozen is baseline 0,
//! against which figures go on being given. A benefit's first year begins on the first of the month that its start falls
//! in; where the start is tied to something that moves, the commands that move it call [`move_starts`].

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, PaginatorTrait};

use super::{
    entity::{benefit, plan},
    profile::{Evidence, Start, Years},
    register::{self, Place},
    rules,
};
use crate::{
    audit::Object,
    auth::Action,
    ctx::{Changes, Command, Ctx},
    db::postgres,
    error::{Error, Result},
    ids::{BenefitId, BenefitPlanId, IncrementId, ProjectId},
    plans::entity::increment,
    wire::{decimal, decimal_text, today},
};

/// How many plans a benefit can have.
const MOST_PLANS: i32 = 200;

/// Adds a benefit's next plan.
pub async fn plan(ctx: Ctx, request: pb::PlanBenefitRequest) -> Result<pb::PlanBenefitResponse> {
    let id = BenefitId::parse(&request.benefit)?;
    let targets = Years::read(&request.targets)?;
    let start = request.start.as_ref().map(Start::read).transpose()?;
    let today = today(ctx.now());
    let evidence = request.baseline_evidence.map(|evidence| Evidence::read(evidence, today)).transpose()?;
    ctx.command(Action::BenefitPlan, Object::of(id), async move |command| {
        let Place { benefit: before, project } = register::place(&command, id).await?;
        let allowed = command.authorize(&Place { benefit: before.clone(), project: project.clone() })?;
        register::must_match(&before, &request.etag)?;
        let mut after = before.clone();
        let years = targets.targets()?;
        let last = years.last().ok_or_else(|| Error::invalid("targets", "is empty: name at least one year"))?;
        rules::must_have_price_level(before.kind()?, request.price_level_year.is_some())?;
        if !request.baseline.is_empty() {
            after.baseline = decimal("baseline", &request.baseline)?;
        }
        // What showed another baseline does not show this one.
        if evidence.is_some() || after.baseline != before.baseline {
            after.baseline_evidence = evidence;
        }
        (after.target, after.planned_annual_ore) = (last.target, last.value_ore);
        after.targets = targets;
        after.price_level_year = request.price_level_year;
        after.start = start;
        after.plan_number += 1;
        if after.plan_number >= MOST_PLANS {
            return Err(Error::TooMany { kind: "benefit_plan" });
        }
        after.plan_reason = request.reason;
        after.planner = command.ctx().caller().subject().to_owned();
        after.planned_at = command.ctx().now();
        let direction = after.measure_direction.as_deref().filter(|_| before.is_frozen());
        after.direct(direction.map(str::to_owned))?;
        after.must_be_sound()?;
        must_have_increment(&command, project.id(), after.start.as_ref().and_then(Start::increment)).await?;
        let saved = register::save(&command, after).await?;
        keep(&command, &saved).await?;
        let saved = move_start(&command, saved).await?;
        let changes = planned(&before, &saved).set("reason", saved.plan_reason.as_str());
        Ok(command.done(allowed, changes, pb::PlanBenefitResponse { benefit: Some(saved.into_proto()?) }))
    })
    .await
}

/// Keeps the plan that stands in a benefit's row.
pub(super) async fn keep(command: &Command, benefit: &benefit::Model) -> Result<()> {
    let id: BenefitPlanId = command.ctx().new_id();
    let plan = plan::ActiveModel {
        organisation_id: Set(benefit.organisation_id),
        id: Set(id.uuid()),
        benefit_id: Set(benefit.id),
        number: Set(benefit.plan_number),
        baseline: Set(benefit.baseline),
        baseline_evidence: Set(benefit.baseline_evidence.clone()),
        target: Set(benefit.target),
        targets: Set(benefit.targets.clone()),
        planned_annual_ore: Set(benefit.planned_annual_ore),
        price_level_year: Set(benefit.price_level_year),
        start: Set(benefit.start.clone()),
        reason: Set(benefit.plan_reason.clone()),
        planner: Set(benefit.planner.clone()),
        planned_at: Set(benefit.planned_at),
    };
    plan.insert(command.tx()).await?;
    Ok(())
}

/// What a plan changes, for the audit entry.
fn planned(before: &benefit::Model, after: &benefit::Model) -> Changes {
    let years = |benefit: &benefit::Model| {
        let years = benefit.targets.clone().into_proto().into_iter();
        let year = |year: pb::BenefitTarget| match year.value_ore {
            Some(ore) => format!("{} ({ore} øre)", year.target),
            None => year.target,
        };
        years.map(year).collect::<Vec<_>>()
    };
    Changes::default()
        .change("plan", before.plan_number, after.plan_number)
        .change("baseline", decimal_text(before.baseline), decimal_text(after.baseline))
        .change("targets", years(before), years(after))
        .change("price_level_year", before.price_level_year, after.price_level_year)
        .change("start", before.start.as_ref().map(Start::text), after.start.as_ref().map(Start::text))
        .change("starts_on", before.starts_on.map(|day| day.to_string()), after.starts_on.map(|day| day.to_string()))
}

/// The increment that a start is tied to is one of the project's.
pub(super) async fn must_have_increment(
    command: &Command,
    project: ProjectId,
    increment: Option<IncrementId>,
) -> Result<()> {
    let Some(id) = increment else { return Ok(()) };
    let found = increment::find_one_in(command.ctx().organisation()?, project, id);
    if found.count(command.tx()).await? == 0 { Err(id.not_found()) } else { Ok(()) }
}

/// When the starts of a project's benefits fall: on the first of the month that the event is in, as it has happened or is
/// planned. What has been taken back has not happened.
const STARTS: &str = "UPDATE benefits b SET starts_on = date_trunc('month', found.day)::date FROM ( \
    SELECT b.id, CASE b.start->>'event' \
        WHEN 'DATE' THEN planned.day \
        WHEN 'GATE' THEN coalesce((SELECT passed.day FROM passed WHERE passed.gate = b.start->>'gate'), planned.day) \
        WHEN 'INCREMENT' THEN (SELECT CASE i.state WHEN 'DONE' THEN (i.ended_at AT TIME ZONE 'Europe/Copenhagen')::date \
            ELSE i.end_on END FROM increments i WHERE i.organisation_id = $1 AND i.id = (b.start->>'increment')::uuid) \
        WHEN 'GO_LIVE' THEN coalesce((SELECT max(passed.day) FROM passed WHERE passed.led_to = 'REALISATION'), \
            (SELECT l.end_on FROM project_baselines l WHERE l.organisation_id = $1 AND l.project_id = $2 \
                ORDER BY l.number DESC LIMIT 1), planned.day) \
        WHEN 'CLOSURE' THEN coalesce((SELECT max(passed.day) FROM passed WHERE passed.led_to = 'CLOSED'), planned.day) \
        END AS day \
    FROM benefits b CROSS JOIN LATERAL (SELECT (b.start->>'planned_on')::date AS day) planned \
    WHERE b.organisation_id = $1 AND b.project_id = $2 AND b.start IS NOT NULL) found \
    WHERE b.organisation_id = $1 AND b.id = found.id \
        AND b.starts_on IS DISTINCT FROM date_trunc('month', found.day)::date";

/// The gates that a project has passed, each by its newest decision that goes on and that none has corrected; and the day:
/// where it corrects one that led to the same stage, that one's, for the project has stood there since then.
pub const PASSED: &str = "WITH RECURSIVE line AS (SELECT r.id AS newest, r.ended_at AS newest_at, r.gate, r.led_to, \
        r.supersedes_id, r.ended_at FROM gate_reviews r \
    WHERE r.organisation_id = $1 AND r.project_id = $2 AND r.state = 'DECIDED' AND r.led_to IS NOT NULL \
        AND NOT EXISTS (SELECT FROM gate_reviews c WHERE c.organisation_id = $1 AND c.supersedes_id = r.id \
            AND c.state = 'DECIDED' AND c.outcome <> 'ESCALATED') \
    UNION ALL SELECT l.newest, l.newest_at, l.gate, l.led_to, r.supersedes_id, r.ended_at FROM line l \
        JOIN gate_reviews r ON r.organisation_id = $1 AND r.id = l.supersedes_id AND r.led_to = l.led_to), \
    passed AS (SELECT DISTINCT ON (l.gate) l.gate, l.led_to, (l.ended_at AT TIME ZONE 'Europe/Copenhagen')::date AS day \
        FROM line l ORDER BY l.gate, l.newest_at DESC, l.newest DESC, l.ended_at) ";

/// Lets the project's benefits begin when what they are tied to has happened, or is now planned: called by every command
/// that moves such a thing.
pub async fn move_starts(command: &Command, project: ProjectId) -> Result<()> {
    let values = [command.ctx().organisation()?.uuid().into(), project.uuid().into()];
    command.tx().execute_raw(postgres(format!("{PASSED}{STARTS}"), values)).await?;
    Ok(())
}

/// The same, for a benefit whose own start has been planned; gives it as it is then.
pub(super) async fn move_start(command: &Command, benefit: benefit::Model) -> Result<benefit::Model> {
    if benefit.start.is_none() {
        return Ok(benefit);
    }
    move_starts(command, ProjectId::new(benefit.project_id)).await?;
    let id = BenefitId::new(benefit.id);
    let found = benefit::find_one_in(command.ctx().organisation()?, id).one(command.tx()).await?;
    found.ok_or_else(|| id.not_found())
}

/// I14: freezes the plans of a project's benefits, those that are not frozen yet: called when a gate leads to execution or
/// beyond, and when a benefit is added after those gates. From then on that plan is baseline 0, also when the gate's decision
/// is corrected: else a correction would be a way to another one.
pub async fn freeze(command: &Command, project: ProjectId) -> Result<()> {
    let sql = "UPDATE benefits SET baseline_plan = plan_number, baseline_starts_on = starts_on, version = version + 1 \
        WHERE organisation_id = $1 AND project_id = $2 AND baseline_plan IS NULL";
    let values = [command.ctx().organisation()?.uuid().into(), project.uuid().into()];
    command.tx().execute_raw(postgres(sql, values)).await?;
    Ok(())
}

/// A benefit's plans, a page at a time.
pub async fn list(ctx: Ctx, request: pb::ListBenefitPlansRequest) -> Result<pb::ListBenefitPlansResponse> {
    let id = BenefitId::parse(&request.benefit)?;
    let page = plan::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::BenefitRead)?;
    let (plans, next_page_token) = page.fetch(&db, plan::find_in(db.organisation(), id)).await?;
    let has_some = !plans.is_empty() || !request.page_token.is_empty();
    db.listed_of(has_some, id, benefit::find_one_in(db.organisation(), id)).await?;
    let plans = plans.into_iter().map(plan::Model::into_proto).collect::<Result<_>>()?;
    Ok(pb::ListBenefitPlansResponse { plans, next_page_token })
}
