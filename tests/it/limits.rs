//! What one caller can take of the service: calls, time, memory, connections. Whoever takes too much is told so or cut
//! off, and everybody else is served meanwhile.

use std::time::{Duration, Instant};

use bytes::Bytes;
use gevinst::{auth::Role, config::Config};
use gevinst_proto::v1 as pb;
use http::{HeaderMap, Method};
use serde_json::Value;
use tokio::net::TcpStream;
use tonic::{Code, body::Body};

use crate::harness::{
    World, config,
    process::{PATIENCE, Serving, most_memory, until},
    raw::{self, END_HEADERS, END_STREAM, Http2, kind},
    requests::{bomb, empty, grpc, http, reason, trickle},
};

const HEALTH: &str = "/grpc.health.v1.Health/Check";

fn with_rates(per_address: u32, per_caller: u32) -> Config {
    let mut config = config();
    config.limits.calls_per_address = per_address;
    config.limits.calls_per_caller = per_caller;
    config
}

async fn get(world: &World, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, Vec<u8>) {
    http(world, Method::GET, path, headers, Vec::new()).await
}

fn bearer(world: &World, name: &str) -> String {
    format!("Bearer {}", world.token(name, &[Role::PortfolioOffice]))
}

fn organisation(world: &World) -> pb::GetOrganisationRequest {
    pb::GetOrganisationRequest { organisation: world.id() }
}

/// Calls until refused, more often than anybody may; gives the refusal.
async fn until_refused<T>(mut call: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..100 {
        if let Some(refusal) = call().await {
            return refusal;
        }
    }
    panic!("nobody stops this")
}

