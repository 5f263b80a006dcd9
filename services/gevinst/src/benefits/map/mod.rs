//! The benefit map of a project: outputs, changes, benefits, goals, and how much of each leads where (S07, S29, I21).
//!
//! A map is set whole and kept in one row. What it lacks is derived whenever it is read (`findings.rs`); what each benefit
//! serves is written into the benefits' rows with it, for lists and roll-ups. It is drawn as Mermaid and as SVG.

pub mod entity;
pub mod findings;
pub mod grpc;
pub mod layout;
pub mod mermaid;
pub mod parts;
pub mod rules;
pub mod svg;

use std::collections::{BTreeMap, BTreeSet};

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use self::{
    entity::{Known, Placed},
    parts::{Drawn, Link, Node},
};
use crate::{
    audit::Object,
    auth::{Action, Role},
    ctx::{Changes, Command, Ctx},
    dossier::words::Words,
    error::{Error, Result},
    ids::{BenefitId, ProjectId, StrategyGoalId},
    projects,
    strategy::entity as goals,
    wire::today,
};

/// The kinds in the order of the way, with what each is called.
const KINDS: [(pb::BenefitMapNodeKind, Words); 4] = [
    (pb::BenefitMapNodeKind::Output, ("Leverancer", "Outputs")),
    (pb::BenefitMapNodeKind::Change, ("Forandringer", "Changes")),
    (pb::BenefitMapNodeKind::Benefit, ("Gevinster", "Benefits")),
    (pb::BenefitMapNodeKind::Goal, ("Mål", "Goals")),
];

/// Sets a project's map, whole.
pub async fn set(ctx: Ctx, request: pb::SetBenefitMapRequest) -> Result<pb::SetBenefitMapResponse> {
    let id = ProjectId::parse(&request.project)?;
    let drawn = Drawn::read(request.nodes, request.edges)?;
    ctx.command(Action::BenefitMapSet, Object::of(id), async move |command| {
        let project = projects::load(&command, id).await?;
        let allowed = command.authorize(&project)?;
        // Benefits outlive their project, and the office sees to them then.
        match command.holds(Role::PortfolioOffice, &project.scopes) {
            true => project.standing()?.must_accept_benefits()?,
            false => project.standing()?.must_not_have_ended()?,
        }
        let before = known(&command, id).await?;
        let is_first = before.map.is_none() && request.etag.is_empty();
        if !is_first && before.etag() != request.etag {
            return Err(Error::EtagStale);
        }
        must_have_benefits(&before, &drawn)?;
        must_have_goals(&command, &before, &drawn).await?;
        keep(&command, id, &before, &drawn).await?;
        let organisation = command.ctx().organisation()?;
        entity::serve(command.tx(), organisation, id, drawn.serves()?).await?;
        let changes = redrawn(&before.drawn(), &drawn);
        let benefit_map = known(&command, id).await?.into_proto(id)?;
        Ok(command.done(allowed, changes, pb::SetBenefitMapResponse { benefit_map: Some(benefit_map) }))
    })
    .await
}

async fn known(command: &Command, project: ProjectId) -> Result<Known> {
    let placed = entity::placed(command.tx(), command.ctx().organisation()?, project).await?;
    Ok(placed.ok_or_else(|| project.not_found())?.known)
}

/// Each benefit on the map is the project's.
fn must_have_benefits(known: &Known, drawn: &Drawn) -> Result<()> {
    let theirs: BTreeSet<Uuid> = known.benefits.iter().map(|benefit| benefit.id).collect();
    let strange = drawn.nodes.0.iter().filter_map(|node| node.benefit).find(|id| !theirs.contains(id));
    strange.map_or(Ok(()), |id| Err(BenefitId::new(id).not_found()))
}

