//! Measuring: one, many at once, from a file; added, never changed (I14).
//!
//! Many are recorded by one command in one transaction: what one caller sends together is seen together, a retry under the
//! same idempotency key finds all of it or nothing, and what is asked of PostgreSQL is asked of all at once. The projects are
//! locked in the order of their ids, so that two who send many wait for each other and never block each other.

mod file;

use std::collections::{BTreeSet, HashMap};

use aws_lc_rs::digest;
use gevinst_proto::v1 as pb;
use prost::Message;
use rust_decimal::Decimal;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use time::Date;
use uuid::Uuid;

use super::{
    entity::{
        self, benefit,
        measurement::{self, Recorded},
    },
    register::{self, Place},
    rules,
};
use crate::{
    audit::Object,
    auth::Action,
    ctx::{Changes, Command, Ctx, Each},
    error::{Error, Result},
    ids::{BenefitId, Measurement, MeasurementId},
    realisation::calendar,
    wire::{day, decimal, decimal_text, today},
};

/// How many are recorded at once.
pub const MOST: usize = 10_000;

/// How many rows a statement adds.
const ROWS: usize = 1_000;

/// A measurement to be recorded, in itself sound.
pub struct New {
    benefit: BenefitId,
    value: Decimal,
    measured_on: Date,
    source: String,
    corrects: Option<(MeasurementId, String)>,
}

impl New {
    /// From a message whose rules hold.
    pub fn read(message: pb::NewMeasurement, today: Date) -> Result<Self> {
        let measured_on = day("measured_on", &message.measured_on)?;
        rules::must_have_happened("measured_on", measured_on, today)?;
        let corrects =
            message.corrects.map(|wrong| Ok::<_, Error>((MeasurementId::parse(&wrong.measurement)?, wrong.reason)));
        Ok(Self {
            benefit: BenefitId::parse(&message.benefit)?,
            value: decimal("value", &message.value)?,
            measured_on,
            source: message.source,
            corrects: corrects.transpose()?,
        })
    }

    /// As a row under a new id.
    fn row(self, ctx: &Ctx) -> Result<measurement::Model> {
        let (corrects_id, correction_reason) = self.corrects.unzip();
        Ok(measurement::Model {
            organisation_id: ctx.organisation()?.uuid(),
            id: ctx.new_id::<Measurement>().uuid(),
            benefit_id: self.benefit.uuid(),
            value: self.value,
            measured_on: self.measured_on,
            source: self.source,
            recorder: ctx.caller().subject().to_owned(),
            recorded_at: ctx.now(),
            corrects_id: corrects_id.map(MeasurementId::uuid),
            correction_reason: correction_reason.unwrap_or_default(),
        })
    }
}

/// What was recorded, for the audit entry.
fn recorded(row: &measurement::Model) -> Changes {
    let corrects = row.corrects_id.map(|id| id.to_string());
    Changes::default()
        .set("benefit", row.benefit_id.to_string())
        .set("value", decimal_text(row.value))
        .set("measured_on", row.measured_on.to_string())
        .set("source", row.source.as_str())
        .set("correction_reason", corrects.is_some().then_some(row.correction_reason.as_str()))
        .set("corrects", corrects)
}

