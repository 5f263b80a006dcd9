//! What HTTP costs beside gRPC: the service's CPU time for reading one project over each, in interleaved rounds on one
//! server. The service runs on threads of its own, whose time the kernel counts; callers and PostgreSQL are not in it.
//! The ratio counts. Run: `cargo bench -p gevinst-tests --bench protocols`.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on says where")]

mod load;
mod portfolio;
mod serving;

use std::{
    fs,
    io::Write,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use gevinst::{auth::Role, ctx::Clock, dev::issuer::Issuer, server::Server, telemetry};
use gevinst_proto::v1::{GetProjectRequest, project_service_client::ProjectServiceClient};
use tonic::{Request, transport::Endpoint};

use load::{CALLERS, rate};
use portfolio::{CONNECTIONS, ROUNDS, Urls, found, median, with_cluster};

/// The name of the service's threads.
const THREADS: &str = "service";

fn main() {
    with_cluster(measure);
}

async fn measure(urls: Urls) {
    // As in production: every call traced, one in a hundred recorded.
    drop(telemetry::init("off", None, 0.01).unwrap());
    let organisation = found(&urls).await;
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::open(folder.path()).unwrap();
    let token = issuer.token("bench", organisation, &[Role::PortfolioOffice]).unwrap();
    let config = serving::config(&urls, &issuer, CONNECTIONS);
    let service = tokio::runtime::Builder::new_multi_thread().thread_name(THREADS).enable_all().build().unwrap();
    let server = service.spawn(async move { Server::start(&config, Clock::default()).await.unwrap() }).await.unwrap();
    let address = server.address;

    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let http = reqwest::Client::new();
    let mut figures = [(Vec::new(), Vec::new()), (Vec::new(), Vec::new())];
    for round in 0..=ROUNDS {
        let (channel, authorization) = (channel.clone(), format!("Bearer {token}"));
        let grpc = costs(move |project: String| {
            let mut request = Request::new(GetProjectRequest { organisation: organisation.to_string(), project });
            request.metadata_mut().insert("authorization", authorization.parse().unwrap());
            let mut client = ProjectServiceClient::new(channel.clone());
            async move { assert!(client.get_project(request).await.unwrap().into_inner().project.is_some()) }
        });
        let grpc = grpc.await;
        let (http, token) = (http.clone(), token.clone());
        let over_http = costs(move |project: String| {
            let url = format!("http://{address}/v1/organisations/{organisation}/projects/{project}");
            let request = http.get(url).bearer_auth(&token);
            async move {
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status(), 200);
                assert!(answer.bytes().await.unwrap().len() > 400);
            }
        });
        let over_http = over_http.await;
        // The first round warms caches and prepares statements.
        if round > 0 {
            for (figures, (cpu, rate)) in figures.iter_mut().zip([grpc, over_http]) {
                figures.0.push(cpu);
                figures.1.push(rate);
            }
        }
    }
    let medians = figures.each_mut().map(|(cpu, rates)| (median(cpu), median(rates)));
    let base = medians[0].0.0;
    let mut out = std::io::stdout();
    writeln!(out, "\n| one project by id, {CALLERS} callers | service CPU a call, median (min–max of {ROUNDS}) | ratio | calls/s |").unwrap();
    writeln!(out, "|---|---|---|---|").unwrap();
    for (name, ((cpu, least, most), (rate, _, _))) in ["gRPC", "HTTP and JSON"].iter().zip(medians) {
        writeln!(out, "| {name} | {cpu:.0} µs ({least:.0}–{most:.0}) | {:.2} | {rate:.0} |", cpu / base).unwrap();
    }
    server.shutdown().await;
    service.shutdown_background();
}

/// The service's CPU time a call, in microseconds, and calls a second, in a round of this.
async fn costs<F, Fut>(call: F) -> (f64, f64)
where
    F: Fn(String) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send,
{
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    let before = cpu();
    let rate = rate(move |project| {
        let (call, counted) = (call.clone(), counted.clone());
        async move {
            call(project.to_string()).await;
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let rate = rate.await;
    let calls = count.load(Ordering::Relaxed);
    ((cpu() - before).as_secs_f64() * 1e6 / calls as f64, rate)
}

/// The CPU time that the service's threads have used.
fn cpu() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let service = tasks.filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == THREADS));
    // The first figure is the nanoseconds spent on the CPU.
    let nanos = service.map(|task| {
        let told = fs::read_to_string(task.join("schedstat")).unwrap();
        told.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    });
    Duration::from_nanos(nanos.sum())
}
