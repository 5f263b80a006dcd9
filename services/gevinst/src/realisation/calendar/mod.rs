//! The measuring calendar: which measurements are to be made and where each stands, and what the clock tells of them and of
//! reviews, once each, also after the project has closed.
//!
//! Each benefit's row keeps the next day on which anything of it becomes due, late or missing, and the clock asks for those
//! whose day has come. A trigger sets it anew when its start, its plan or its frequency changes.

pub mod entity;

use gevinst_proto::v1 as pb;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait};
use time::Date;
use uuid::Uuid;

use self::entity::{
    event::{self, Untold},
    slot,
};
use crate::{
    audit::Object,
    auth::Action,
    benefits::register::{self, Place},
    ctx::{Changes, Command, Ctx},
    db::postgres,
    error::{Error, Result},
    ids::{BenefitEventId, BenefitId},
    wire::today,
};

/// How much is told of a benefit at once: where a start lies many years back, the clock comes again.
const MOST_TOLD: i64 = 100;

/// The measurements that are to be made, a page at a time.
pub async fn list(
    ctx: Ctx,
    request: pb::ListMeasurementCalendarRequest,
) -> Result<pb::ListMeasurementCalendarResponse> {
    let page = slot::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let today = today(ctx.now());
    let db = ctx.read(Action::BenefitRead)?;
    let (slots, next_page_token) = page.fetch(&db, slot::find_in(db.organisation(), today)).await?;
    db.listed(slots.is_empty()).await?;
    let measurements = slots.into_iter().map(slot::Model::into_proto).collect::<Result<_>>()?;
    Ok(pb::ListMeasurementCalendarResponse { measurements, next_page_token })
}

/// What was due, late or missing, a page at a time.
pub async fn list_events(ctx: Ctx, request: pb::ListBenefitEventsRequest) -> Result<pb::ListBenefitEventsResponse> {
    let page = event::LIST.page(&request.filter, &request.order_by, &request.page_token, request.page_size)?;
    let db = ctx.read(Action::BenefitRead)?;
    let (events, next_page_token) = page.fetch(&db, event::find_in(db.organisation())).await?;
    db.listed(events.is_empty()).await?;
    let events = events.into_iter().map(event::Model::into_proto).collect::<Result<_>>()?;
    Ok(pb::ListBenefitEventsResponse { events, next_page_token })
}

/// Tells what has become due, late or missing of a benefit, and when to look next; how much was told. The clock's alone
/// (`clock.rs`).
pub async fn remind(ctx: Ctx, id: BenefitId) -> Result<u64> {
    ctx.command(Action::BenefitRemind, Object::of(id), async move |command| {
        let place = register::place(&command, id).await?;
        let allowed = command.authorize(&place)?;
        let (organisation, today) = (command.ctx().organisation()?, today(command.ctx().now()));
        // Nobody is refused anything: somebody was faster.
        if next_look(&command, id).await?.is_none_or(|day| day > today) {
            return Err(Error::Conflict(DbErr::Custom(format!("nothing of benefit {id} is to be told any more"))));
        }
        let untold = event::untold(command.tx(), organisation, id, today, MOST_TOLD + 1).await?;
        let comes_again = untold.len() as i64 > MOST_TOLD;
        let told: Vec<Untold> = untold.into_iter().take(MOST_TOLD as usize).collect();
        tell(&command, &place, &told).await?;
        let next = if comes_again { "$3::date" } else { "next_look($1, $2, $3)" };
        let sql = format!("UPDATE benefits SET next_look_on = {next} WHERE organisation_id = $1 AND id = $2");
        let values = [organisation.uuid().into(), id.uuid().into(), today.into()];
        command.tx().execute_raw(postgres(sql, values)).await?;
        let texts: Vec<String> = told.iter().map(|told| format!("{} {}", told.kind, told.due_on)).collect();
        let next = next_look(&command, id).await?.map(|day| day.to_string());
        let changes = Changes::default().set("events", texts).set("next_look_on", next);
        Ok(command.done(allowed, changes, told.len() as u64))
    })
    .await
}

async fn tell(command: &Command, Place { benefit, .. }: &Place, untold: &[Untold]) -> Result<()> {
    let row = |told: &Untold| {
        let id: BenefitEventId = command.ctx().new_id();
        event::ActiveModel {
            organisation_id: Set(benefit.organisation_id),
            id: Set(id.uuid()),
            benefit_id: Set(benefit.id),
            project_id: Set(benefit.project_id),
            kind: Set(told.kind.clone()),
            number: Set(told.number),
            due_on: Set(told.due_on),
            occurred_at: Set(command.ctx().now()),
        }
    };
    if !untold.is_empty() {
        event::Entity::insert_many(untold.iter().map(row)).exec_without_returning(command.tx()).await?;
    }
    Ok(())
}

/// When a benefit is to be looked at, at the latest in the contract's last year.
async fn next_look(command: &Command, id: BenefitId) -> Result<Option<Date>> {
    let sql = "SELECT least(next_look_on, '9999-12-31') FROM benefits WHERE organisation_id = $1 AND id = $2";
    let values = [command.ctx().organisation()?.uuid().into(), id.uuid().into()];
    let row = command.tx().query_one_raw(postgres(sql, values)).await?;
    Ok(row.map(|row| row.try_get_by_index(0)).transpose()?.flatten())
}

/// Looks at benefits whose measurements were corrected: an interval may be without one again. Their projects are locked.
pub async fn look_at(command: &Command, ids: impl IntoIterator<Item = BenefitId>) -> Result<()> {
    let ids: Vec<Uuid> = ids.into_iter().map(BenefitId::uuid).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let sql =
        "UPDATE benefits SET next_look_on = $3 WHERE organisation_id = $1 AND id = ANY ($2) AND starts_on IS NOT NULL";
    let values = [command.ctx().organisation()?.uuid().into(), ids.into(), today(command.ctx().now()).into()];
    command.tx().execute_raw(postgres(sql, values)).await?;
    Ok(())
}

/// Looks at all of an organisation's benefits: what is due follows from another policy now. Their projects are locked first, in
/// the order in which everybody locks many: whoever is at one of them finishes by the old policy and is looked at here, or
/// begins with the new one.
pub async fn look_at_all(command: &Command) -> Result<()> {
    let organisation = command.ctx().organisation()?.uuid();
    let lock = "SELECT FROM projects WHERE organisation_id = $1 ORDER BY id FOR UPDATE";
    command.tx().execute_raw(postgres(lock, [organisation.into()])).await?;
    let sql = "UPDATE benefits SET next_look_on = $2 WHERE organisation_id = $1 \
        AND (starts_on IS NOT NULL OR realises_from IS NOT NULL)";
    let values = [organisation.into(), today(command.ctx().now()).into()];
    command.tx().execute_raw(postgres(sql, values)).await?;
    Ok(())
}
