//! What benefits take out of the budget, as rows.

#![expect(missing_docs, reason = "columns are named as in the contract and explained in migrations/sql")]

use gevinst_proto::v1 as pb;
use sea_orm::{FromQueryResult, QuerySelect, entity::prelude::*, sea_query::Expr};
use serde::Deserialize;
use time::OffsetDateTime;

use super::rules::{BudgetStep, Entry, Ledger, Line, Sum};
use crate::{
    auth::Resource,
    benefits::entity::{Measured, measured_from},
    db::{json_column, postgres},
    error::Result,
    ids::{BenefitId, OrganisationId},
    listing::{Field, FieldKind, List},
    wire::{known, timestamp},
};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "budget_effects")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub organisation_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub benefit_id: Uuid,
    pub project_id: Uuid,
    pub account: String,
    pub year: i32,
    pub step: String,
    pub amount_ore: i64,
    pub price_level_year: Option<i32>,
    pub reference: String,
    pub recorder: String,
    pub recorded_at: OffsetDateTime,
    pub corrects_id: Option<Uuid>,
    pub correction_reason: String,
}

impl ActiveModelBehavior for ActiveModel {}

/// An entry, and what has taken its place: then it counts no more.
#[derive(FromQueryResult)]
pub struct Recorded {
    #[sea_orm(nested)]
    pub effect: Model,
    pub corrected_by: Option<Uuid>,
}

/// What is [`Recorded`] in an organisation.
pub fn find_recorded_in(organisation: OrganisationId) -> Select<Entity> {
    let corrected_by = "(SELECT c.id FROM budget_effects c WHERE c.organisation_id = budget_effects.organisation_id \
        AND c.corrects_id = budget_effects.id)";
    Entity::find()
        .filter(Column::OrganisationId.eq(organisation.uuid()))
        .column_as(Expr::cust(corrected_by), "corrected_by")
}

/// What entries can be filtered on and ordered by.
pub static LIST: List<Entity> = List {
    fields: &[
        Field { name: "benefit", column: Column::BenefitId, kind: FieldKind::Id },
        Field { name: "project", column: Column::ProjectId, kind: FieldKind::Id },
        Field { name: "account", column: Column::Account, kind: FieldKind::Text },
        Field { name: "year", column: Column::Year, kind: FieldKind::Number },
        Field { name: "step", column: Column::Step, kind: FieldKind::Name(|name| name.parse::<BudgetStep>().is_ok()) },
        Field { name: "record_time", column: Column::RecordedAt, kind: FieldKind::Time },
    ],
    orders: &["record_time"],
    default_order: "record_time desc",
    id: Column::Id,
};

impl Model {
    /// As the rules see it.
    pub fn entry(&self) -> Result<Entry> {
        Ok(Entry { key: (self.account.clone(), self.year), step: known(&self.step)?, ore: self.amount_ore })
    }

    /// As the contract shows it.
    pub fn into_proto(self) -> Result<pb::BudgetEffect> {
        let reason = self.correction_reason;
        let correction = |id: Uuid| pb::BudgetEffectCorrection { budget_effect: id.to_string(), reason };
        Ok(pb::BudgetEffect {
            id: self.id.to_string(),
            benefit: self.benefit_id.to_string(),
            project: self.project_id.to_string(),
            account: self.account,
            year: self.year,
            step: known::<BudgetStep>(&self.step)? as i32,
            amount_ore: self.amount_ore,
            price_level_year: self.price_level_year,
            reference: self.reference,
            recorder: self.recorder,
            record_time: Some(timestamp(self.recorded_at)),
            corrects: self.corrects_id.map(correction),
            corrected_by: None,
        })
    }
}

impl Recorded {
    /// As the contract shows it.
    pub fn into_proto(self) -> Result<pb::BudgetEffect> {
        let corrected_by = self.corrected_by.map(|id| id.to_string());
        Ok(pb::BudgetEffect { corrected_by, ..self.effect.into_proto()? })
    }
}

/// A benefit's account and year, of entries that count.
#[derive(Deserialize)]
struct LineRow {
    account: String,
    year: i32,
    promised: i64,
    promised_ore: i64,
    budgeted: i64,
    budgeted_ore: i64,
    removed: i64,
    removed_ore: i64,
}

/// A benefit with what it takes out of the budget.
pub struct Effected {
    measured: Measured,
    /// Account by account, year by year.
    pub ledger: Ledger,
    /// The price levels of the entries that count.
    pub price_levels: Vec<i32>,
}

impl<'a> From<&'a Effected> for Resource<'a> {
    fn from(effected: &'a Effected) -> Self {
        (&effected.measured).into()
    }
}

/// What counts of the benefit `b`.
const COUNTING: &str = "FROM budget_effects e WHERE e.organisation_id = b.organisation_id AND e.benefit_id = b.id \
    AND NOT EXISTS (SELECT FROM budget_effects c WHERE c.organisation_id = e.organisation_id AND c.corrects_id = e.id)";

/// One benefit's effects, in one question.
pub async fn effected(
    db: &impl ConnectionTrait,
    organisation: OrganisationId,
    id: BenefitId,
) -> Result<Option<Effected>> {
    let step = |step: BudgetStep, name: &str| {
        let step: &str = step.into();
        format!(
            "count(*) FILTER (WHERE step = '{step}') AS {name}, \
            least(coalesce(sum(amount_ore) FILTER (WHERE step = '{step}'), 0), {})::bigint AS {name}_ore",
            i64::MAX
        )
    };
    let columns = format!(
        "(SELECT json_agg(l)::text FROM (SELECT account, year, {}, {}, {} {COUNTING} GROUP BY account, year) l) AS lines, \
        (SELECT json_agg(DISTINCT price_level_year)::text {COUNTING} AND price_level_year IS NOT NULL) AS price_levels",
        step(BudgetStep::Promised, "promised"),
        step(BudgetStep::Budgeted, "budgeted"),
        step(BudgetStep::Removed, "removed"),
    );
    let question = postgres(measured_from(&columns, "b.id = $2"), [organisation.uuid().into(), id.uuid().into()]);
    let Some(row) = db.query_one_raw(question).await? else { return Ok(None) };
    let lines: Vec<LineRow> = json_column(&row, "lines")?.unwrap_or_default();
    let price_levels = json_column(&row, "price_levels")?.unwrap_or_default();
    let ledger = lines.into_iter().map(|line| {
        let sums = Line {
            promised: Sum { count: line.promised, ore: line.promised_ore },
            budgeted: Sum { count: line.budgeted, ore: line.budgeted_ore },
            removed: Sum { count: line.removed, ore: line.removed_ore },
        };
        ((line.account, line.year), sums)
    });
    Ok(Some(Effected { measured: Measured::read(&row)?, ledger: ledger.collect(), price_levels }))
}