/// Records what was measured.
pub async fn measure(ctx: Ctx, request: pb::RecordMeasurementRequest) -> Result<pb::RecordMeasurementResponse> {
    let message = pb::NewMeasurement {
        benefit: request.benefit,
        value: request.value,
        measured_on: request.measured_on,
        source: request.source,
        corrects: request.corrects,
    };
    let new = New::read(message, today(ctx.now()))?;
    ctx.command(Action::BenefitMeasure, Object::of(new.benefit), async move |command| {
        let place = register::place(&command, new.benefit).await?;
        let allowed = command.authorize(&place)?;
        place.benefit.must_hold("value", new.value)?;
        if let Some((corrected, _)) = &new.corrects {
            must_count(&command, new.benefit, *corrected).await?;
        }
        let (new_benefit, new_corrects) = (new.benefit, new.corrects.is_some());
        let row = new.row(command.ctx())?;
        row.clone().into_active_model().reset_all().insert(command.tx()).await?;
        if new_corrects {
            calendar::look_at(&command, [new_benefit]).await?;
        }
        let (id, changes) = (MeasurementId::new(row.id), recorded(&row));
        let response = pb::RecordMeasurementResponse { measurement: Some(row.into()) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// Many to be recorded, each by its number; those that are wrong in themselves with the reason.
pub type Many = Vec<(i32, Result<New>)>;

/// Records many, each for itself.
pub async fn measure_many(ctx: Ctx, many: Many) -> Result<pb::ImportMeasurementsResponse> {
    if many.len() > MOST {
        return Err(Error::TooMany { kind: "measurement" });
    }
    let organisation = ctx.organisation()?;
    ctx.command(Action::BenefitMeasure, Object::of(organisation), async move |command| {
        let found = places(&command, &many).await?;
        let mut counting = counting(&command, &many).await?;
        let mut corrected = BTreeSet::new();
        let (mut rows, mut each, mut results) = (Vec::new(), Vec::new(), Vec::with_capacity(many.len()));
        for (number, new) in many {
            let benefit = new.as_ref().ok().map(|new| new.benefit);
            let checked = new.and_then(|new| {
                let place = found.get(&new.benefit.uuid()).ok_or_else(|| new.benefit.not_found())?;
                let allowed = command.authorize_one(Object::of(new.benefit), place)?;
                place.benefit.must_hold("value", new.value)?;
                if let Some((corrected, _)) = &new.corrects {
                    counting.take(new.benefit, *corrected)?;
                }
                Ok((allowed, new.row(command.ctx())?))
            });
            let (measurement, failure) = match checked {
                Ok((allowed, row)) => {
                    each.push(Each::created(allowed, MeasurementId::new(row.id), recorded(&row)));
                    corrected.extend(row.corrects_id.and(Some(BenefitId::new(row.benefit_id))));
                    rows.push(row.clone().into_active_model().reset_all());
                    counting.corrected_by(&row);
                    (Some(row.into()), None)
                }
                Err(refusal) => {
                    let failure = refusal.of_one();
                    if let Some(benefit) = benefit.filter(|_| refusal.is_refusal()) {
                        each.push(Each::refused(benefit, refusal));
                    }
                    (None, Some(failure))
                }
            };
            results.push(pb::MeasurementResult { number, measurement, failure });
        }
        while !rows.is_empty() {
            let rest = rows.split_off(rows.len().min(ROWS));
            measurement::Entity::insert_many(rows).exec_without_returning(command.tx()).await?;
            rows = rest;
        }
        // What is measured no more may be missing now.
        calendar::look_at(&command, corrected).await?;
        let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let recorded = results.iter().filter(|result| result.measurement.is_some()).count();
        let response = pb::ImportMeasurementsResponse {
            recorded_count: count(recorded),
            refused_count: count(results.len() - recorded),
            results,
        };
        Ok(command.done_each(each, response))
    })
    .await
}

fn news(many: &Many) -> impl Iterator<Item = &New> {
    many.iter().filter_map(|(_, new)| new.as_ref().ok())
}

/// The benefits that are named, with their projects, which are locked.
async fn places(command: &Command, many: &Many) -> Result<HashMap<Uuid, Place>> {
    let organisation = command.ctx().organisation()?;
    let ids: BTreeSet<Uuid> = news(many).map(|new| new.benefit.uuid()).collect();
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let projects = entity::lock_projects_of(command.tx(), organisation, ids.clone()).await?;
    let benefits = entity::benefits_among(command.tx(), organisation, ids).await?;
    let placed = |benefit: benefit::Model| {
        let project = projects.iter().find(|project| project.id == benefit.project_id)?.clone();
        Some((benefit.id, Place { benefit, project }))
    };
    Ok(benefits.into_iter().filter_map(placed).collect())
}

/// What is to be corrected: of which benefit it is, and what has taken its place.
struct Counting(HashMap<Uuid, (Uuid, Option<Uuid>)>);

async fn counting(command: &Command, many: &Many) -> Result<Counting> {
    let ids: Vec<Uuid> = news(many).filter_map(|new| Some(new.corrects.as_ref()?.0.uuid())).collect();
    if ids.is_empty() {
        return Ok(Counting(HashMap::new()));
    }
    let found = entity::corrections_among(command.tx(), command.ctx().organisation()?, ids).await?;
    Ok(Counting(found.into_iter().map(|found| (found.id, (found.benefit_id, found.corrected_by))).collect()))
}

impl Counting {
    /// I14: what is corrected is a measurement of this benefit, and one that counts.
    fn take(&self, benefit: BenefitId, id: MeasurementId) -> Result<()> {
        match self.0.get(&id.uuid()) {
            Some((of, _)) if *of != benefit.uuid() => Err(id.not_found()),
            None => Err(id.not_found()),
            Some((_, Some(by))) => Err(Error::MeasurementCorrected { corrected_by: MeasurementId::new(*by) }),
            Some((_, None)) => Ok(()),
        }
    }

    /// From now on, what this row corrects counts no more.
    fn corrected_by(&mut self, row: &measurement::Model) {
        if let Some((_, by)) = row.corrects_id.and_then(|id| self.0.get_mut(&id)) {
            *by = Some(row.id);
        }
    }
}

/// What came in a stream, so far.
pub struct Sent {
    ctx: Ctx,
    organisation: String,
    today: Date,
    many: Many,
    /// All of it, for whoever repeats the call.
    sha256: digest::Context,
}

impl Sent {
    /// Nothing yet, of an organisation.
    pub fn new(ctx: Ctx, organisation: &str) -> Self {
        let today = today(ctx.now());
        let sha256 = digest::Context::new(&digest::SHA256);
        Self { ctx, organisation: organisation.to_owned(), today, many: Vec::new(), sha256 }
    }

    /// One more. What is wrong with it is kept, and not the message: many of them are no more than many reasons.
    pub fn take(&mut self, message: pb::RecordMeasurementsRequest) -> Result<()> {
        if self.many.len() == MOST {
            return Err(Error::TooMany { kind: "measurement" });
        }
        let other = !message.organisation.is_empty() && message.organisation != self.organisation;
        let new = message.measurement.unwrap_or_default();
        self.sha256.update(&new.encode_length_delimited_to_vec());
        let read = || {
            if other {
                return Err(Error::invalid("organisation", "is another than in the first message: call once for each"));
            }
            self.ctx.check(&new)?;
            New::read(new, self.today)
        };
        let new = read();
        let number = i32::try_from(self.many.len() + 1).unwrap_or(i32::MAX);
        self.many.push((number, new));
        Ok(())
    }

    /// Records all of it.
    pub async fn record(self) -> Result<pb::ImportMeasurementsResponse> {
        let sha256 = self.sha256.finish();
        measure_many(self.ctx.with_more(sha256.as_ref()), self.many).await
    }
}

/// Records what a file says.
pub async fn import(ctx: Ctx, request: pb::ImportMeasurementsRequest) -> Result<pb::ImportMeasurementsResponse> {
    let many = file::read(&ctx, &request.content)?;
    measure_many(ctx, many).await
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
