//! What scoping a read costs: the one statement that sets the organisation and asks (`Db::scoped`), beside the same read
//! without row-level security and beside the usual four statements (BEGIN, set_config, SELECT, COMMIT), in interleaved
//! rounds on one PostgreSQL. Ratios count; the machine's absolute rates do not. Run: `cargo bench -p gevinst-tests`.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on says where")]

mod load;
mod portfolio;

use std::{io::Write, sync::Arc, time::Duration};

use gevinst::{
    auth::authority::Asker,
    config::Secret,
    ctx::Clock,
    db::{Db, postgres},
    ids::OrganisationId,
    projects::entity::find_one_in,
};
use sea_orm::{ConnectionTrait, TransactionTrait};

use load::{CALLERS, rate};
use portfolio::{CONNECTIONS, ROUNDS, Urls, found, median, pool, with_cluster};

fn main() {
    with_cluster(measure);
}

async fn measure(urls: Urls) {
    let organisation = found(&urls).await;
    let (admin, runtime) = (pool(&urls.admin).await, urls.runtime.as_str());
    let scoped =
        Arc::new(Db::connect(&Secret::new(runtime), "test", CONNECTIONS, Duration::from_secs(10)).await.unwrap());
    let (plain, unscoped) = (Arc::new(admin), Arc::new(pool(runtime).await));
    let organisation = OrganisationId::new(organisation);
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        let plain = plain.clone();
        let one = rate(move |id| {
            let db = plain.clone();
            async move { find_one_in(organisation, id).one(&*db).await.unwrap().unwrap() }
        });
        let one = one.await;
        let scoped = scoped.clone();
        let two = rate(move |id| {
            let db = scoped.clone();
            let asker = Asker::everything_in(organisation, Clock::default().now());
            async move { find_one_in(organisation, id).one(&db.scoped(asker)).await.unwrap().unwrap() }
        });
        let two = two.await;
        let unscoped = unscoped.clone();
        let three = rate(move |id| {
            let db = unscoped.clone();
            async move {
                let tx = db.begin().await.unwrap();
                let set =
                    "SELECT set_config('app.organisation', $1, true), set_config('app.scopes', '{' || $1 || '}', true)";
                tx.query_one_raw(postgres(set, [organisation.to_string().into()])).await.unwrap();
                let found = find_one_in(organisation, id).one(&tx).await.unwrap().unwrap();
                tx.commit().await.unwrap();
                found
            }
        });
        let three = three.await;
        // The first round warms caches and prepares statements.
        if round > 0 {
            for (rates, rate) in rates.iter_mut().zip([one, two, three]) {
                rates.push(rate);
            }
        }
    }
    let names = ["plain, no row-level security", "scoped, one round trip", "scoped, four round trips"];
    let medians = rates.each_mut().map(|rates| median(rates));
    let mut out = std::io::stdout();
    writeln!(out, "\n| one project by id, {CALLERS} callers, {CONNECTIONS} connections | reads/s (median, min–max of {ROUNDS}) | ratio |").unwrap();
    writeln!(out, "|---|---|---|").unwrap();
    for (name, (median, least, most)) in names.iter().zip(medians) {
        writeln!(out, "| {name} | {median:.0} ({least:.0}–{most:.0}) | {:.2} |", median / medians[0].0).unwrap();
    }
}
