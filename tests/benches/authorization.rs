//! What authority costs a read of one project: the statement that also reads what the caller holds beside the same one
//! without, the decision itself, and, for the measure, the whole call over gRPC. One caller, one after the other, in
//! interleaved rounds on one PostgreSQL. The share counts. Run: `cargo bench -p gevinst-tests --bench authorization`.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on says where")]

mod portfolio;
mod serving;

use std::{
    future::Future,
    io::Write,
    time::{Duration, Instant},
};

use gevinst::{
    auth::{
        Action, Authority, CallerKind, Resource, Role,
        authority::{Asker, Held},
        policy::{Policies, Question},
    },
    config::Secret,
    ctx::Clock,
    db::{Db, postgres},
    dev::issuer::Issuer,
    ids::{OrganisationId, ProjectId},
    projects::entity::{self, find_one_in},
    server::Server,
    telemetry,
};
use gevinst_proto::v1::{GetProjectRequest, project_service_client::ProjectServiceClient};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, QueryTrait, Statement};
use tonic::{Request, transport::Endpoint};
use uuid::Uuid;

use portfolio::{PROJECTS, ROUNDS, Urls, found, median, pool, with_cluster};

/// How many reads a round is.
const READS: u32 = 2000;

fn main() {
    with_cluster(measure);
}

/// Microseconds a read, over a round of them.
async fn each<F, Fut, T>(read: F) -> f64
where
    F: Fn(ProjectId) -> Fut,
    Fut: Future<Output = T>,
{
    let began = Instant::now();
    let mut next = 0;
    for _ in 0..READS {
        // A stride that is prime to the count visits them all.
        next = (next + 7919) % PROJECTS;
        read(ProjectId::new(Uuid::from_u128(next + 1))).await;
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(READS)
}

/// The statement of a read as it was before there was authority: the organisation set, and the question asked.
fn unasked(organisation: OrganisationId, id: ProjectId) -> Statement {
    let question = find_one_in(organisation, id).build(DbBackend::Postgres);
    let mut values = question.values.map(|values| values.0).unwrap_or_default();
    values.push(organisation.to_string().into());
    let sql = format!(
        "SELECT answer.* FROM (SELECT set_config('app.organisation', ${0}, true) AS organisation, \
            set_config('app.scopes', '{{' || ${0} || '}}', true) AS scopes OFFSET 0) AS caller CROSS JOIN LATERAL \
            (SELECT * FROM ({1}) AS asked WHERE caller.organisation <> '' AND caller.scopes <> '' OFFSET 0) AS answer",
        values.len(),
        question.sql,
    );
    postgres(sql, values)
}

async fn measure(urls: Urls) {
    drop(telemetry::init("off", None, 0.01).unwrap());
    let organisation = OrganisationId::new(found(&urls).await);
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::open(folder.path()).unwrap();
    let token = issuer.token("bench", organisation.uuid(), &[Role::PortfolioOffice]).unwrap();
    let config = serving::config(&urls, &issuer, 2);
    let server = Server::start(&config, Clock::default()).await.unwrap();
    let channel = Endpoint::from_shared(format!("http://{}", server.address)).unwrap().connect().await.unwrap();
    let call = async |id: ProjectId| {
        let request = GetProjectRequest { organisation: organisation.to_string(), project: id.uuid().to_string() };
        let mut request = Request::new(request);
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        ProjectServiceClient::new(channel.clone()).get_project(request).await.unwrap()
    };

    let db = Db::connect(&Secret::new(&urls.runtime), "bench", 1, Duration::from_secs(10)).await.unwrap();
    let plain = pool(&urls.runtime).await;
    let asker = Asker::everything_in(organisation, Clock::default().now());
    // Known from the first read on, as in production.
    let first = ProjectId::new(Uuid::from_u128(1));
    let project = find_one_in(organisation, first).one(&db.scoped(asker.clone())).await.unwrap().unwrap();
    // Both on one pool, and nothing else between.
    let read = async |statement: Statement| {
        let row = plain.query_one_raw(statement).await.unwrap().unwrap();
        entity::Model::from_query_result(&row, "").unwrap()
    };
    let without = async |id: ProjectId| read(unasked(organisation, id)).await;
    let with = async |id: ProjectId| {
        let question = find_one_in(organisation, id).build(DbBackend::Postgres);
        read(db.scoped(asker.clone()).statement(question)).await
    };
    let policies = Policies::load(None).unwrap();
    let held =
        Held { role: Role::PortfolioOffice, scope: organisation.uuid(), grantable: true, lent_by: None, until: None };
    let authority = Authority::holding(organisation, "bench", CallerKind::Person, vec![held]);
    let decide = async |_| {
        let resource = Resource::from(&project);
        let (action, authority) = (Action::ProjectRead, &authority);
        let question = Question { authority, acting_for: None, action, resource: &resource, deciding: None };
        policies.decide(&question).unwrap()
    };

    let mut figures: [Vec<f64>; 4] = Default::default();
    for round in 0..=ROUNDS {
        let times = [each(call).await, each(without).await, each(with).await, each(decide).await];
        // The first round warms caches and prepares statements.
        if round > 0 {
            for (figures, time) in figures.iter_mut().zip(times) {
                figures.push(time);
            }
        }
    }
    let names =
        ["the whole call over gRPC", "its statement without authority", "its statement with it", "the decision"];
    let medians = figures.each_mut().map(|figures| median(figures));
    let mut out = std::io::stdout();
    writeln!(out, "\n| one project by id, one caller | µs, median (min–max of {ROUNDS}) |\n|---|---|").unwrap();
    for (name, (median, least, most)) in names.iter().zip(medians) {
        writeln!(out, "| {name} | {median:.1} ({least:.1}–{most:.1}) |").unwrap();
    }
    let [call, without, with, decision] = medians.map(|(median, ..)| median);
    let added = with - without + decision;
    writeln!(out, "| authority: {added:.1} µs of {call:.1} | {:.1} % |", 100.0 * added / (call - added)).unwrap();
}