/// Each goal on the map is the organisation's; one that has ended stays where it was, and is taken up nowhere.
async fn must_have_goals(command: &Command, before: &Known, drawn: &Drawn) -> Result<()> {
    let wanted: Vec<Uuid> = drawn.nodes.0.iter().filter_map(|node| node.strategy_goal).collect();
    let found = goals::find_in(command.ctx().organisation()?).filter(goals::Column::Id.is_in(wanted));
    let found: BTreeMap<Uuid, goals::Model> =
        found.all(command.tx()).await?.into_iter().map(|goal| (goal.id, goal)).collect();
    let today = today(command.ctx().now());
    let mut wrong = Vec::new();
    for (index, node) in drawn.nodes.0.iter().enumerate() {
        let Some(id) = node.strategy_goal else { continue };
        let goal = found.get(&id).ok_or_else(|| StrategyGoalId::new(id).not_found())?;
        if goal.is_over(today) && !before.goals.iter().any(|known| known.id == id) {
            wrong.push((format!("nodes[{index}].strategy_goal"), format!("has ended: {}", goal.code)));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::FieldInvalid(wrong)) }
}

/// Writes the map; the project's row is locked.
async fn keep(command: &Command, project: ProjectId, before: &Known, drawn: &Drawn) -> Result<()> {
    let ctx = command.ctx();
    let map = entity::Model {
        organisation_id: ctx.organisation()?.uuid(),
        project_id: project.uuid(),
        nodes: drawn.nodes.clone(),
        edges: drawn.links.clone(),
        set_by: ctx.caller().subject().to_owned(),
        set_at: ctx.now(),
        version: 1,
    };
    let Some(old) = &before.map else {
        map.into_active_model().insert(command.tx()).await?;
        return Ok(());
    };
    let mut kept = old.clone().into_active_model();
    kept.nodes = Set(map.nodes);
    kept.edges = Set(map.edges);
    kept.set_by = Set(map.set_by);
    kept.set_at = Set(map.set_at);
    kept.version = Set(old.version + 1);
    kept.update(command.tx()).await?;
    Ok(())
}

/// What was taken off a map and what was put on it, for the audit entry.
fn redrawn(before: &Drawn, after: &Drawn) -> Changes {
    fn less<T: Ord>(these: &[T], those: &[T], text: fn(&T) -> String) -> Vec<String> {
        let those: BTreeSet<&T> = those.iter().collect();
        these.iter().filter(|one| !those.contains(one)).map(text).collect()
    }
    let (old, new) = ((&before.nodes.0, &before.links.0), (&after.nodes.0, &after.links.0));
    Changes::default().change("nodes", less(old.0, new.0, Node::text), less(new.0, old.0, Node::text)).change(
        "edges",
        less(old.1, new.1, Link::text),
        less(new.1, old.1, Link::text),
    )
}

/// A project's map.
pub async fn get(ctx: Ctx, request: pb::GetBenefitMapRequest) -> Result<pb::GetBenefitMapResponse> {
    let id = ProjectId::parse(&request.project)?;
    Ok(pb::GetBenefitMapResponse { benefit_map: Some(read(&ctx, id).await?.known.into_proto(id)?) })
}

/// A project's map, drawn.
pub async fn export(ctx: Ctx, request: pb::ExportBenefitMapRequest) -> Result<pb::ExportBenefitMapResponse> {
    let id = ProjectId::parse(&request.project)?;
    let Placed { project, known } = read(&ctx, id).await?;
    let (map, language) = (known.into_proto(id)?, ctx.language());
    let (content, media_type) = match request.format() {
        pb::BenefitMapFormat::Mermaid => (mermaid::flowchart(&map, language), mermaid::MEDIA_TYPE),
        pb::BenefitMapFormat::Svg | pb::BenefitMapFormat::Unspecified => {
            let of = format!("{} {}", project.number, project.title);
            (svg::document(&map, &of, language).into_string(), svg::MEDIA_TYPE)
        }
    };
    Ok(pb::ExportBenefitMapResponse { content, media_type: media_type.to_owned() })
}

async fn read(ctx: &Ctx, project: ProjectId) -> Result<Placed> {
    let db = ctx.read(Action::ProjectRead)?;
    let found = entity::placed(&db, db.organisation(), project).await?;
    db.found(found, project).await
}
