//! What a benefit is and how it is measured: created, changed until a gate freezes it, read and listed.

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::NotSet, IntoActiveModel, TryIntoModel};

use super::{
    entity::{self, benefit},
    map::parts::Serves,
    owners::{self, Nomination, rules::OwnerState},
    planning,
    profile::{Evidence, Groups, Scale, Start, Years},
    rules::{self, BenefitKind, BenefitState},
};
use crate::{
    audit::Object,
    auth::{Action, Resource},
    ctx::{Changes, Command, Ctx},
    error::{Error, Result},
    ids::{BenefitId, ProjectId},
    projects::{self, rules::Stage},
    realisation::reviews,
    wire::{bare, decimal, decimal_text, etag, known, masked, required, today},
};

/// A benefit with its project, both locked.
#[derive(Clone)]
pub struct Place {
    /// The benefit.
    pub benefit: benefit::Model,
    /// Its project.
    pub project: projects::entity::Model,
}

impl<'a> From<&'a Place> for Resource<'a> {
    fn from(Place { benefit, project }: &'a Place) -> Self {
        Self::Benefit {
            organisation: &benefit.organisation_id,
            scopes: &project.scopes,
            owner: &benefit.owner,
            accepted: benefit.accepted_owner(),
            escalated_to: benefit.escalated_to.as_deref(),
            nominee: benefit.nominee.as_ref().unwrap_or(&benefit.owner),
            nominator: &benefit.owner,
            project_owner: &project.project_owner,
            project_manager: &project.project_manager,
        }
    }
}

/// A benefit with its project. The project is locked first, as everywhere: a gate that is being decided sees what this
/// command does, or it comes after the decision (I02); and what was read before the lock is read again.
pub async fn place(command: &Command, id: BenefitId) -> Result<Place> {
    let organisation = command.ctx().organisation()?;
    let find = || benefit::find_one_in(organisation, id);
    let found = find().one(command.tx()).await?.ok_or_else(|| id.not_found())?;
    let project = projects::load(command, ProjectId::new(found.project_id)).await?;
    let benefit = find().one(command.tx()).await?.ok_or_else(|| id.not_found())?;
    Ok(Place { benefit, project })
}

/// Adds a benefit to a project, and asks its owner to accept it.
pub async fn create(ctx: Ctx, request: pb::CreateBenefitRequest) -> Result<pb::CreateBenefitResponse> {
    let project_id = ProjectId::parse(&request.project)?;
    let new = read(&ctx, request)?;
    let increment = new.start.as_ref().and_then(Start::increment);
    ctx.command(Action::BenefitCreate, Object::of(project_id), async move |command| {
        let project = projects::load(&command, project_id).await?;
        let allowed = command.authorize(&project)?;
        project.standing()?.must_accept_benefits()?;
        projects::must_have_room(&command, project_id, "benefits", "benefit").await?;
        planning::must_have_increment(&command, project_id, increment).await?;
        let id: BenefitId = command.ctx().new_id();
        let mut benefit = benefit::Model { id: id.uuid(), ..new }.into_active_model().reset_all();
        benefit.state = NotSet;
        let benefit: benefit::Model = benefit.insert(command.tx()).await?.try_into_model()?;
        planning::keep(&command, &benefit).await?;
        planning::move_start(&command, benefit).await?;
        // I14: after the last gate that freezes, what is planned first is what it is held to.
        if matches!(project.standing()?.stage, Stage::Realisation | Stage::Closed) {
            planning::freeze(&command, project_id).await?;
        }
        reviews::schedule(&command, project_id).await?;
        let organisation = command.ctx().organisation()?;
        let benefit = benefit::find_one_in(organisation, id).one(command.tx()).await?.ok_or_else(|| id.not_found())?;
        let nomination = Nomination {
            nominee: benefit.owner.clone(),
            reason: String::new(),
            exception_reason: String::new(),
            eligibility: None,
        };
        owners::open_nomination(&command, id, nomination).await?;
        let changes = Changes::default()
            .set("project", project_id.to_string())
            .set("kind", benefit.kind.as_str())
            .set("baseline", decimal_text(benefit.baseline))
            .set("target", decimal_text(benefit.target))
            .set("owner", benefit.owner.as_str())
            .set("planned_annual_ore", benefit.planned_annual_ore.map(|ore| ore.to_string()))
            .set("price_level_year", benefit.price_level_year)
            .and(profiled(None, &benefit));
        let response = pb::CreateBenefitResponse { benefit: Some(benefit.into_proto()?) };
        Ok(command.created(allowed, id, changes, response))
    })
    .await
}

