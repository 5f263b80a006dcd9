//! The clock: what happens because a day has passed, without anybody's call. So far conditions, which lapse when their
//! last day is over in Denmark.
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
    conditions,
    ctx::{App, Ctx},
    error::{Error, Result},
    ids::{ConditionId, OrganisationId},
    telemetry::{self, Metrics},
    wire::today,
};

/// The lease's name.
const JOB: &str = "conditions";

/// What audit entries and spans call this work, as they call a call by its method.
const METHOD: &str = "clock/LapseConditions";

/// How many looks a lease outlives: a replica that is slow twice keeps it.
const LOOKS: u32 = 3;

/// How many conditions are asked for at once.
const AT_ONCE: i64 = 100;

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
            if let Err(error) = self.look().await {
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

    /// Lapses all that is overdue, if that is this replica's to do.
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
            let overdue = if lease? { self.app.db.overdue(today, &tried, AT_ONCE).await? } else { Vec::new() };
            if overdue.is_empty() {
                break;
            }
            for (organisation, condition) in overdue {
                if self.stop.is_cancelled() {
                    break;
                }
                tried.push(condition.uuid());
                self.lapse(organisation, condition).await?;
            }
        }
        Ok(())
    }

    /// Lapses one. It is an error only where there is no use in trying the next.
    async fn lapse(&mut self, organisation: OrganisationId, condition: ConditionId) -> Result<()> {
        // Named as a call's, which is the one that log lines show.
        let span = info_span!(
            "call",
            otel.name = METHOD,
            otel.kind = "internal",
            rpc.method = METHOD,
            request_id = Empty,
            trace_id = Empty,
            otel.status_code = Empty,
        );
        let trace_id = telemetry::continue_trace(&span, &http::HeaderMap::new(), false);
        let ctx = Ctx::system(self.app.clone(), organisation, METHOD, trace_id.clone());
        span.record("request_id", ctx.request_id());
        span.record("trace_id", trace_id);
        let lapsed = conditions::lapse(ctx, condition).instrument(span.clone()).await;
        let _entered = span.enter();
        match lapsed {
            Ok(()) => {
                self.metrics.conditions_lapsed.inc();
                tracing::info!(%organisation, %condition, "condition lapsed");
            }
            // Settled in between, or something to try again.
            Err(Error::Conflict(error)) => tracing::info!(%organisation, %condition, %error, "condition not lapsed"),
            Err(error @ (Error::DatabaseUnavailable(_) | Error::OutcomeUnknown(_))) => return Err(error),
            Err(error) => {
                if error.is_refusal() {
                    self.refused.1.insert(condition.uuid());
                }
                span.record("otel.status_code", "ERROR");
                let cause = error.cause();
                tracing::error!(reason = error.reason_name(), cause, %organisation, %condition, "condition not lapsed");
            }
        }
        Ok(())
    }
}
