//! The clock: what happens because a day has passed, without anybody's call. Conditions lapse when their last day is over
//! in Denmark, benefits are orphaned whose owner has departed (I11), and measurements and reviews are told of that have
//! become due, late or missing.
//!
//! One replica at a time does it: the one that holds the lease in `clock_leases`, which counts by the database's time
//! and which another takes once it has run out. The lease saves work and keeps order; it is not what makes a thing happen
//! once. That is the command that each thing is: it locks what it changes and looks again. So two replicas that both
//! believe to hold the lease do no harm, and one that dies in the middle leaves nothing half done: what is overdue is
//! asked of the database every time, and nothing is remembered here that a restart could lose.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use time::Date;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, field::Empty, info_span};
use uuid::Uuid;

use crate::{
    benefits, conditions,
    ctx::{App, Ctx},
    error::{Error, Result},
    ids::{BenefitId, ConditionId, OrganisationId},
    realisation::calendar,
    telemetry::{self, Metrics},
    wire::today,
};

/// The lease's name; what it was called when conditions were all, so that replicas of the version before share it.
const JOB: &str = "conditions";

/// How many looks a lease outlives: a replica that is slow twice keeps it.
const LOOKS: u32 = 3;

/// How many of each are asked for at once.
const AT_ONCE: i64 = 100;

/// One thing to do.
#[derive(Clone, Copy)]
enum Due {
    Condition(ConditionId),
    Benefit(BenefitId),
    Reminder(BenefitId),
}

impl Due {
    fn id(self) -> Uuid {
        match self {
            Self::Condition(id) => id.uuid(),
            Self::Benefit(id) | Self::Reminder(id) => id.uuid(),
        }
    }

    /// What audit entries and spans call it, as they call a call by its method.
    fn method(self) -> &'static str {
        match self {
            Self::Condition(_) => "clock/LapseConditions",
            Self::Benefit(_) => "clock/OrphanBenefits",
            Self::Reminder(_) => "clock/RemindOfBenefits",
        }
    }

    /// Does it; how many times something happened.
    async fn run(self, ctx: Ctx) -> Result<u64> {
        match self {
            Self::Condition(id) => conditions::lapse(ctx, id).await.map(|()| 1),
            Self::Benefit(id) => benefits::owners::orphan(ctx, id).await.map(|()| 1),
            Self::Reminder(id) => calendar::remind(ctx, id).await,
        }
    }
}

/// A replica's share in the clock's work.
pub struct Work {
    app: Arc<App>,
    metrics: Arc<Metrics>,
    /// This replica, for as long as it runs.
    holder: Uuid,
    every: Duration,
    stop: CancellationToken,
    /// What an operator's policy has refused, and on which day: it is in the log then, and is not tried again before the
    /// next.
    refused: (Date, BTreeSet<Uuid>),
}

impl Work {
    /// Nothing done yet.
    pub fn new(app: Arc<App>, metrics: Arc<Metrics>, every: Duration, stop: CancellationToken) -> Self {
        let holder = app.ids.next(app.clock.now());
        Self { app, metrics, holder, every, stop, refused: (Date::MIN, BTreeSet::new()) }
    }

    /// Looks at once, and then again and again until it is to stop: then it ends the command it is at, and leaves the
    /// lease to another.
    pub async fn keep(mut self) {
        loop {
            let looked = self.look().await;
            self.metrics.count_look(looked.is_ok(), self.app.clock.now());
            if let Err(error) = looked {
                tracing::warn!(cause = error.cause(), "the clock's work was broken off; it goes on at the next look");
            }
            if self.stop.run_until_cancelled(tokio::time::sleep(self.every)).await.is_none() {
                break;
            }
        }
        if self.metrics.clock.get() > 0
            && let Err(error) = self.app.db.give_back_lease(JOB, self.holder).await
        {
            tracing::warn!(%error, "the clock's lease was not given back; it runs out by itself");
        }
    }

    /// Does all that is due, if that is this replica's to do.
    async fn look(&mut self) -> Result<()> {
        let today = today(self.app.clock.now());
        if self.refused.0 != today {
            self.refused = (today, BTreeSet::new());
        }
        let mut tried: Vec<Uuid> = self.refused.1.iter().copied().collect();
        while !self.stop.is_cancelled() {
            let lease = self.app.db.take_lease(JOB, self.holder, self.every * LOOKS).await;
            // Who cannot ask does not know.
            self.metrics.clock.set(i64::from(matches!(lease, Ok(true))));
            let due = if lease? { self.due(today, &tried).await? } else { Vec::new() };
            if due.is_empty() {
                break;
            }
            for (organisation, due) in due {
                if self.stop.is_cancelled() {
                    break;
                }
                tried.push(due.id());
                self.run(organisation, due).await?;
            }
        }
        Ok(())
    }

    async fn due(&self, today: Date, tried: &[Uuid]) -> Result<Vec<(OrganisationId, Due)>> {
        let db = &self.app.db;
        let overdue = db.overdue(today, tried, AT_ONCE).await?.into_iter();
        let departed = db.departed(today, tried, AT_ONCE).await?.into_iter();
        let to_remind = db.to_remind(today, tried, AT_ONCE).await?.into_iter();
        let overdue = overdue.map(|(organisation, id)| (organisation, Due::Condition(id)));
        let departed = departed.map(|(organisation, id)| (organisation, Due::Benefit(id)));
        let to_remind = to_remind.map(|(organisation, id)| (organisation, Due::Reminder(id)));
        Ok(overdue.chain(departed).chain(to_remind).collect())
    }

    /// Does one. It is an error only where there is no use in trying the next.
    async fn run(&mut self, organisation: OrganisationId, due: Due) -> Result<()> {
        let (method, id) = (due.method(), due.id());
        // Named as a call's, which is the one that log lines show.
        let span = info_span!(
            "call",
            otel.name = method,
            otel.kind = "internal",
            rpc.method = method,
            request_id = Empty,
            trace_id = Empty,
            otel.status_code = Empty,
        );
        let trace_id = telemetry::continue_trace(&span, &http::HeaderMap::new(), false);
        let ctx = Ctx::system(self.app.clone(), organisation, method, trace_id.clone());
        span.record("request_id", ctx.request_id());
        span.record("trace_id", trace_id);
        let done = due.run(ctx).instrument(span.clone()).await;
        let _entered = span.enter();
        match (done, due) {
            (Ok(_), Due::Condition(condition)) => {
                self.metrics.conditions_lapsed.inc();
                tracing::info!(%organisation, %condition, "condition lapsed");
            }
            (Ok(_), Due::Benefit(benefit)) => {
                self.metrics.benefits_orphaned.inc();
                tracing::info!(%organisation, %benefit, "benefit orphaned");
            }
            (Ok(events), Due::Reminder(benefit)) => {
                self.metrics.benefit_events.inc_by(events);
                tracing::info!(%organisation, %benefit, events, "benefit looked at");
            }
            // Settled in between, or something to try again.
            (Err(Error::Conflict(error)), _) => tracing::info!(%organisation, %id, %error, "not done by the clock"),
            (Err(error @ (Error::DatabaseUnavailable(_) | Error::OutcomeUnknown(_))), _) => return Err(error),
            (Err(error), _) => {
                if error.is_refusal() {
                    self.refused.1.insert(id);
                }
                span.record("otel.status_code", "ERROR");
                let cause = error.cause();
                tracing::error!(reason = error.reason_name(), cause, %organisation, %id, "not done by the clock");
            }
        }
        Ok(())
    }
}