/// What was asked for, as a row without an id.
fn read(ctx: &Ctx, request: pb::CreateBenefitRequest) -> Result<benefit::Model> {
    let kind = BenefitKind::from_repr(request.kind).ok_or_else(|| Error::invalid("kind", "is no kind"))?;
    rules::must_be_valued(kind, request.planned_annual_value.is_some())?;
    let (baseline, target) = (decimal("baseline", &request.baseline)?, decimal("target", &request.target)?);
    let targets = Years::read(&request.targets)?;
    let value_ore = request.planned_annual_value.as_ref().map(|value| value.ore);
    rules::must_end_at(target, value_ore, &targets.targets()?)?;
    let cashability = bare_if(request.cashability().as_str_name(), "CASHABILITY_");
    let evidence = request.baseline_evidence.map(|evidence| Evidence::read(evidence, today(ctx.now()))).transpose()?;
    let mut benefit = benefit::Model {
        organisation_id: ctx.organisation()?.uuid(),
        id: uuid::Uuid::nil(),
        project_id: ProjectId::parse(&request.project)?.uuid(),
        title: request.title,
        kind: <&str>::from(kind).to_owned(),
        measure_name: String::new(),
        measure_unit: String::new(),
        baseline,
        target,
        owner: request.owner.clone(),
        planned_annual_ore: value_ore,
        price_level_year: request.planned_annual_value.map(|value| value.price_level_year),
        created_at: ctx.now(),
        owner_state: <&str>::from(OwnerState::Nominated).to_owned(),
        nominee: Some(request.owner),
        escalated_to: None,
        disbenefit: request.disbenefit,
        cashability,
        beneficiaries: Groups::read(&request.groups)?,
        measure_method: String::new(),
        measure_source: String::new(),
        measure_frequency: None,
        measure_aggregation: None,
        measure_direction: None,
        measure_scale: Scale::default(),
        plan_number: 0,
        baseline_evidence: evidence,
        targets,
        start: request.start.as_ref().map(Start::read).transpose()?,
        plan_reason: String::new(),
        planner: ctx.caller().subject().to_owned(),
        planned_at: ctx.now(),
        starts_on: None,
        baseline_plan: None,
        baseline_starts_on: None,
        outcome: None,
        outcome_at: None,
        serves: Serves::default(),
        realises_from: None,
        version: 1,
        state: <&str>::from(BenefitState::Identified).to_owned(),
    };
    benefit.measured_by(request.measure.unwrap_or_default())?;
    benefit.must_be_sound()?;
    Ok(benefit)
}

/// Changes what a benefit is and how it is measured.
pub async fn update(ctx: Ctx, request: pb::UpdateBenefitRequest) -> Result<pb::UpdateBenefitResponse> {
    let id = BenefitId::parse(&request.benefit)?;
    let new = request.changes.unwrap_or_default();
    let mask = masked(
        request.update_mask,
        &[
            ("title", new.title.is_some()),
            ("measure", new.measure.is_some()),
            ("cashability", new.cashability.is_some()),
            ("groups", !new.groups.is_empty()),
            ("disbenefit", new.disbenefit.is_some()),
        ],
    )?;
    ctx.command(Action::BenefitPlan, Object::of(id), async move |command| {
        let place = place(&command, id).await?;
        let allowed = command.authorize(&place)?;
        let before = place.benefit;
        must_match(&before, &request.etag)?;
        let mut after = before.clone();
        for field in mask {
            match field {
                "title" => after.title = required(field, new.title.clone())?,
                "measure" => after.measured_by(required(field, new.measure.clone())?).map_err(of_changes)?,
                "cashability" => {
                    required(field, new.cashability)?;
                    after.cashability = bare_if(new.cashability().as_str_name(), "CASHABILITY_");
                }
                "groups" => after.beneficiaries = Groups::read(&new.groups).map_err(of_changes)?,
                _ => after.disbenefit = required(field, new.disbenefit)?,
            }
        }
        after.must_be_sound().map_err(of_changes)?;
        must_mean_the_same(&before, &after)?;
        let saved = save(&command, after).await?;
        let changes = profiled(Some(&before), &saved);
        Ok(command.done(allowed, changes, pb::UpdateBenefitResponse { benefit: Some(saved.into_proto()?) }))
    })
    .await
}

impl benefit::Model {
    /// How it is measured from now on.
    fn measured_by(&mut self, measure: pb::Measure) -> Result<()> {
        self.measure_frequency = bare_if(measure.frequency().as_str_name(), "MEASURE_FREQUENCY_");
        self.measure_aggregation = bare_if(measure.aggregation().as_str_name(), "MEASURE_AGGREGATION_");
        let direction = bare_if(measure.direction().as_str_name(), "MEASURE_DIRECTION_");
        self.measure_name = measure.name;
        self.measure_unit = measure.unit;
        self.measure_method = measure.method;
        self.measure_source = measure.source;
        self.measure_scale = Scale::read(measure.scale)?;
        self.direct(direction)
    }

    /// Which way it goes: as stated, which baseline and target must agree with, or as they say.
    pub(super) fn direct(&mut self, stated: Option<String>) -> Result<()> {
        let stated = stated.map(|name| known(&name)).transpose()?;
        let direction = rules::direction(stated, self.baseline, self.target)?;
        self.measure_direction = Some(<&str>::from(direction).to_owned());
        Ok(())
    }
}

