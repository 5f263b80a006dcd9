//! What recording, progress and a portfolio's roll-up cost with 2,000,000 measurements, beside the same with 20,000: two
//! databases on one PostgreSQL, each with 1,000 benefits measured over the same two years, asked in interleaved rounds over
//! gRPC by one caller, one call after the other. The ratios count. The plans of what is asked are written beside this file.
//! Run: `cargo bench -p gevinst-tests --bench measurements`.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on says where")]

mod portfolio;
mod serving;

use std::{cell::Cell, fmt::Write as _, fs, future::Future, io::Write, time::Instant};

use gevinst::{
    auth::Role,
    benefits::{
        figures::{self, months},
        reports,
    },
    ctx::Clock,
    dev::issuer::Issuer,
    ids::{BenefitId, OrganisationId},
    server::Server,
    telemetry,
    wire::today,
};
use gevinst_proto::v1::{
    GetBenefitProgressRequest, GetBenefitRollupRequest, RecordMeasurementRequest, RollupGrouping,
    benefit_report_service_client::BenefitReportServiceClient, benefit_service_client::BenefitServiceClient,
};
use sea_orm::{ConnectionTrait, Statement, TransactionTrait};
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};
use uuid::Uuid;

use portfolio::{ROUNDS, Urls, found, median, pool, with_cluster};

/// How many benefits there are, in a tenth as many projects.
const BENEFITS: u32 = 1_000;
/// How many measurements there are of each, in one database and in the other.
const MEASURED: [u32; 2] = [20, 2_000];
/// How many recordings, and how many progresses, a round is.
const TIMES: u32 = 200;
/// How many roll-ups a round is.
const ROLLUPS: u32 = 5;

fn main() {
    with_cluster(measure);
}

/// Milliseconds each, over a round of them.
async fn each<F: Future<Output = ()>>(times: u32, ask: impl Fn() -> F) -> f64 {
    let began = Instant::now();
    for _ in 0..times {
        ask().await;
    }
    began.elapsed().as_secs_f64() * 1e3 / f64::from(times)
}

/// The nth benefit.
fn benefit(number: u32) -> Uuid {
    Uuid::from_u128(0xb << 120 | u128::from(number % BENEFITS + 1))
}

/// A database with so many measurements of each benefit, put straight into the tables; the trigger counts their months.
async fn filled(urls: &Urls, name: &str, measured: u32) -> (Urls, OrganisationId) {
    pool(&urls.admin).await.execute_unprepared(&format!("CREATE DATABASE {name} OWNER gevinst_owner")).await.unwrap();
    let of = |url: &str| format!("{}/{name}", url.strip_suffix("/gevinst").unwrap());
    let urls = Urls { admin: of(&urls.admin), owner: of(&urls.owner), runtime: of(&urls.runtime) };
    let organisation = found(&urls).await;
    let benefit = |number: &str| format!("('0b' || lpad(to_hex({number}), 30, '0'))::uuid");
    let projects = BENEFITS / 10;
    let start = "(date_trunc('month', now()) - interval '23 months')::date";
    let sql = format!(
        "SELECT set_config('app.organisation', '{organisation}', true); \
         INSERT INTO benefits (organisation_id, id, project_id, title, kind, measure_name, measure_unit, baseline, target, \
             owner, planned_annual_ore, price_level_year, created_at, measure_aggregation, measure_frequency, targets, \
             starts_on, baseline_plan, baseline_starts_on) \
         SELECT '{organisation}', {b}, lpad(to_hex(n % {projects} + 1), 32, '0')::uuid, 'Gevinst ' || n, 'ECONOMIC', 'Sagstid', 'dage', 1000, 600, 'owner', \
             100000000, 2026, now(), 'AVERAGE', 'MONTHLY', '[{years}]', {start}, 0, {start} \
             FROM generate_series(1, {BENEFITS}) n; \
         INSERT INTO benefit_plans (organisation_id, id, benefit_id, number, baseline, target, targets, planned_annual_ore, \
             price_level_year, reason, planner, planned_at) \
         SELECT organisation_id, id, id, 0, baseline, target, targets, planned_annual_ore, price_level_year, '', 'p', now() \
             FROM benefits; \
         INSERT INTO measurements (organisation_id, id, benefit_id, value, measured_on, source, recorder, recorded_at) \
         SELECT '{organisation}', gen_random_uuid(), {b}, 700 + (n * m) % 300, {start} + (m * 700 / {measured}), \
             'Sagssystemet', 'r', now() FROM generate_series(1, {BENEFITS}) n, generate_series(1, {measured}) m",
        b = benefit("n"),
        years = [
            r#"{"target": "800", "value_ore": 50000000}"#,
            r#"{"target": "600", "value_ore": 100000000}"#,
            r#"{"target": "600", "value_ore": 100000000}"#
        ]
        .join(", "),
    );
    let admin = pool(&urls.admin).await;
    admin.execute_unprepared(&sql).await.unwrap();
    admin.execute_unprepared("VACUUM ANALYZE").await.unwrap();
    admin.close().await.unwrap();
    (urls, OrganisationId::new(organisation))
}

/// One of the two, served.
struct Served {
    organisation: OrganisationId,
    channel: Channel,
    token: String,
    next: Cell<u32>,
    _server: Server,
}

