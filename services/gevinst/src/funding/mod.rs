//! A project's money: appropriated by the council, released by gates, spent (I05).

pub mod entity;
pub mod grpc;
pub mod rules;

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel, TryIntoModel};

use self::{
    entity::{Funded, appropriation, expenditure, spend_authority},
    rules::{Appropriation, Figures, SpendPurpose, Spent, Tranche},
};
use crate::{
    audit::Object,
    auth::Action,
    benefits::rules::must_have_happened,
    ctx::{Changes, Command, Ctx},
    error::{Error, Result},
    ids::{AppropriationId, ExpenditureId, ProjectId},
    projects,
    wire::{bare, day, known, today},
};

/// Records where a project's money comes from.
pub async fn appropriate(ctx: Ctx, request: pb::RecordAppropriationRequest) -> Result<pb::RecordAppropriationResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let (basis, expenditure_type) = (request.basis(), request.expenditure_type());
    let decided_on = day("decided_on", &request.decided_on)?;
    must_have_happened("decided_on", decided_on, today(ctx.now()))?;
    ctx.command(Action::AppropriationRecord, Object::of(project_id), async move |command| {
        let project = projects::load(&command, project_id).await?;
        let allowed = command.authorize(&project)?;
        project.standing()?.must_be_listed()?;
        projects::must_have_room(&command, project_id, "appropriations", "appropriation").await?;
        let id: AppropriationId = command.ctx().new_id();
        let appropriation = appropriation::ActiveModel {
            organisation_id: Set(command.ctx().organisation()?.uuid()),
            id: Set(id.uuid()),
            project_id: Set(project_id.uuid()),
            basis: Set(bare(basis.as_str_name(), "APPROPRIATION_BASIS_")),
            expenditure_type: Set(bare(expenditure_type.as_str_name(), "EXPENDITURE_TYPE_")),
            body: Set(request.body),
            decided_on: Set(decided_on),
            case_number: Set(request.case_number),
            amount_ore: Set(request.amount_ore),
            first_year: Set(request.first_year),
            last_year: Set(request.first_year + request.years.max(1) - 1),
            recorder: Set(command.ctx().caller().subject().to_owned()),
            recorded_at: Set(command.ctx().now()),
            ended_by: Set(None),
            end_reason: Set(String::new()),
            ended_at: Set(None),
        };
        let appropriation: appropriation::Model = appropriation.insert(command.tx()).await?.try_into_model()?;
        let changes = Changes::default()
            .set("project", project_id.to_string())
            .set("basis", appropriation.basis.as_str())
            .set("expenditure_type", appropriation.expenditure_type.as_str())
            .set("body", appropriation.body.as_str())
            .set("decided_on", appropriation.decided_on.to_string())
            .set("case_number", appropriation.case_number.as_str())
            .set("amount_ore", appropriation.amount_ore.to_string())
            .set("first_year", appropriation.first_year)
            .set("last_year", appropriation.last_year);
        let response = pb::RecordAppropriationResponse { appropriation: Some(appropriation.into_proto()?) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// Takes an appropriation back, if what gates have released can do without it.
pub async fn end_appropriation(ctx: Ctx, request: pb::EndAppropriationRequest) -> Result<pb::EndAppropriationResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let id = AppropriationId::parse(&request.appropriation)?;
    ctx.command(Action::AppropriationEnd, Object::of(id), async move |command| {
        let project = projects::load(&command, project_id).await?;
        let allowed = command.authorize(&project)?;
        let Funded { appropriations, authorities, spent, .. } = funded(&command, project_id).await?;
        let figures = figures(&appropriations, &authorities, spent)?;
        let before = appropriations.into_iter().find(|each| each.id == id.uuid()).ok_or_else(|| id.not_found())?;
        if before.ended_at.is_some() {
            return Err(Error::AlreadyEnded { kind: "appropriation" });
        }
        figures.must_do_without(before.amount_ore)?;
        let mut appropriation = before.into_active_model();
        appropriation.ended_by = Set(Some(command.ctx().caller().subject().to_owned()));
        appropriation.end_reason = Set(request.reason);
        appropriation.ended_at = Set(Some(command.ctx().now()));
        let appropriation: appropriation::Model = appropriation.update(command.tx()).await?.try_into_model()?;
        let changes = Changes::default()
            .set("ended_by", appropriation.ended_by.as_deref())
            .set("reason", appropriation.end_reason.as_str());
        let response = pb::EndAppropriationResponse { appropriation: Some(appropriation.into_proto()?) };
        Ok(command.done(allowed, changes, response))
    })
    .await
}

/// Records what was spent, or came back: never more than gates have released (I05). Invoices come late, so the project may
/// have ended.
pub async fn spend(ctx: Ctx, request: pb::RecordExpenditureRequest) -> Result<pb::RecordExpenditureResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let purpose = SpendPurpose::from_repr(request.purpose).ok_or_else(|| Error::invalid("purpose", "is no purpose"))?;
    let category = request.category();
    let spent_on = day("spent_on", &request.spent_on)?;
    must_have_happened("spent_on", spent_on, today(ctx.now()))?;
    ctx.command(Action::ExpenditureRecord, Object::of(project_id), async move |command| {
        let project = projects::load(&command, project_id).await?;
        let allowed = command.authorize(&project)?;
        project.standing()?.must_be_listed()?;
        let Funded { appropriations, authorities, spent, .. } = funded(&command, project_id).await?;
        figures(&appropriations, &authorities, spent)?.must_cover(request.amount_ore, purpose)?;
        let id: ExpenditureId = command.ctx().new_id();
        let expenditure = expenditure::ActiveModel {
            organisation_id: Set(command.ctx().organisation()?.uuid()),
            id: Set(id.uuid()),
            project_id: Set(project_id.uuid()),
            amount_ore: Set(request.amount_ore),
            spent_on: Set(spent_on),
            purpose: Set(<&str>::from(purpose).to_owned()),
            category: Set(bare(category.as_str_name(), "COST_CATEGORY_")),
            source: Set(request.source),
            recorder: Set(command.ctx().caller().subject().to_owned()),
            recorded_at: Set(command.ctx().now()),
        };
        let expenditure: expenditure::Model = expenditure.insert(command.tx()).await?.try_into_model()?;
        let changes = Changes::default()
            .set("project", project_id.to_string())
            .set("amount_ore", expenditure.amount_ore.to_string())
            .set("spent_on", expenditure.spent_on.to_string())
            .set("purpose", expenditure.purpose.as_str())
            .set("category", expenditure.category.as_str())
            .set("source", expenditure.source.as_str());
        let response = pb::RecordExpenditureResponse { expenditure: Some(expenditure.into_proto()?) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// What a project has spent, a page at a time.
pub async fn list_expenditures(ctx: Ctx, request: pb::ListExpendituresRequest) -> Result<pb::ListExpendituresResponse> {
    let project = ProjectId::parse(&request.project)?;
    let page = expenditure::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::ProjectRead)?;
    let (expenditures, next_page_token) = page.fetch(&db, expenditure::find_in(db.organisation(), project)).await?;
    let has_some = !expenditures.is_empty() || !request.page_token.is_empty();
    db.listed_of(has_some, project, projects::entity::find_one_in(db.organisation(), project)).await?;
    Ok(pb::ListExpendituresResponse {
        expenditures: expenditures.into_iter().map(expenditure::Model::into_proto).collect::<Result<_>>()?,
        next_page_token,
    })
}

/// A project's money, with every figure's rows.
pub async fn get(ctx: Ctx, request: pb::GetProjectFundingRequest) -> Result<pb::GetProjectFundingResponse> {
    let id = ProjectId::parse(&request.project)?;
    let db = ctx.read(Action::ProjectRead)?;
    let found = entity::funded(&db, db.organisation(), id).await?;
    let Funded { appropriations, authorities, spent, .. } = db.found(found, id).await?;
    let funding = into_proto(appropriations, authorities, spent.total_ore, spent.on_experiments_ore)?;
    Ok(pb::GetProjectFundingResponse { funding: Some(funding) })
}

/// The money of the project that the command has locked: nobody spends, releases or takes back meanwhile.
async fn funded(command: &Command, project: ProjectId) -> Result<Funded> {
    let found = entity::funded(command.tx(), command.ctx().organisation()?, project).await?;
    found.ok_or_else(|| project.not_found())
}

/// Every figure of a project's money, from its rows.
pub fn figures(
    appropriations: &[appropriation::Model],
    authorities: &[spend_authority::Model],
    spent: Spent,
) -> Result<Figures> {
    let appropriations =
        appropriations.iter().map(|row| Appropriation { ore: row.amount_ore, stands: row.ended_at.is_none() });
    let tranches: Vec<Tranche> = authorities
        .iter()
        .map(|row| Ok(Tranche { ore: row.amount_ore, purpose: known(&row.purpose)?, stands: row.revoked_at.is_none() }))
        .collect::<Result<_>>()?;
    rules::figures(appropriations, tranches, spent)
}

/// A project's money as the contract shows it, from rows that are oldest first.
pub fn into_proto(
    appropriations: Vec<appropriation::Model>,
    authorities: Vec<spend_authority::Model>,
    spent_ore: i64,
    spent_on_experiments_ore: i64,
) -> Result<pb::Funding> {
    let spent = Spent { total_ore: spent_ore, on_experiments_ore: spent_on_experiments_ore };
    let figures = figures(&appropriations, &authorities, spent)?;
    Ok(pb::Funding {
        appropriated_ore: figures.appropriated_ore,
        authorised_ore: figures.authorised_ore,
        authorised_for_experiments_ore: figures.authorised_for_experiments_ore,
        spent_ore: figures.spent_ore,
        spent_on_experiments_ore: figures.spent_on_experiments_ore,
        left_ore: figures.left_ore,
        left_general_ore: figures.left_general_ore,
        appropriations: appropriations.into_iter().map(appropriation::Model::into_proto).collect::<Result<_>>()?,
        spend_authorities: authorities.into_iter().map(spend_authority::Model::into_proto).collect::<Result<_>>()?,
    })
}
