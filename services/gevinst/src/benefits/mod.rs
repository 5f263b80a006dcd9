//! Benefits: what a project is to be worth, who answers for it, and what it became, also after the project has closed.

pub mod entity;
pub mod figures;
pub mod grpc;
pub mod owners;
pub mod planning;
pub mod profile;
pub mod register;
pub mod reports;
pub mod rules;

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, QueryFilter, TryIntoModel};

use self::entity::{
    benefit,
    measurement::{self, Recorded},
};
use crate::{
    audit::Object,
    auth::Action,
    ctx::{Changes, Command, Ctx},
    error::{Error, Result},
    ids::{BenefitId, MeasurementId, ProjectId},
    projects,
    wire::{day, decimal, decimal_text, today},
};

/// Records what was measured (I14: added, never changed).
pub async fn measure(ctx: Ctx, request: pb::RecordMeasurementRequest) -> Result<pb::RecordMeasurementResponse> {
    let benefit_id = BenefitId::parse(&request.benefit)?;
    let value = decimal("value", &request.value)?;
    let measured_on = day("measured_on", &request.measured_on)?;
    rules::must_have_happened("measured_on", measured_on, today(ctx.now()))?;
    let corrected = request.corrects.as_ref().map(|wrong| MeasurementId::parse(&wrong.measurement)).transpose()?;
    let correction_reason = request.corrects.map(|wrong| wrong.reason).unwrap_or_default();
    ctx.command(Action::BenefitMeasure, Object::of(benefit_id), async move |command| {
        let organisation = command.ctx().organisation()?;
        let found = entity::measured(command.tx(), organisation, benefit_id).await?;
        let found = found.ok_or_else(|| benefit_id.not_found())?;
        let allowed = command.authorize(&found)?;
        found.benefit.must_hold("value", value)?;
        // A gate that is being decided sees it, or it comes after the decision (I02).
        projects::load(&command, ProjectId::new(found.benefit.project_id)).await?;
        if let Some(corrected) = corrected {
            must_count(&command, benefit_id, corrected).await?;
        }
        let id: MeasurementId = command.ctx().new_id();
        let measurement = measurement::ActiveModel {
            organisation_id: Set(organisation.uuid()),
            id: Set(id.uuid()),
            benefit_id: Set(benefit_id.uuid()),
            value: Set(value),
            measured_on: Set(measured_on),
            source: Set(request.source),
            recorder: Set(command.ctx().caller().subject().to_owned()),
            recorded_at: Set(command.ctx().now()),
            corrects_id: Set(corrected.map(MeasurementId::uuid)),
            correction_reason: Set(correction_reason),
        };
        let measurement: measurement::Model = measurement.insert(command.tx()).await?.try_into_model()?;
        let changes = Changes::default()
            .set("benefit", benefit_id.to_string())
            .set("value", decimal_text(measurement.value))
            .set("measured_on", measurement.measured_on.to_string())
            .set("source", measurement.source.as_str())
            .set("corrects", corrected.map(|id| id.to_string()))
            .set("correction_reason", corrected.is_some().then_some(measurement.correction_reason.as_str()));
        let response = pb::RecordMeasurementResponse { measurement: Some(measurement.into()) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// I14: what is corrected is a measurement of this benefit, and one that counts. The project's row is locked: nobody else
/// corrects it meanwhile.
async fn must_count(command: &Command, benefit: BenefitId, id: MeasurementId) -> Result<()> {
    let recorded = measurement::find_recorded_in(command.ctx().organisation()?, benefit);
    let recorded = recorded.filter(measurement::Column::Id.eq(id.uuid())).into_model::<Recorded>();
    match recorded.one(command.tx()).await?.ok_or_else(|| id.not_found())?.corrected_by {
        Some(corrected_by) => Err(Error::MeasurementCorrected { corrected_by: MeasurementId::new(corrected_by) }),
        None => Ok(()),
    }
}

/// A benefit's measurements, a page at a time.
pub async fn list_measurements(ctx: Ctx, request: pb::ListMeasurementsRequest) -> Result<pb::ListMeasurementsResponse> {
    let benefit = BenefitId::parse(&request.benefit)?;
    let page = measurement::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::BenefitRead)?;
    let (measurements, next_page_token) = page
        .fetch_as(&db, measurement::find_recorded_in(db.organisation(), benefit), |recorded: &Recorded| {
            &recorded.measurement
        })
        .await?;
    let has_some = !measurements.is_empty() || !request.page_token.is_empty();
    db.listed_of(has_some, benefit, benefit::find_one_in(db.organisation(), benefit)).await?;
    Ok(pb::ListMeasurementsResponse {
        measurements: measurements.into_iter().map(Into::into).collect(),
        next_page_token,
    })
}