impl Served {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", format!("Bearer {}", self.token).parse().unwrap());
        request
    }

    /// Each call is of another benefit than the one before.
    fn benefit(&self) -> String {
        self.next.set(self.next.get() + 7);
        benefit(self.next.get()).to_string()
    }

    async fn record(&self) {
        let request = self.request(RecordMeasurementRequest {
            organisation: self.organisation.to_string(),
            benefit: self.benefit(),
            value: "750".to_owned(),
            measured_on: today(Clock::default().now()).to_string(),
            source: "Sagssystemet".to_owned(),
            ..Default::default()
        });
        BenefitServiceClient::new(self.channel.clone()).record_measurement(request).await.unwrap();
    }

    async fn progress(&self) {
        let request = self.request(GetBenefitProgressRequest {
            organisation: self.organisation.to_string(),
            benefit: self.benefit(),
        });
        let answer = BenefitServiceClient::new(self.channel.clone()).get_benefit_progress(request).await.unwrap();
        assert_eq!(answer.into_inner().against_baseline.unwrap().years.len(), 3);
    }

    async fn rollup(&self) {
        let request = self.request(GetBenefitRollupRequest {
            organisation: self.organisation.to_string(),
            group_by: RollupGrouping::Project.into(),
            ..Default::default()
        });
        let answer = BenefitReportServiceClient::new(self.channel.clone()).get_benefit_rollup(request).await.unwrap();
        assert_eq!(answer.into_inner().total.unwrap().economic.unwrap().planned, 1_000);
    }
}

async fn measure(urls: Urls) {
    drop(telemetry::init("off", None, 0.01).unwrap());
    let mut served = Vec::new();
    let mut plans = String::new();
    for (name, measured) in ["few", "many"].into_iter().zip(MEASURED) {
        let (urls, organisation) = filled(&urls, name, measured).await;
        let folder = tempfile::tempdir().unwrap();
        let issuer = Issuer::open(folder.path()).unwrap();
        let token = issuer.token("bench", organisation.uuid(), &[Role::PortfolioOffice]).unwrap();
        let server = Server::start(&serving::config(&urls, &issuer, 2), Clock::default()).await.unwrap();
        let channel = Endpoint::from_shared(format!("http://{}", server.address)).unwrap().connect().await.unwrap();
        explain(&mut plans, &urls, organisation, measured * BENEFITS).await;
        served.push(Served { organisation, channel, token, next: Cell::new(0), _server: server });
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/measurements.plans.txt");
    fs::write(path, plans).unwrap();

    let mut figures: [[Vec<f64>; 2]; 3] = Default::default();
    for round in 0..=ROUNDS {
        for (at, served) in served.iter().enumerate() {
            let times = [
                each(TIMES, || served.record()).await,
                each(TIMES, || served.progress()).await,
                each(ROLLUPS, || served.rollup()).await,
            ];
            // The first round warms caches and prepares statements.
            if round > 0 {
                for (figures, time) in figures.iter_mut().zip(times) {
                    figures[at].push(time);
                }
            }
        }
    }
    let mut out = std::io::stdout();
    let [few, many] = MEASURED.map(|measured| measured * BENEFITS);
    writeln!(
        out,
        "\n| ms a call, median (min–max of {ROUNDS}) | {few} measurements | {many} | ratio |\n|---|---|---|---|"
    )
    .unwrap();
    for (name, both) in
        ["recording one", "progress of one benefit", "roll-up of 1,000 benefits by project"].iter().zip(&mut figures)
    {
        let [few, many] = both.each_mut().map(|figures| median(figures));
        let shown = |(median, least, most): (f64, f64, f64)| format!("{median:.2} ({least:.2}–{most:.2})");
        writeln!(out, "| {name} | {} | {} | **{:.2}** |", shown(few), shown(many), many.0 / few.0).unwrap();
    }
}

/// How PostgreSQL answers what is asked, under the service's own role and settings.
async fn explain(plans: &mut String, urls: &Urls, organisation: OrganisationId, measured: u32) {
    let month = months::first_day(today(Clock::default().now()));
    let benefit = benefit(1);
    let recorded = format!(
        "INSERT INTO measurements (organisation_id, id, benefit_id, value, measured_on, source, recorder, recorded_at) \
         VALUES ('{organisation}', gen_random_uuid(), '{benefit}', 750, current_date, 's', 'r', now())"
    );
    let asked = [
        ("progress of one benefit", figures::entity::question(organisation, BenefitId::new(benefit), month)),
        (
            "roll-up of 1,000 benefits",
            reports::entity::question(organisation, month, reports::entity::Wanted::default(), 20_001),
        ),
        ("recording one", gevinst::db::postgres(recorded, [])),
    ];
    let db = pool(&urls.runtime).await;
    for (name, question) in asked {
        let tx = db.begin().await.unwrap();
        let settings = format!(
            "SELECT set_config('app.organisation', '{organisation}', true), set_config('app.scopes', '{{{organisation}}}', true)"
        );
        tx.execute_unprepared(&settings).await.unwrap();
        let sql = format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {}", question.sql);
        let rows = tx.query_all_raw(Statement { sql, ..question }).await.unwrap();
        writeln!(plans, "-- {name}, {measured} measurements").unwrap();
        for row in rows {
            writeln!(plans, "{}", row.try_get_by_index::<String>(0).unwrap()).unwrap();
        }
        plans.push('\n');
        tx.rollback().await.unwrap();
    }
}