/// What is wrong with a changed benefit, said of what was asked for: of the plan, that the measure does not fit it.
fn of_changes(error: Error) -> Error {
    let Error::FieldInvalid(fields) = error else { return error };
    let said = |(field, why): (String, String)| match field.split(['.', '[']).next() {
        Some("measure" | "cashability" | "groups") => (format!("changes.{field}"), why),
        _ => ("changes.measure".to_owned(), format!("does not fit the plan, whose {field} {why}")),
    };
    Error::FieldInvalid(fields.into_iter().map(said).collect())
}

/// A name of the contract as a column keeps it; none where nothing was chosen.
fn bare_if(name: &'static str, prefix: &str) -> Option<String> {
    Some(bare(name, prefix)).filter(|name| name != "UNSPECIFIED")
}

/// I14: figures that have been promised go on meaning what they meant.
fn must_mean_the_same(before: &benefit::Model, after: &benefit::Model) -> Result<()> {
    let changed = [
        ("disbenefit", before.disbenefit != after.disbenefit),
        ("cashability", before.cashability.is_some() && before.cashability != after.cashability),
        ("measure.name", before.measure_name != after.measure_name),
        ("measure.unit", before.measure_unit != after.measure_unit),
        (
            "measure.aggregation",
            before.measure_aggregation.is_some() && before.measure_aggregation != after.measure_aggregation,
        ),
        // How many measurements a year's sum is of.
        (
            "measure.frequency",
            before.measure_frequency.is_some() && before.measure_frequency != after.measure_frequency,
        ),
        ("measure.direction", before.measure_direction != after.measure_direction),
        ("measure.scale", before.measure_scale != after.measure_scale),
    ];
    let changed: Vec<&str> = changed.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect();
    if before.is_frozen() && !changed.is_empty() {
        return Err(Error::BenefitFrozen { fields: changed.join(",") });
    }
    Ok(())
}

pub(super) fn must_match(benefit: &benefit::Model, wanted: &str) -> Result<()> {
    if etag(benefit.version) == wanted { Ok(()) } else { Err(Error::EtagStale) }
}

/// Writes a changed benefit, under its next version.
pub(super) async fn save(command: &Command, after: benefit::Model) -> Result<benefit::Model> {
    let mut benefit = benefit::Model { version: after.version + 1, ..after }.into_active_model().reset_all();
    // What other commands write, and what the database derives.
    (benefit.state, benefit.project_id, benefit.created_at) = (NotSet, NotSet, NotSet);
    (benefit.serves, benefit.realises_from) = (NotSet, NotSet);
    Ok(benefit.update(command.tx()).await?.try_into_model()?)
}

/// What a benefit is and how it is measured, for the audit entry.
fn profiled(before: Option<&benefit::Model>, after: &benefit::Model) -> Changes {
    let fields = |b: &benefit::Model| -> [(&'static str, serde_json::Value); 12] {
        [
            ("title", b.title.as_str().into()),
            ("disbenefit", b.disbenefit.into()),
            ("cashability", b.cashability.as_deref().into()),
            ("groups", b.beneficiaries.texts().into()),
            ("measure", b.measure_name.as_str().into()),
            ("unit", b.measure_unit.as_str().into()),
            ("method", b.measure_method.as_str().into()),
            ("source", b.measure_source.as_str().into()),
            ("frequency", b.measure_frequency.as_deref().into()),
            ("aggregation", b.measure_aggregation.as_deref().into()),
            ("direction", b.measure_direction.as_deref().into()),
            ("scale", b.measure_scale.texts().into()),
        ]
    };
    let Some(before) = before else {
        let changes = fields(after).into_iter().fold(Changes::default(), |changes, (name, to)| changes.set(name, to));
        return changes.set("starts_on", after.starts_on.map(|day| day.to_string()));
    };
    let pairs = fields(before).into_iter().zip(fields(after));
    pairs.fold(Changes::default(), |changes, ((name, from), (_, to))| changes.change(name, from, to))
}

/// One benefit.
pub async fn get(ctx: Ctx, request: pb::GetBenefitRequest) -> Result<pb::GetBenefitResponse> {
    let id = BenefitId::parse(&request.benefit)?;
    let db = ctx.read(Action::BenefitRead)?;
    let found = entity::measured(&db, db.organisation(), id).await?;
    Ok(pb::GetBenefitResponse { benefit: Some(db.found(found, id).await?.benefit.into_proto()?) })
}

/// The organisation's benefits, a page at a time.
pub async fn list(ctx: Ctx, request: pb::ListBenefitsRequest) -> Result<pb::ListBenefitsResponse> {
    let page = benefit::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::BenefitRead)?;
    let (benefits, next_page_token) = page.fetch(&db, benefit::find_in(db.organisation())).await?;
    db.listed(benefits.is_empty()).await?;
    Ok(pb::ListBenefitsResponse {
        benefits: benefits.into_iter().map(benefit::Model::into_proto).collect::<Result<_>>()?,
        next_page_token,
    })
}