/// A refusal over HTTP, whole.
fn assert_limited((status, headers, body): &(u16, HeaderMap, Vec<u8>)) {
    let answer: Value = serde_json::from_slice(body).unwrap();
    assert_eq!((*status, answer["status"].as_str()), (429, Some("RESOURCE_EXHAUSTED")), "{answer}");
    assert_eq!(headers["retry-after"], "1");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let detail = |name: &str| {
        let details = answer["details"].as_array().unwrap();
        details.iter().find(|detail| detail["@type"].as_str().unwrap().ends_with(name)).unwrap().clone()
    };
    assert_eq!(detail("ErrorInfo")["reason"], "RATE_LIMITED");
    assert!(detail("RetryInfo")["retryDelay"].as_str().unwrap().ends_with('s'), "{answer}");
    assert!(!detail("RequestInfo")["requestId"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn address_over_its_rate_refused_whatever_it_asks_and_served_later() {
    let world = World::with(with_rates(1, 0)).await;
    let organisations = "/v1/organisations";
    let token = bearer(&world, "office");
    // With a good token, without one, for pages and documents, and for what is not there.
    for (path, token) in
        [(organisations, &*token), (organisations, "none"), ("/docs", ""), ("/openapi.json", ""), ("/nothing", "")]
    {
        let refused = until_refused(async || {
            let answer = get(&world, path, &[("authorization", token)]).await;
            (answer.0 == 429).then_some(answer)
        });
        assert_limited(&refused.await);
    }
    for path in [HEALTH, "/gevinst.v1.ProjectService/GetProject", "/nothing"] {
        let (status, headers) = until_refused(async || {
            let answer = grpc(&world, path, &[], empty()).await;
            (answer.0.code() == Code::ResourceExhausted).then_some(answer)
        })
        .await;
        assert_eq!((&*reason(&status), headers["retry-after"].as_bytes()), ("RATE_LIMITED", &b"1"[..]), "{path}");
    }
    let web = [("content-type", "application/grpc-web+proto")];
    let headers = until_refused(async || {
        let (_, headers, _) = http(&world, Method::POST, HEALTH, &web, vec![0; 5]).await;
        (headers.get("grpc-status").is_some_and(|code| code == "8")).then_some(headers)
    });
    assert_eq!(headers.await["retry-after"], "1", "over gRPC-Web");
    let office = world.office().over_grpc();
    let refused = until_refused(async || office.call(organisation(&world)).await.err()).await;
    assert!(refused.is(Code::ResourceExhausted, "RATE_LIMITED"), "{refused:?}");
    let wait = refused.retry_after.unwrap();
    assert!(!wait.is_zero() && wait <= Duration::from_secs(1), "{wait:?}");
    // Who waits as long as they are told is served.
    tokio::time::sleep(wait).await;
    office.call(organisation(&world)).await.unwrap();
    // They are counted, as every call is.
    let metrics = reqwest::get(format!("http://{}/metrics", world.admin)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("code=\"RESOURCE_EXHAUSTED\""), "{metrics}");
}

#[tokio::test]
async fn caller_over_their_rate_refused_while_others_are_served() {
    let world = World::with(with_rates(0, 1)).await;
    let office = world.office().over_grpc();
    let refused = until_refused(async || office.call(organisation(&world)).await.err()).await;
    assert!(refused.is(Code::ResourceExhausted, "RATE_LIMITED"), "{refused:?}");
    let refused = until_refused(async || {
        let answer = get(&world, "/v1/organisations", &[("authorization", &bearer(&world, "office"))]).await;
        (answer.0 == 429).then_some(answer)
    });
    assert_limited(&refused.await);
    // From the same address, somebody else, and who needs no token.
    world.steering().over_grpc().call(organisation(&world)).await.unwrap();
    for _ in 0..20 {
        assert_eq!(grpc(&world, HEALTH, &[], empty()).await.0.code(), Code::Ok);
    }
}

#[tokio::test]
async fn forwarded_address_counts_from_a_trusted_proxy_and_nowhere_else() {
    let mut trusting = with_rates(1, 0);
    trusting.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let world = World::with(trusting).await;
    let from = async |address: &str| get(&world, "/v1/organisations", &[("x-forwarded-for", address)]).await.0;
    until_refused(async || (from("203.0.113.7").await == 429).then_some(())).await;
    assert_eq!(from("203.0.113.8").await, 401, "another address");
    // What the caller wrote before the proxy did changes nothing, and an IPv6 network is one caller.
    until_refused(async || (from("2001:db8::1").await == 429).then_some(())).await;
    until_refused(async || (from("192.0.2.99, 2001:db8::2").await == 429).then_some(())).await;
    assert_eq!(from("2001:db8:0:1::1").await, 401, "another network");
    // Over gRPC as well.
    let from = async |address: &str| grpc(&world, HEALTH, &[("x-forwarded-for", address)], empty()).await.0.code();
    until_refused(async || (from("203.0.113.9").await == Code::ResourceExhausted).then_some(())).await;
    assert_eq!(from("203.0.113.10").await, Code::Ok);

    let world = World::with(with_rates(1, 0)).await;
    let mut next = 0_u8;
    until_refused(async || {
        next += 1;
        let address = format!("203.0.113.{next}");
        (get(&world, "/docs", &[("x-forwarded-for", &address)]).await.0 == 429).then_some(())
    })
    .await;
}

#[tokio::test]
async fn https_to_the_proxy_remembered_only_on_a_trusted_ones_word() {
    let mut trusting = config();
    trusting.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let (trusting, world) = (World::with(trusting).await, World::new().await);
    let hsts = async |world: &World, proto: &str| {
        let (_, headers, _) = get(world, "/docs", &[("x-forwarded-proto", proto)]).await;
        headers.contains_key("strict-transport-security")
    };
    assert!(hsts(&trusting, "https").await);
    assert!(!hsts(&trusting, "http").await);
    assert!(!hsts(&world, "https").await);
}

#[tokio::test]
async fn preflights_and_foreign_origins_permitted_nothing() {
    let world = World::new().await;
    let foreign = [("origin", "https://elsewhere.example"), ("access-control-request-method", "POST")];
    let token = bearer(&world, "office");
    for method in [Method::OPTIONS, Method::GET, Method::POST] {
        for path in ["/v1/organisations", "/docs", "/openapi.json", HEALTH] {
            for token in ["none", &token] {
                let headers = [&foreign[..], &[("authorization", token)]].concat();
                let (_, headers, _) = http(&world, method.clone(), path, &headers, Vec::new()).await;
                let permission = headers.keys().find(|name| name.as_str().starts_with("access-control-"));
                assert_eq!(permission, None, "{method} {path}");
            }
        }
    }
    let (_, headers) = grpc(&world, HEALTH, &foreign, empty()).await;
    assert!(!headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{headers:?}");
}

#[tokio::test]
async fn connections_that_ask_nothing_or_dawdle_are_ended() {
    let world = World::new().await;
    let second = Duration::from_secs(1);
    let began = Instant::now();
    let dawdling: Vec<&[u8]> =
        std::iter::once(&b"GET /docs HTTP/1.1\r\n"[..]).chain([&b"x-more: x\r\n"[..]; 60]).collect();
    let (silent, half, dawdling, http2) = tokio::join!(
        raw::http1(world.address, &[], second),
        raw::http1(world.address, &[b"PRI * HT"], second),
        raw::http1(world.address, &dawdling, second),
        async { Http2::connect(world.address).await.end().await },
    );
    assert_eq!((&*silent, &*half), ("", ""));
    assert!(!dawdling.starts_with("HTTP/1.1 200"), "{dawdling}");
    assert_eq!(http2, Some(0), "told to go, and nothing wrong");
    assert!(began.elapsed() < PATIENCE);
    let metrics = reqwest::get(format!("http://{}/metrics", world.admin)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("gevinst_connections_unserved_total{why=\"no call\"} 4"), "{metrics}");
    // Nobody who asks in time is meant.
    world.office().call(organisation(&world)).await.unwrap();
}

#[tokio::test]
async fn body_that_trickles_in_ended_by_the_deadline() {
    let mut settings = config();
    settings.max_deadline = Duration::from_secs(1);
    let world = World::with(settings).await;
    let token = bearer(&world, "office");
    let began = Instant::now();
    let path = "/gevinst.v1.ProjectService/RegisterProject";
    let (status, _) = grpc(&world, path, &[("authorization", &token)], trickle()).await;
    assert_eq!((status.code(), &*reason(&status)), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    let head = format!(
        "POST /v1/organisations/{}/projects HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\n\
         content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{",
        world.id()
    );
    let pieces: Vec<&[u8]> = std::iter::once(head.as_bytes()).chain([&b" "[..]; 600]).collect();
    let answer = raw::http1(world.address, &pieces, Duration::from_millis(100)).await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    assert!(began.elapsed() < PATIENCE);
    // Without a token nothing is waited for.
    let (status, _) = grpc(&world, path, &[], trickle()).await;
    assert_eq!(reason(&status), "TOKEN_MISSING");
}

/// Calls again and again while something else goes on; each must be served.
async fn while_others_are_served(world: &World, attack: impl Future<Output = ()>) {
    let office = world.office().over_grpc();
    let mut attack = std::pin::pin!(attack);
    let mut served = 0;
    loop {
        let one = tokio::time::timeout(PATIENCE, office.call(organisation(world)));
        tokio::select! {
            biased;
            answer = one => {
                answer.expect("others are served in time").unwrap();
                served += 1;
            }
            () = attack.as_mut() => {
                assert!(served > 0, "nobody else called");
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_opened_and_reset_by_the_thousand_end_the_connection() {
    let process = Serving::with(&[]).await;
    let world = World::behind(&process).await;
    let address = world.address;
    let token = bearer(&world, "attacker");
    let path = format!("/v1/organisations/{}", world.id());
    let block = raw::request("GET", &path, &[("authorization", &token)]);
    let attack = tokio::spawn(async move {
        // One connection after the other, each for as long as it is let.
        for number in 0..200 {
            let mut connection = Http2::connect(address).await;
            let mut sent = 0_u32;
            while sent < 100_000 {
                let stream = sent * 2 + 1;
                let open = raw::frame(kind::HEADERS, END_HEADERS | END_STREAM, stream, &block);
                // Reset by the caller (CVE-2023-44487), or by us, for an error of the caller's (CVE-2025-8671).
                let reset = match number % 2 {
                    0 => raw::frame(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes()),
                    _ => raw::frame(kind::WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes()),
                };
                if !connection.send(&[open, reset].concat()).await {
                    break;
                }
                sent += 1;
            }
            assert!(sent < 100_000, "all of them were taken");
            // The announcement may be lost in the reset that follows it.
            let code = connection.end().await;
            assert!(matches!(code, None | Some(11)), "ENHANCE_YOUR_CALM, not {code:?}");
        }
    });
    while_others_are_served(&world, async { attack.await.unwrap() }).await;
}

#[tokio::test]
async fn heads_without_end_and_too_large_ones_refused() {
    let process = Serving::with(&[]).await;
    let world = World::behind(&process).await;
    let before = most_memory(&process);
    // A head that goes on and on.
    let mut connection = Http2::connect(world.address).await;
    let block = raw::request("GET", "/docs", &[]);
    connection.send(&raw::frame(kind::HEADERS, END_STREAM, 1, &block)).await;
    let more = raw::head(&[("x-more", &"x".repeat(16_000))]);
    let mut taken = 0;
    while taken < 100_000 && connection.send(&raw::frame(kind::CONTINUATION, 0, 1, &more)).await {
        taken += 1;
    }
    assert!(taken < 10_000, "{taken} frames of it were taken");
    // And one in small pieces, which add up to nothing.
    let mut connection = Http2::connect(world.address).await;
    connection.send(&raw::frame(kind::HEADERS, END_STREAM, 1, &block)).await;
    let mut taken = 0;
    while taken < 10_000_000 && connection.send(&raw::frame(kind::CONTINUATION, 0, 1, &[]).repeat(100)).await {
        taken += 100;
    }
    assert!(taken < 10_000_000, "{taken} frames of nothing were taken");
    // One that ends, and is larger than any may be.
    let large = "x".repeat(20_000);
    let mut connection = Http2::connect(world.address).await;
    let block = raw::request("GET", "/docs", &[("x-large", &large)]);
    let (first, rest) = block.split_at(16_000);
    connection.send(&raw::frame(kind::HEADERS, END_STREAM, 1, first)).await;
    connection.send(&raw::frame(kind::CONTINUATION, END_HEADERS, 1, rest)).await;
    let refused = connection.until(kind::HEADERS).await;
    // 431 stands in no table of HPACK: its digits are there, as text or in Huffman's code.
    assert!(refused.is_some_and(|frame| frame.flags & END_STREAM != 0), "answered in a head alone");
    // Over HTTP/1.1: too large, too many.
    let large = format!("GET /docs HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET /docs HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-one: 1\r\n".repeat(200));
    for head in [large, many] {
        let answer = raw::http1(world.address, &[head.as_bytes()], Duration::ZERO).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    let more = most_memory(&process) - before;
    assert!(more < 32 << 20, "{more} more bytes of memory");
    world.office().call(organisation(&world)).await.unwrap();
}

#[tokio::test]
async fn compressed_and_oversized_bodies_refused_and_never_inflated() {
    let process = Serving::with(&[]).await;
    let world = World::behind(&process).await;
    let (token, bomb) = (bearer(&world, "office"), bomb());
    assert!(bomb.len() < 1 << 20);
    let path = format!("/v1/organisations/{}/projects", world.id());
    world.office().call(organisation(&world)).await.unwrap();
    let before = most_memory(&process);
    for encoding in ["gzip", "deflate", "br", "zstd", "gzip, gzip"] {
        let headers =
            [("authorization", &*token), ("content-type", "application/json"), ("content-encoding", encoding)];
        let (status, _, _) = http(&world, Method::POST, &path, &headers, bomb.clone()).await;
        assert_eq!(status, 415, "{encoding}");
    }
    let mut message = vec![1];
    message.extend(u32::try_from(bomb.len()).unwrap().to_be_bytes());
    message.extend(&bomb);
    for encoding in ["gzip", "deflate", "zstd", "snappy"] {
        let headers = [("authorization", &*token), ("grpc-encoding", encoding)];
        let body = Body::new(http_body_util::Full::new(Bytes::from(message.clone())));
        let (status, _) = grpc(&world, "/gevinst.v1.ProjectService/RegisterProject", &headers, body).await;
        assert_eq!((status.code(), &*reason(&status)), (Code::InvalidArgument, "MESSAGE_INVALID"), "{encoding}");
    }
    // A mebibyte is the most, and a byte more is too much.
    let json = |length: usize| format!("{{\"title\":\"{}\"}}", "x".repeat(length - 12)).into_bytes();
    let headers = [("authorization", &*token), ("content-type", "application/json")];
    let (status, _, _) = http(&world, Method::POST, &path, &headers, json(1 << 20)).await;
    assert_eq!(status, 400, "read, and its title is too long");
    let (status, _, _) = http(&world, Method::POST, &path, &headers, json((1 << 20) + 1)).await;
    assert_eq!(status, 413);
    let more = most_memory(&process) - before;
    assert!(more < 64 << 20, "{more} more bytes of memory");
}

#[tokio::test]
async fn connections_over_the_limit_wait_while_the_others_are_served() {
    let mut settings = config();
    settings.limits.max_connections = 5;
    let world = World::with(settings).await;
    let office = world.office().over_grpc();
    office.call(organisation(&world)).await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(TcpStream::connect(world.address).await.unwrap());
    }
    // Who is connected stays so.
    for _ in 0..10 {
        office.call(organisation(&world)).await.unwrap();
    }
    // Who comes now waits, until those go who only sit there.
    let (status, _, _) = get(&world, "/docs", &[]).await;
    assert_eq!(status, 200);
    drop(idle);
    until("a place is there at once", async || {
        let answer = tokio::time::timeout(Duration::from_secs(1), get(&world, "/docs", &[])).await;
        answer.is_ok_and(|(status, _, _)| status == 200)
    })
    .await;
}

#[tokio::test]
async fn address_over_its_share_of_connections_closed_at_once_but_not_a_proxys() {
    let mut settings = config();
    settings.limits.connections_per_address = 3;
    let world = World::with(settings.clone()).await;
    let office = world.office().over_grpc();
    office.call(organisation(&world)).await.unwrap();
    let connected = async |world: &World| {
        let mut connection = Http2::connect(world.address).await;
        connection.next().await.expect("it is let in");
        connection
    };
    let others = [connected(&world).await, connected(&world).await];
    let began = Instant::now();
    assert_eq!(raw::http1(world.address, &[], Duration::ZERO).await, "");
    assert!(began.elapsed() < Duration::from_secs(5), "not for being idle");
    office.call(organisation(&world)).await.unwrap();
    drop(others);
    until("one more is let in", async || {
        let answer = reqwest::get(format!("http://{}/docs", world.address)).await;
        answer.is_ok_and(|answer| answer.status() == 200)
    })
    .await;

    settings.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let world = World::with(settings).await;
    let mut proxied = Vec::new();
    for _ in 0..10 {
        proxied.push(connected(&world).await);
    }
}
