//! What it costs to say how ready a project with a full dossier is for its gate, beside one read by primary key: the
//! question to PostgreSQL, and the whole call over gRPC with every criterion evaluated. One caller, one after the other, in
//! interleaved rounds on one PostgreSQL. The ratio counts. Run: `cargo bench -p gevinst-tests --bench readiness`.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on says where")]

mod portfolio;
mod serving;

use std::{
    future::Future,
    io::Write,
    time::{Duration, Instant},
};

use gevinst::{
    auth::{Role, authority::Asker},
    config::Secret,
    ctx::Clock,
    db::Db,
    dev::issuer::Issuer,
    dossier::{self, Sections},
    gates::{criteria, model},
    ids::{OrganisationId, ProjectId},
    projects::{
        entity::find_one_in,
        rules::{SizeClass, Stage},
    },
    server::Server,
    telemetry,
};
use gevinst_proto::v1::{
    GetGateReadinessRequest, GetProjectRequest, dossier_service_client::DossierServiceClient,
    project_service_client::ProjectServiceClient,
};
use sea_orm::ConnectionTrait;
use tonic::{Request, transport::Endpoint};
use uuid::Uuid;

use portfolio::{ROUNDS, Urls, found, median, pool, with_cluster};

/// How many a round is.
const TIMES: u32 = 500;

fn main() {
    with_cluster(measure);
}

/// Microseconds each, over a round of them.
async fn each<F, Fut, T>(ask: F) -> f64
where
    F: Fn() -> Fut,
    Fut: Future<Output = T>,
{
    let began = Instant::now();
    for _ in 0..TIMES {
        ask().await;
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES)
}

/// What a project at G2 may have gathered: 12 benefits each measured 10 times, 3 decisions, 8 conditions, 3 appropriations,
/// 2 tranches, 60 expenditures, 3 baselines, 8 increments, 3 lessons, and every criterion assessed three times.
async fn fill(urls: &Urls, organisation: Uuid, project: Uuid) {
    let scope = format!("'{organisation}', gen_random_uuid(), '{project}'");
    let text = "'Så meget, som der plejer at stå i sådan et felt, når nogen har gjort sig umage.'";
    let sql = format!(
        "SELECT set_config('app.organisation', '{organisation}', true); \
         UPDATE projects SET stage = 'ANALYSIS' WHERE id = '{project}'; \
         INSERT INTO benefits (organisation_id, id, project_id, title, kind, measure_name, measure_unit, baseline, target, \
             owner, planned_annual_ore, price_level_year, created_at) SELECT '{organisation}', \
             lpad(to_hex(n), 32, 'b')::uuid, '{project}', {text}, 'ECONOMIC', 'Sagstid', 'dage', 46, 35.5, 'owner', 100, 2026, \
             now() FROM generate_series(1, 12) n; \
         INSERT INTO measurements (organisation_id, id, benefit_id, value, measured_on, source, recorder, recorded_at) \
             SELECT '{organisation}', gen_random_uuid(), lpad(to_hex(b), 32, 'b')::uuid, 40, '2026-01-01'::date + m, {text}, \
             'r', now() FROM generate_series(1, 12) b, generate_series(1, 10) m; \
         INSERT INTO gate_reviews (organisation_id, id, project_id, gate, attempt, state, submitter, project_manager, \
             submitted_at, basis, basis_sha256, outcome, decider, reason, ended_at) SELECT '{organisation}', \
             lpad(to_hex(n), 32, 'e')::uuid, '{project}', 'G1', n, 'DECIDED', 's', 'm', now(), repeat('x', 30000), \
             repeat('0', 64), CASE n WHEN 3 THEN 'GO' ELSE 'RECYCLE' END, 'd', {text}, now() FROM generate_series(1, 3) n; \
         INSERT INTO gate_votes (organisation_id, gate_review_id, principal, voter, outcome, reason, voted_at) \
             SELECT '{organisation}', lpad(to_hex(n), 32, 'e')::uuid, v::text, v::text, 'GO', {text}, now() \
             FROM generate_series(1, 3) n, generate_series(1, 3) v; \
         INSERT INTO conditions (organisation_id, id, project_id, gate_review_id, title, owner, due_on, blocking, state, \
             created_at) SELECT {scope}, lpad('3', 32, 'e')::uuid, {text}, 'o', '2999-01-01', false, 'OPEN', now() \
             FROM generate_series(1, 8); \
         INSERT INTO appropriations (organisation_id, id, project_id, basis, expenditure_type, body, decided_on, case_number, \
             amount_ore, first_year, last_year, recorder, recorded_at) SELECT {scope}, 'COUNCIL_DECISION', 'CAPITAL', 'KB', \
             '2026-01-01', '2026-03', 1000000000, 2026, 2027, 'r', now() FROM generate_series(1, 3); \
         INSERT INTO spend_authorities (organisation_id, id, project_id, gate_review_id, amount_ore, purpose, granted_at) \
             SELECT {scope}, lpad(to_hex(n), 32, 'e')::uuid, 1000, 'GENERAL', now() FROM generate_series(2, 3) n; \
         INSERT INTO expenditures (organisation_id, id, project_id, amount_ore, spent_on, purpose, category, source, recorder, \
             recorded_at) SELECT {scope}, 10, '2026-01-31', 'GENERAL', 'SOFTWARE', {text}, 'r', now() \
             FROM generate_series(1, 60); \
         INSERT INTO project_baselines (organisation_id, project_id, number, budget_ore, end_on, scope, set_by, set_at) \
             SELECT '{organisation}', '{project}', n, 100, '2027-01-01', {text}, 's', now() FROM generate_series(0, 2) n; \
         INSERT INTO direction_changes (organisation_id, id, project_id, from_direction, to_direction, learnt, decided_by, \
             decided_at, baseline_number) SELECT {scope}, {text}, {text}, {text}, 'd', now(), n FROM generate_series(1, 2) n; \
         INSERT INTO increments (organisation_id, id, project_id, goal, scope, budget_ore, start_on, end_on, done_criteria, \
             state, planner, planned_at) SELECT {scope}, {text}, {text}, 100, '2026-01-01', '2026-02-01', ARRAY[{text}], \
             'PLANNED', 'p', now() FROM generate_series(1, 8); \
         INSERT INTO lessons (organisation_id, id, project_id, what, why, advice, tags, publisher, published_at) \
             SELECT {scope}, {text}, {text}, {text}, '{{}}', 'p', now() FROM generate_series(1, 3); \
         INSERT INTO criterion_assessments (organisation_id, id, project_id, gate, criterion, grade, reason, evidence, \
             assessor, assessed_at, gate_model_id) SELECT {scope}, g, c, 'GREEN', {text}, '[]', 'a', now(), \
             '6e761257-0000-8000-8000-000000000001' FROM unnest(ARRAY['G1', 'G2']) g, \
             unnest(ARRAY['S04_AFFECTED', 'S24_SECURITY_SCREENING', 'S24_USABILITY_SCREENING', 'S24_PRIVACY_SCREENING', 'S05_INVOLVEMENT', \
                 'S11_EXPERIMENT', 'S12_ASSUMPTIONS', 'S15_EXIT_STRATEGY', 'S26_DATA_CARE', 'S31_CAPEX_OPEX', \
                 'S34_CHANGE_LOAD']) c, generate_series(1, 3); \
         ANALYZE"
    );
    pool(&urls.admin).await.execute_unprepared(&sql).await.unwrap();
}

