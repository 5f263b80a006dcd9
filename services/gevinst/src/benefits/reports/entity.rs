//! Benefits with their plans and what was measured, for whoever puts them together: one question.

use rust_decimal::Decimal;
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult, Statement};
use time::Date;
use uuid::Uuid;

use super::rules::Found;
use crate::{
    benefits::{
        figures::entity::{Measure, PlanRow, years},
        map::parts::Serves,
        profile::{Groups, Years},
        rules::BenefitKind,
    },
    db::{json_column, postgres},
    error::Result,
    ids::OrganisationId,
    wire::known,
};

/// Which benefits, and against which plan.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Against the newest plan, and not the frozen one.
    pub newest: bool,
    /// Of this project.
    pub project: Option<Uuid>,
    /// Of this portfolio.
    pub portfolio: Option<Uuid>,
    /// Of this unit and those below.
    pub org_unit: Option<Uuid>,
    /// Of this owner.
    pub owner: Option<String>,
}

/// A benefit, where it belongs, and its plan.
pub struct Row {
    /// Its project.
    pub project: (String, String),
    /// Its owner.
    pub owner: String,
    /// Its operational area.
    pub area: (String, String),
    /// Its portfolio.
    pub portfolio: (String, String),
    /// Whom it falls to.
    pub groups: Groups,
    /// The goals and principles that it serves.
    pub serves: Serves,
    /// The first day of its first year.
    pub starts_on: Option<Date>,
    kind: BenefitKind,
    disbenefit: bool,
    aggregation: Option<String>,
    outcome: Option<String>,
    plan: PlanRow,
}

#[derive(FromQueryResult)]
struct Columns {
    project_id: Uuid,
    project_label: Option<String>,
    owner: String,
    area_id: Option<Uuid>,
    area_name: Option<String>,
    portfolio_id: Option<Uuid>,
    portfolio_name: Option<String>,
    beneficiaries: Groups,
    serves: Serves,
    starts_on: Option<Date>,
    kind: String,
    disbenefit: bool,
    measure_aggregation: Option<String>,
    outcome: Option<String>,
    number: i32,
    baseline: Decimal,
    target: Decimal,
    targets: Years,
}

/// The question for all that are wanted, and no more than so many, in the order of their ids; of the months up to one, given
/// by its first day.
pub fn question(organisation: OrganisationId, month: Date, wanted: Wanted, most: u32) -> Statement {
    let frozen = "b.baseline_plan IS NOT NULL AND NOT $3";
    let sql = format!(
        "SELECT b.project_id, p.number || ' ' || p.title AS project_label, b.owner, a.id AS area_id, a.name AS area_name, \
            p.portfolio_id, f.name AS portfolio_name, b.beneficiaries, b.serves, s.starts_on, b.kind, b.disbenefit, \
            b.measure_aggregation, b.outcome, r.number, r.baseline, r.target, r.targets, {}::text AS measured \
        FROM benefits b CROSS JOIN LATERAL (SELECT CASE WHEN {frozen} THEN b.baseline_plan ELSE b.plan_number END AS number, \
            CASE WHEN {frozen} THEN b.baseline_starts_on ELSE b.starts_on END AS starts_on) s \
        JOIN benefit_plans r ON r.organisation_id = b.organisation_id AND r.benefit_id = b.id AND r.number = s.number \
        LEFT JOIN projects p ON p.organisation_id = b.organisation_id AND p.id = b.project_id \
        LEFT JOIN portfolios f ON f.organisation_id = p.organisation_id AND f.id = p.portfolio_id \
        LEFT JOIN LATERAL (SELECT u.id, u.name FROM org_units u \
            WHERE u.organisation_id = p.organisation_id AND u.id = ANY (p.scopes) \
            ORDER BY u.is_operational_area DESC, cardinality(u.path) DESC LIMIT 1) a ON true \
        WHERE b.organisation_id = $1 AND ($4::uuid IS NULL OR b.project_id = $4) \
            AND ($5::uuid IS NULL OR p.portfolio_id = $5) AND ($6::uuid IS NULL OR $6 = ANY (p.scopes)) \
            AND ($7::text IS NULL OR b.owner = $7) ORDER BY b.id LIMIT {most}",
        years()
    );
    let values = [
        organisation.uuid().into(),
        month.into(),
        wanted.newest.into(),
        wanted.project.into(),
        wanted.portfolio.into(),
        wanted.org_unit.into(),
        wanted.owner.into(),
    ];
    postgres(sql, values)
}

/// What is found of them.
pub async fn rows(
    db: &impl ConnectionTrait,
    organisation: OrganisationId,
    month: Date,
    wanted: Wanted,
    most: u32,
) -> Result<Vec<Row>> {
    db.query_all_raw(question(organisation, month, wanted, most)).await?.iter().map(Row::read).collect()
}

impl Row {
    fn read(row: &QueryResult) -> Result<Self> {
        let columns = Columns::from_query_result(row, "")?;
        let labelled = |id: Option<Uuid>, label: Option<String>| {
            (id.map(|id| id.to_string()).unwrap_or_default(), label.unwrap_or_default())
        };
        Ok(Self {
            project: labelled(Some(columns.project_id), columns.project_label),
            owner: columns.owner,
            area: labelled(columns.area_id, columns.area_name),
            portfolio: labelled(columns.portfolio_id, columns.portfolio_name),
            groups: columns.beneficiaries,
            serves: columns.serves,
            starts_on: columns.starts_on,
            kind: known(&columns.kind)?,
            disbenefit: columns.disbenefit,
            aggregation: columns.measure_aggregation,
            outcome: columns.outcome,
            plan: PlanRow {
                number: columns.number,
                baseline: columns.baseline,
                target: columns.target,
                targets: columns.targets,
                starts_on: columns.starts_on,
                measured: json_column(row, "measured")?,
            },
        })
    }

    /// As the rules see it, today.
    pub fn found(self, today: Date) -> Result<Found> {
        let measure = Measure { aggregation: self.aggregation.as_deref(), outcome: self.outcome.as_deref() };
        Ok(Found::new(self.kind, self.disbenefit, self.plan.plan(&measure, today)?))
    }
}
