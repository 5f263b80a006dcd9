//! Figures: how far a benefit has come, what each of its years was worth, and where it is heading, each with what it takes
//! to compute it again. The formulas are `gevinst_appraisal`'s.

pub mod entity;
pub mod months;

use gevinst_appraisal::{
    progress::{Absence, FORMULA, progress as appraise},
    realisation::{self, Appraised, Plan, Value},
    trend::{self, Trend},
};
use gevinst_proto::v1 as pb;
use rust_decimal::{Decimal, RoundingStrategy};
use time::Date;

use self::entity::{Figures, PlanRow, aggregation};
use super::{entity::Measured, rules::BenefitKind};
use crate::{
    auth::Action,
    ctx::Ctx,
    error::Result,
    ids::BenefitId,
    wire::{decimal_text, today},
};

/// How far a benefit has come, with the arithmetic.
pub async fn progress(ctx: Ctx, request: pb::GetBenefitProgressRequest) -> Result<pb::GetBenefitProgressResponse> {
    let id = BenefitId::parse(&request.benefit)?;
    let db = ctx.read(Action::BenefitRead)?;
    let today = today(ctx.now());
    let found = entity::figures(&db, db.organisation(), id, months::first_day(today)).await?;
    let Figures { measured, plan, baseline, months } = db.found(found, id).await?;
    let forecast = forecast(&measured, &plan, &months, today);
    let (target, zero) = (plan.target, plan.baseline);
    Ok(pb::GetBenefitProgressResponse {
        progress: Some(way(&measured, zero, target)?),
        against_plan: Some(against(&measured, plan, today)?),
        against_baseline: baseline.map(|plan| against(&measured, plan, today)).transpose()?,
        forecast,
    })
}

/// How far the newest measurement is from a baseline towards a target; where a year's measurements are summed up, it stands
/// for a year of such.
fn way(measured: &Measured, baseline: Decimal, target: Decimal) -> Result<pb::Progress> {
    let qualitative = measured.benefit.kind()? == BenefitKind::Qualitative;
    let a_year = Decimal::from(measured.benefit.measurements_a_year());
    let actual = measured.latest.as_ref().map(|measurement| measurement.value * a_year);
    let appraised = appraise(baseline, target, actual, qualitative);
    let (value, unbounded_value, absence) = match appraised.value {
        Ok(progress) => (Some(progress.value), Some(progress.unbounded), pb::ProgressAbsence::Unspecified),
        Err(Absence::NotMeasured) => (None, None, pb::ProgressAbsence::NotMeasured),
        Err(Absence::NoDistance) => (None, None, pb::ProgressAbsence::NoDistance),
    };
    Ok(pb::Progress {
        value: value.map(|value| value.to_string()),
        absence: absence.into(),
        unbounded_value: unbounded_value.map(|value| value.to_string()),
        baseline: decimal_text(baseline),
        target: decimal_text(target),
        actual: measured.latest.clone().map(Into::into),
        actual_a_year: actual.filter(|_| a_year != Decimal::ONE).map(decimal_text),
        distance_covered: appraised.covered.map(decimal_text),
        distance_planned: decimal_text(appraised.planned),
        formula: FORMULA.to_owned(),
    })
}

/// What became of a benefit against one of its plans.
fn against(measured: &Measured, row: PlanRow, today: Date) -> Result<pb::BenefitRealisation> {
    let economic = measured.benefit.kind()? == BenefitKind::Economic;
    let progress = way(measured, row.baseline, row.target)?;
    let (number, starts_on) = (row.number, row.starts_on);
    let plan = row.plan(&(&measured.benefit).into(), today)?;
    let appraised = plan.appraise();
    let sum = Value::sum(&plan, &appraised);
    let years = match starts_on {
        Some(first) => years(&plan, &appraised, first, economic),
        None => Vec::new(),
    };
    Ok(pb::BenefitRealisation {
        plan: number,
        starts_on: starts_on.map(|day| day.to_string()),
        value: (economic && !years.is_empty()).then(|| shown(sum)),
        years,
        formula: realisation::FORMULA.to_owned(),
        progress: Some(progress),
    })
}

fn years(plan: &Plan, appraised: &[Appraised], first: Date, economic: bool) -> Vec<pb::BenefitYear> {
    let each = plan.years.iter().zip(appraised).zip(0..);
    let each = each.map(|((year, found), at)| pb::BenefitYear {
        number: at + 1,
        from: months::after(first, at * 12).to_string(),
        until: months::year_end(first, at).to_string(),
        months_gone: found.months_gone,
        target: decimal_text(year.target),
        measurements: year.measured.map_or(0, |measured| measured.count),
        months_covered: year.measured.map_or(0, |measured| measured.months),
        actual: found.actual.map(|actual| decimal_text(places(actual, 6))),
        share: found.share.map(|share| share_text(share.value())),
        value: economic.then(|| shown(Value::of(year.planned_ore.unwrap_or_default(), found))),
    });
    each.collect()
}

/// A value as the contract shows it.
pub fn shown(value: Value) -> pb::RealisedValue {
    let share = realisation::realised_share(value.realised, value.planned_to_date);
    pb::RealisedValue {
        planned_ore: value.planned,
        planned_to_date_ore: value.planned_to_date,
        realised_ore: value.realised,
        expected_ore: value.expected,
        realised_share: share.map(|share| share.to_string()),
    }
}

/// Where the measure is heading, through the months of the plan's years.
fn forecast(
    measured: &Measured,
    plan: &PlanRow,
    rows: &[entity::MonthRow],
    today: Date,
) -> Option<pb::BenefitForecast> {
    let aggregation = aggregation(measured.benefit.measure_aggregation.as_deref());
    let points: Vec<trend::Point> = rows.iter().map(|row| (row.at, row.value(aggregation))).collect();
    let trend = Trend::through(&points)?;
    let first = plan.starts_on?;
    let years = i32::try_from(plan.targets.count()).ok()?;
    let running = (months::between(first, today) / 12).clamp(0, (years - 1).max(0));
    let newest = points.last()?.0;
    let found = trend.at(running * 12 + 11)?;
    Some(pb::BenefitForecast {
        on: months::year_end(first, running).to_string(),
        value: decimal_text(found.value),
        low: decimal_text(found.low),
        high: decimal_text(found.high),
        reaches_target_on: trend.reaches(plan.target, newest).map(|at| months::after(first, at).to_string()),
        months: i32::try_from(points.len()).unwrap_or(i32::MAX),
        method: trend::METHOD.to_owned(),
    })
}

/// A share with four places.
pub fn share_text(share: Decimal) -> String {
    let mut share = places(share, 4);
    share.rescale(4);
    share.to_string()
}

fn places(value: Decimal, places: u32) -> Decimal {
    value.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero)
}