async fn measure(urls: Urls) {
    drop(telemetry::init("off", None, 0.01).unwrap());
    let organisation = OrganisationId::new(found(&urls).await);
    let project = ProjectId::new(Uuid::from_u128(1));
    fill(&urls, organisation.uuid(), project.uuid()).await;
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::open(folder.path()).unwrap();
    let token = issuer.token("bench", organisation.uuid(), &[Role::PortfolioOffice]).unwrap();
    let server = Server::start(&serving::config(&urls, &issuer, 2), Clock::default()).await.unwrap();
    let channel = Endpoint::from_shared(format!("http://{}", server.address)).unwrap().connect().await.unwrap();
    let bearer = || format!("Bearer {token}").parse().unwrap();
    let get = async || {
        let request = GetProjectRequest { organisation: organisation.to_string(), project: project.uuid().to_string() };
        let mut request = Request::new(request);
        request.metadata_mut().insert("authorization", bearer());
        ProjectServiceClient::new(channel.clone()).get_project(request).await.unwrap()
    };
    let ready = async || {
        let (organisation, project) = (organisation.to_string(), project.uuid().to_string());
        let mut request = Request::new(GetGateReadinessRequest { organisation, project, ..Default::default() });
        request.metadata_mut().insert("authorization", bearer());
        DossierServiceClient::new(channel.clone()).get_gate_readiness(request).await.unwrap()
    };
    let answer = ready().await.into_inner();
    assert!(answer.go_possible, "{:?}", answer.summary);

    let db = Db::connect(&Secret::new(&urls.runtime), "bench", 1, Duration::from_secs(10)).await.unwrap();
    let asker = Asker::everything_in(organisation, Clock::default().now());
    let read = async || find_one_in(organisation, project).one(&db.scoped(asker.clone())).await.unwrap().unwrap();
    let shipped = model::shipped().unwrap();
    let step = shipped.step_from(Stage::Analysis, SizeClass::M).unwrap();
    let needed = Sections::asked_at(&shipped, step);
    let known =
        async || dossier::load(&db.scoped(asker.clone()), organisation, project, needed).await.unwrap().unwrap();
    let found = known().await;
    let judge = async || criteria::results(&shipped, step, &found.dossier, false).await.unwrap();

    let mut figures: [Vec<f64>; 5] = Default::default();
    for round in 0..=ROUNDS {
        let times = [each(get).await, each(ready).await, each(read).await, each(known).await, each(judge).await];
        // The first round warms caches and prepares statements.
        if round > 0 {
            for (figures, time) in figures.iter_mut().zip(times) {
                figures.push(time);
            }
        }
    }
    let names = [
        "one project by id, the whole call over gRPC",
        "readiness of a full dossier, the whole call",
        "one project by id, its question",
        "what the gate asks of the dossier, its question, read into the contract",
        "the criteria, evaluated",
    ];
    let medians = figures.each_mut().map(|figures| median(figures));
    let mut out = std::io::stdout();
    writeln!(out, "\n| one caller, one after the other | µs, median (min–max of {ROUNDS}) |\n|---|---|").unwrap();
    for (name, (median, least, most)) in names.iter().zip(medians) {
        writeln!(out, "| {name} | {median:.1} ({least:.1}–{most:.1}) |").unwrap();
    }
    let [get, ready, read, known, _] = medians.map(|(median, ..)| median);
    writeln!(out, "| **readiness ÷ read, whole calls** | **{:.2}** |", ready / get).unwrap();
    writeln!(out, "| dossier ÷ read, questions | {:.2} |", known / read).unwrap();
}
