//! Units from a file: created, changed and moved until they are as the file says, in one command.
//!
//! `file` reads the file, `rules` compares it with the units that are here, `rows` writes what differs. A file that has
//! anything wrong changes nothing, and its sender is told all of it at once.

mod file;
mod rows;
mod rules;

use aws_lc_rs::digest::{SHA256, digest};
use gevinst_proto::v1 as pb;
use uuid::Uuid;

use self::rules::{Plan, Problems};
use super::entity::org_unit;
use crate::{
    audit::Object,
    auth::{Action, Resource},
    ctx::{Changes, Ctx},
    error::Result,
    ids::OrgUnit,
    wire::today,
};

/// How many ids of each kind the audit entry names; it counts them all, and hashes the file.
const NAMED: usize = 100;

/// Brings the organisation's units in line with a file.
pub async fn import(ctx: Ctx, request: pb::ImportOrgUnitsRequest) -> Result<pb::ImportOrgUnitsResponse> {
    let mut problems = Problems::default();
    let rows = file::read(request.format(), &request.content, &mut problems)?;
    problems.none()?;
    let organisation = ctx.organisation()?;
    let today = today(ctx.now());
    let (format, end_missing) = (request.format().as_str_name(), request.end_missing);
    let sha256 = hex(digest(&SHA256, &request.content).as_ref());
    ctx.command(Action::OrgUnitImport, Object::of(organisation), async move |command| {
        let allowed = command.authorize(Resource::Organisation)?;
        org_unit::lock_tree(command.tx(), organisation).await?;
        let here = rows::all(command.tx(), organisation).await?;
        let mut problems = Problems::default();
        let new_id = || command.ctx().new_id::<OrgUnit>().uuid();
        let plan = rules::plan(here, rows, today, new_id, &mut problems);
        problems.none()?;
        rows::write(&command, &plan).await?;
        if end_missing {
            rows::end(command.tx(), organisation, &plan.missing, today, command.ctx().now()).await?;
        }
        let changes = described(&plan).set("format", format).set("sha256", sha256).set("missing_ended", end_missing);
        Ok(command.done(allowed, changes, answer(plan)))
    })
    .await
}

fn answer(plan: Plan) -> pb::ImportOrgUnitsResponse {
    let texts = |ids: Vec<Uuid>| ids.iter().map(Uuid::to_string).collect();
    pb::ImportOrgUnitsResponse {
        moved: texts(plan.moved().map(|unit| unit.id).collect()),
        created: texts(plan.created().map(|unit| unit.id).collect()),
        updated: texts(plan.updated),
        unchanged_count: i32::try_from(plan.unchanged).unwrap_or(i32::MAX),
        missing: texts(plan.missing.into_iter().take(rules::MAX_UNITS).collect()),
    }
}

/// What was done, for the audit entry.
fn described(plan: &Plan) -> Changes {
    let first =
        |ids: &mut dyn Iterator<Item = Uuid>| -> Vec<String> { ids.take(NAMED).map(|id| id.to_string()).collect() };
    Changes::default()
        .set("created", first(&mut plan.created().map(|unit| unit.id)))
        .set("created_count", plan.created().count())
        .set("updated", first(&mut plan.updated.iter().copied()))
        .set("updated_count", plan.updated.len())
        .set("moved", first(&mut plan.moved().map(|unit| unit.id)))
        .set("moved_count", plan.moved().count())
        .set("missing", first(&mut plan.missing.iter().copied()))
        .set("missing_count", plan.missing.len())
        .set("unchanged_count", plan.unchanged)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
