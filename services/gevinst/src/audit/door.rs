//! Calls refused at the door: whatever was refused and stands in no organisation's log. Bad tokens, floods, messages that
//! cannot be read or break their rules, calls to organisations that the caller does not belong to, and reads of what is
//! not there.
//!
//! They are counted for a second by reason, method and network, and then written to `refused_calls`: whoever floods the
//! door fills no disk, and is seen all the same. While the database is away the counts are kept, in as many rows as the
//! bound allows; beyond it they go on under one name, and none is lost but with the process.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use ipnet::IpNet;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::{
    ctx::{Clock, Ids},
    db::{Db, postgres},
};

/// How often counts are written.
const EVERY: Duration = Duration::from_secs(1);

/// How many different counts are kept at once.
const MOST: usize = 1024;

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    reason: &'static str,
    method: String,
    network: String,
}

/// How many there were, and the first of them.
#[derive(Clone, Debug)]
struct Count {
    since: OffsetDateTime,
    calls: i64,
    request_id: String,
    trace_id: String,
}

/// The counts that are not written yet.
#[derive(Default)]
pub struct Door {
    counts: Mutex<BTreeMap<Kind, Count>>,
}

impl Door {
    /// Counts a refused call.
    pub fn refused(
        &self,
        reason: &'static str,
        method: &str,
        address: Option<IpAddr>,
        now: OffsetDateTime,
        (request_id, trace_id): (&str, &str),
    ) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let network = address.map_or_else(|| "unknown".to_owned(), network);
        let kind = bounded(&counts, Kind { reason, method: method.to_owned(), network });
        let (request_id, trace_id) = (request_id.to_owned(), trace_id.to_owned());
        counts.entry(kind).or_insert(Count { since: now, calls: 0, request_id, trace_id }).calls += 1;
    }

    /// Writes the counts every second, until it is to stop; then once more.
    pub async fn keep(&self, db: Db, clock: Clock, stop: CancellationToken) {
        let ids = Ids::default();
        loop {
            let last = tokio::select! {
                () = tokio::time::sleep(EVERY) => false,
                () = stop.cancelled() => true,
            };
            let counts = std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner));
            if !counts.is_empty()
                && let Err(error) = write(&db, &ids, clock.now(), &counts).await
            {
                tracing::warn!(%error, kinds = counts.len(), "refused calls could not be written yet");
                self.take_back(counts);
            }
            if last {
                return;
            }
        }
    }

    fn take_back(&self, counts: BTreeMap<Kind, Count>) {
        let mut newer = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, count) in counts {
            let kind = bounded(&newer, kind);
            newer.entry(kind).and_modify(|newer| newer.calls += count.calls).or_insert(count);
        }
    }
}

/// The name that a call is counted under: one of many, where there are too many names already.
fn bounded(counts: &BTreeMap<Kind, Count>, kind: Kind) -> Kind {
    if counts.len() < MOST || counts.contains_key(&kind) {
        return kind;
    }
    Kind { reason: kind.reason, method: "many".to_owned(), network: "many".to_owned() }
}

/// Where calls come from, as far as it is kept: a network, which is no person.
fn network(address: IpAddr) -> String {
    let bits = if address.to_canonical().is_ipv4() { 24 } else { 48 };
    IpNet::new(address.to_canonical(), bits).map_or_else(|_| address.to_string(), |net| net.trunc().to_string())
}

async fn write(db: &Db, ids: &Ids, now: OffsetDateTime, counts: &BTreeMap<Kind, Count>) -> Result<(), DbErr> {
    let texts =
        |text: fn(&Kind, &Count) -> String| counts.iter().map(|(kind, count)| text(kind, count)).collect::<Vec<_>>();
    let sql = "INSERT INTO refused_calls (id, occurred_at, reason, method, network, count, first_request_id, \
        first_trace_id) SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], \
        $6::bigint[], $7::text[], $8::text[])";
    let values = [
        counts.iter().map(|_| ids.next(now)).collect::<Vec<_>>().into(),
        counts.values().map(|count| count.since).collect::<Vec<_>>().into(),
        texts(|kind, _| kind.reason.to_owned()).into(),
        texts(|kind, _| kind.method.clone()).into(),
        texts(|kind, _| kind.network.clone()).into(),
        counts.values().map(|count| count.calls).collect::<Vec<_>>().into(),
        texts(|_, count| count.request_id.clone()).into(),
        texts(|_, count| count.trace_id.clone()).into(),
    ];
    db.keep_refused(postgres(sql, values)).await
}

/// The newest counts since then, as lines for an operator: asked as the schema's owner.
pub async fn read(db: &DatabaseConnection, since: OffsetDateTime) -> Result<Vec<String>, DbErr> {
    let sql = "SELECT concat_ws(' ', to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), count, reason, \
        method, network, first_request_id) FROM refused_calls WHERE occurred_at >= $1 ORDER BY occurred_at DESC, id DESC \
        LIMIT 10000";
    let rows = db.query_all_raw(postgres(sql, [since.into()])).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_counted_together_by_reason_method_and_network_and_bounded() {
        let door = Door::default();
        let now = OffsetDateTime::UNIX_EPOCH;
        for host in ["192.0.2.1", "192.0.2.200", "198.51.100.1", "2001:db8:1:1::1", "2001:db8:1:2::1"] {
            door.refused("TOKEN_INVALID", "m", host.parse().ok(), now, (host, ""));
        }
        let counts = door.counts.lock().unwrap().clone();
        let seen: Vec<_> = counts.iter().map(|(kind, count)| (kind.network.as_str(), count.calls)).collect();
        assert_eq!(seen, [("192.0.2.0/24", 2), ("198.51.100.0/24", 1), ("2001:db8:1::/48", 2)]);
        for number in 0..2 * MOST {
            door.refused("TOKEN_INVALID", &number.to_string(), None, now, ("", ""));
        }
        let counts = door.counts.lock().unwrap().clone();
        assert!(counts.len() <= MOST + 1);
        assert_eq!(counts.values().map(|count| count.calls).sum::<i64>(), 5 + 2 * MOST as i64);
    }
}
