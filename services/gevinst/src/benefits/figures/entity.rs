//! Plans with what was measured in each of their years, as rows: summed up by PostgreSQL from the months, so that a figure
//! costs the same however much was measured.

use gevinst_appraisal::realisation::{self, Aggregation};
use rust_decimal::Decimal;
use sea_orm::{ConnectionTrait, Statement};
use serde::Deserialize;
use time::Date;

use super::months;
use crate::{
    auth::Resource,
    benefits::{
        entity::{Measured, benefit, measured_from},
        profile::Years,
    },
    db::{json_column, postgres},
    error::{Error, Result},
    ids::{BenefitId, OrganisationId},
    wire::{exact, iso_day},
};

/// How many months a measurement stands for, by a benefit's frequency.
const INTERVAL: &str = "CASE b.measure_frequency WHEN 'QUARTERLY' THEN 3 WHEN 'HALF_YEARLY' THEN 6 WHEN 'YEARLY' THEN 12 \
    ELSE 1 END";

/// What was measured in each year of a plan that starts on `s.starts_on`, of the benefit `b`, up to the month of `$2`.
pub fn years() -> String {
    format!(
        "(SELECT json_agg(y) FROM (SELECT x.at / 12 AS at, sum(x.count)::bigint AS count, sum(x.sum) AS sum, \
            min(x.min) AS min, max(x.max) AS max, \
            (array_agg(x.latest ORDER BY x.latest_on DESC, x.latest_id DESC))[1] AS latest, \
            (count(DISTINCT x.at / i.months) * i.months)::int AS months \
        FROM (SELECT m.*, {AT} AS at FROM measured_months m \
            WHERE m.organisation_id = b.organisation_id AND m.benefit_id = b.id \
                AND m.month >= s.starts_on AND m.month <= $2) x \
        CROSS JOIN (SELECT {INTERVAL} AS months) i GROUP BY x.at / 12, i.months) y)"
    )
}

/// How many months after `s.starts_on` the month `m` is.
const AT: &str = "((extract(year FROM m.month) - extract(year FROM s.starts_on)) * 12 \
    + extract(month FROM m.month) - extract(month FROM s.starts_on))::int";

/// What was measured in a year.
#[derive(Deserialize)]
pub struct YearRow {
    /// Which, from 0 on.
    pub at: usize,
    count: i64,
    #[serde(deserialize_with = "exact")]
    sum: Decimal,
    #[serde(deserialize_with = "exact")]
    min: Decimal,
    #[serde(deserialize_with = "exact")]
    max: Decimal,
    #[serde(deserialize_with = "exact")]
    latest: Decimal,
    months: i32,
}

impl From<YearRow> for realisation::Measured {
    fn from(row: YearRow) -> Self {
        let YearRow { count, sum, min, max, latest, months, .. } = row;
        Self { count, sum, min, max, latest, months }
    }
}

/// A plan with what was measured in its years.
#[derive(Deserialize)]
pub struct PlanRow {
    /// Its number.
    pub number: i32,
    /// The measure before.
    #[serde(deserialize_with = "exact")]
    pub baseline: Decimal,
    /// What it is to come to in the end.
    #[serde(deserialize_with = "exact")]
    pub target: Decimal,
    /// Year by year.
    pub targets: Years,
    /// The first day of the first year.
    #[serde(with = "iso_day::option")]
    pub starts_on: Option<Date>,
    /// Of those years in which anything was.
    pub measured: Option<Vec<YearRow>>,
}

impl PlanRow {
    /// As the formulas see it, today. What was measured after the last year is no year's.
    pub fn plan(self, benefit: &Measure<'_>, today: Date) -> Result<realisation::Plan> {
        let mut years: Vec<realisation::Year> = self
            .targets
            .targets()?
            .into_iter()
            .map(|year| realisation::Year { target: year.target, planned_ore: year.value_ore, measured: None })
            .collect();
        for row in self.measured.unwrap_or_default() {
            if let Some(year) = years.get_mut(row.at) {
                year.measured = Some(row.into());
            }
        }
        let months_gone = self.starts_on.map_or(0, |start| months::between(start, today) + 1);
        if self.starts_on.is_none() {
            years.clear();
        }
        let Measure { aggregation, outcome } = *benefit;
        let is_cancelled = outcome == Some("CANCELLED");
        let aggregation = self::aggregation(aggregation);
        Ok(realisation::Plan { baseline: self.baseline, aggregation, years, months_gone, is_cancelled })
    }
}

