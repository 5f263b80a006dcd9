//! What benefits take out of the budget: promised, budgeted, removed, account by account and year by year. On paper is what
//! was promised; in the budget is what was removed. Entries are added, never changed.

pub mod entity;
pub mod rules;

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, QueryFilter, TryIntoModel};

use self::{
    entity::{ActiveModel, Column, Effected, Model, Recorded},
    rules::{BudgetStep, Entry, Line},
};
use crate::{
    audit::Object,
    auth::Action,
    benefits::{entity::benefit, register, rules::BenefitKind, rules::Cashability},
    ctx::{Changes, Command, Ctx},
    error::{Error, Result},
    ids::{BenefitId, BudgetEffectId},
    wire::known,
};

/// Records a step. Who promises it does not say that the budget has it.
pub async fn record(ctx: Ctx, request: pb::RecordBudgetEffectRequest) -> Result<pb::RecordBudgetEffectResponse> {
    let id = BenefitId::parse(&request.benefit)?;
    let step = BudgetStep::from_repr(request.step).ok_or_else(|| Error::invalid("step", "is no step"))?;
    rules::must_be_referenced(step, &request.reference)?;
    let wrong = request.corrects.as_ref().map(|wrong| BudgetEffectId::parse(&wrong.budget_effect)).transpose()?;
    let action = match step {
        BudgetStep::Promised => Action::BudgetEffectPromise,
        BudgetStep::Budgeted | BudgetStep::Removed => Action::BudgetEffectRecord,
    };
    ctx.command(action, Object::of(id), async move |command| {
        let place = register::place(&command, id).await?;
        let allowed = command.authorize(&place)?;
        let new = Entry { key: (request.account.clone(), request.year), step, ore: request.amount_ore };
        let corrected = match wrong {
            Some(wrong) => Some(must_count(&command, id, wrong, step).await?),
            None => None,
        };
        // What was recorded while the benefit was cashable can be taken back when it is so no more.
        if corrected.as_ref().is_none_or(|corrected| new.ore > corrected.ore) {
            must_have_money(&place.benefit)?;
        }
        let organisation = command.ctx().organisation()?;
        let found = entity::effected(command.tx(), organisation, id).await?.ok_or_else(|| id.not_found())?;
        rules::must_follow(found.ledger, &new, corrected.as_ref())?;
        let effect: BudgetEffectId = command.ctx().new_id();
        let row = ActiveModel {
            organisation_id: Set(organisation.uuid()),
            id: Set(effect.uuid()),
            benefit_id: Set(id.uuid()),
            project_id: Set(place.project.id),
            account: Set(request.account),
            year: Set(request.year),
            step: Set(<&str>::from(step).to_owned()),
            amount_ore: Set(request.amount_ore),
            price_level_year: Set(request.price_level_year),
            reference: Set(request.reference),
            recorder: Set(command.ctx().caller().subject().to_owned()),
            recorded_at: Set(command.ctx().now()),
            corrects_id: Set(wrong.map(BudgetEffectId::uuid)),
            correction_reason: Set(request.corrects.map(|wrong| wrong.reason).unwrap_or_default()),
        };
        let row: Model = row.insert(command.tx()).await?.try_into_model()?;
        let changes = recorded(&row);
        let response = pb::RecordBudgetEffectResponse { budget_effect: Some(row.into_proto()?) };
        Ok(command.created(allowed, effect, changes, response))
    })
    .await
}

/// Only money can be taken out of a budget, and of what is worth money only what is cashable.
fn must_have_money(benefit: &benefit::Model) -> Result<()> {
    if benefit.kind()? != BenefitKind::Economic {
        return Err(Error::BenefitNotEconomic);
    }
    if benefit.disbenefit {
        return Err(Error::BenefitIsDisbenefit);
    }
    match benefit.cashability.as_deref() {
        Some(other) if known::<Cashability>(other)? != Cashability::Cashable => {
            Err(Error::BenefitNotCashable { cashability: other.to_owned() })
        }
        _ => Ok(()),
    }
}

/// What is corrected is an entry of this benefit and step, and one that counts. The project's row is locked: nobody else
/// corrects it meanwhile.
async fn must_count(command: &Command, benefit: BenefitId, id: BudgetEffectId, step: BudgetStep) -> Result<Entry> {
    let recorded = entity::find_recorded_in(command.ctx().organisation()?)
        .filter(Column::BenefitId.eq(benefit.uuid()))
        .filter(Column::Id.eq(id.uuid()));
    let found = recorded.into_model::<Recorded>().one(command.tx()).await?.ok_or_else(|| id.not_found())?;
    if let Some(corrected_by) = found.corrected_by {
        return Err(Error::BudgetEffectCorrected { corrected_by: BudgetEffectId::new(corrected_by) });
    }
    let entry = found.effect.entry()?;
    if entry.step != step {
        let there: &str = entry.step.into();
        return Err(Error::invalid("step", format!("is not that of the entry it corrects, which is {there}")));
    }
    Ok(entry)
}

fn recorded(row: &Model) -> Changes {
    Changes::default()
        .set("benefit", row.benefit_id.to_string())
        .set("account", row.account.as_str())
        .set("year", row.year)
        .set("step", row.step.as_str())
        .set("amount_ore", row.amount_ore.to_string())
        .set("price_level_year", row.price_level_year)
        .set("reference", row.reference.as_str())
        .set("corrects", row.corrects_id.map(|id| id.to_string()))
        .set("correction_reason", row.corrects_id.map(|_| row.correction_reason.as_str()))
}

/// The organisation's entries, a page at a time.
pub async fn list(ctx: Ctx, request: pb::ListBudgetEffectsRequest) -> Result<pb::ListBudgetEffectsResponse> {
    let page = entity::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::BenefitRead)?;
    let select = entity::find_recorded_in(db.organisation());
    let (effects, next_page_token) = page.fetch_as(&db, select, |recorded: &Recorded| &recorded.effect).await?;
    db.listed(effects.is_empty()).await?;
    let budget_effects = effects.into_iter().map(Recorded::into_proto).collect::<Result<_>>()?;
    Ok(pb::ListBudgetEffectsResponse { budget_effects, next_page_token })
}

/// What a benefit has taken out of the budget.
pub async fn get(ctx: Ctx, request: pb::GetBudgetEffectRequest) -> Result<pb::GetBudgetEffectResponse> {
    let id = BenefitId::parse(&request.benefit)?;
    let db = ctx.read(Action::BenefitRead)?;
    let found = entity::effected(&db, db.organisation(), id).await?;
    let Effected { ledger, price_levels, .. } = db.found(found, id).await?;
    let total = |ore: fn(&Line) -> i64| ledger.values().map(ore).fold(0, i64::saturating_add);
    let figures = pb::BudgetFigures {
        on_paper_ore: total(|line| line.promised.ore),
        budgeted_ore: total(|line| line.budgeted.ore),
        in_budget_ore: total(|line| line.removed.ore),
        price_level_years: price_levels,
        lines: ledger.into_iter().map(shown).collect(),
    };
    Ok(pb::GetBudgetEffectResponse { figures: Some(figures) })
}

fn shown(((account, year), line): ((String, i32), Line)) -> pb::BudgetLine {
    let (promised_ore, budgeted_ore, removed_ore) = (line.promised.ore, line.budgeted.ore, line.removed.ore);
    pb::BudgetLine { account, year, promised_ore, budgeted_ore, removed_ore }
}