/// What figures ask of a benefit beside its plan.
#[derive(Clone, Copy)]
pub struct Measure<'a> {
    /// How a year's measurements are put together.
    pub aggregation: Option<&'a str>,
    /// What the newest review has found.
    pub outcome: Option<&'a str>,
}

impl<'a> From<&'a benefit::Model> for Measure<'a> {
    fn from(benefit: &'a benefit::Model) -> Self {
        Self { aggregation: benefit.measure_aggregation.as_deref(), outcome: benefit.outcome.as_deref() }
    }
}

/// How a year's measurements are put together; where nobody has said it, the newest counts.
pub fn aggregation(name: Option<&str>) -> Aggregation {
    match name {
        Some("SUM") => Aggregation::Sum,
        Some("AVERAGE") => Aggregation::Average,
        Some("MIN") => Aggregation::Min,
        Some("MAX") => Aggregation::Max,
        _ => Aggregation::Latest,
    }
}

/// What a month's measurements come to.
#[derive(Deserialize)]
pub struct MonthRow {
    /// Months from the start.
    pub at: i32,
    count: i64,
    #[serde(deserialize_with = "exact")]
    sum: Decimal,
    #[serde(deserialize_with = "exact")]
    min: Decimal,
    #[serde(deserialize_with = "exact")]
    max: Decimal,
    #[serde(deserialize_with = "exact")]
    latest: Decimal,
    interval: i32,
}

impl MonthRow {
    /// The month's value; of what is summed up, a year of it.
    pub fn value(&self, aggregation: Aggregation) -> Decimal {
        match aggregation {
            Aggregation::Sum => self.sum * Decimal::from(12 / self.interval),
            Aggregation::Average => self.sum / Decimal::from(self.count),
            Aggregation::Min => self.min,
            Aggregation::Max => self.max,
            Aggregation::Latest => self.latest,
        }
    }
}

/// A benefit with its newest plan, the frozen one, and the newest months of its years.
pub struct Figures {
    /// The benefit, with its newest measurement.
    pub measured: Measured,
    /// Its newest plan.
    pub plan: PlanRow,
    /// The plan that a gate froze.
    pub baseline: Option<PlanRow>,
    /// The newest months of the newest plan's years, in order.
    pub months: Vec<MonthRow>,
}

impl<'a> From<&'a Figures> for Resource<'a> {
    fn from(figures: &'a Figures) -> Self {
        (&figures.measured).into()
    }
}

/// The question for one benefit's figures. `month` is the first day of the current month.
pub fn question(organisation: OrganisationId, id: BenefitId, month: Date) -> Statement {
    let plan = |number: &str, starts_on: &str| {
        format!(
            "(SELECT json_build_object('number', r.number, 'baseline', r.baseline, 'target', r.target, 'targets', r.targets, \
                'starts_on', s.starts_on, 'measured', {})::text FROM benefit_plans r \
            CROSS JOIN LATERAL (SELECT b.{starts_on} AS starts_on) s \
            WHERE r.organisation_id = b.organisation_id AND r.benefit_id = b.id AND r.number = b.{number})",
            years()
        )
    };
    let months = format!(
        "(SELECT json_agg(x ORDER BY x.at)::text FROM (SELECT {AT} AS at, m.count, m.sum, m.min, m.max, \
            m.latest, {INTERVAL} AS interval FROM measured_months m CROSS JOIN (SELECT b.starts_on) s \
        WHERE m.organisation_id = b.organisation_id AND m.benefit_id = b.id AND m.month >= b.starts_on AND m.month <= $2 \
        ORDER BY m.month DESC LIMIT {}) x)",
        gevinst_appraisal::trend::MOST_MONTHS,
    );
    let columns = format!(
        "{} AS plan, {} AS frozen, {months} AS months",
        plan("plan_number", "starts_on"),
        plan("baseline_plan", "baseline_starts_on")
    );
    let sql = measured_from(&columns, "b.id = $3");
    postgres(sql, [organisation.uuid().into(), month.into(), id.uuid().into()])
}

/// One benefit's figures, in one question.
pub async fn figures(
    db: &impl ConnectionTrait,
    organisation: OrganisationId,
    id: BenefitId,
    month: Date,
) -> Result<Option<Figures>> {
    let Some(row) = db.query_one_raw(question(organisation, id, month)).await? else { return Ok(None) };
    let without = || Error::Internal("a benefit without a plan".to_owned());
    Ok(Some(Figures {
        measured: Measured::read(&row)?,
        plan: json_column(&row, "plan")?.ok_or_else(without)?,
        baseline: json_column(&row, "frozen")?,
        months: json_column(&row, "months")?.unwrap_or_default(),
    }))
}
