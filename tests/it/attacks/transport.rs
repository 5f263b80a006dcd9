//! The transport: too large, too slow, too much at once, and requests that two readers would read differently.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use gevinst::auth::Role;
use gevinst_proto::v1 as pb;
use http::{HeaderMap, Method};
use prost::Message;
use sea_orm::ConnectionTrait;
use serde_json::Value;
use tokio::task::JoinHandle;
use tonic::Status;

use super::{Answer, Both, HARMLESS, Suite, Trace, answer, screaming};
use crate::harness::{
    World, config, owner,
    process::until,
    raw::{self, END_HEADERS, END_STREAM, Http2, kind},
    requests::{bomb, empty, framed, grpc, http, reason, trickle},
};

const REGISTER: &str = "gevinst.v1.ProjectService/RegisterProject";
const LIST: &str = "gevinst.v1.ProjectService/ListProjects";
const OTHER: &str = "other";

/// Where attacks come from of which some are calls, for a moment, and some are not.
const UNCOUNTED: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 68, 1));

fn of_grpc((status, _): (Status, HeaderMap)) -> Answer {
    answer(screaming(status.code()), &reason(&status))
}

/// The reason in a body that is one of our errors.
fn reason_in(body: &str) -> String {
    let json: Value = serde_json::from_str(body).unwrap_or_default();
    let details = json["details"].as_array().cloned().unwrap_or_default();
    details.iter().find_map(|detail| detail["reason"].as_str()).unwrap_or_default().to_owned()
}

fn of_http((status, _, body): (u16, HeaderMap, Vec<u8>)) -> Answer {
    answer(status, &reason_in(&String::from_utf8_lossy(&body)))
}

/// What came back over HTTP/1.1, up to the end of the connection.
fn of_http1(text: &str) -> Answer {
    let Some(status) = text.strip_prefix("HTTP/1.1 ").and_then(|text| text.get(..3)) else {
        return answer("closed", "");
    };
    answer(status, &text.find('{').map(|start| reason_in(&text[start..])).unwrap_or_default())
}

/// How an HTTP/2 connection answered what was sent over it.
async fn of_http2(connection: &mut Http2) -> Answer {
    loop {
        let Some(frame) = connection.next().await else { return answer("closed", "") };
        match frame.kind {
            kind::GOAWAY => return answer("closed", ""),
            kind::RST_STREAM => return answer("reset", ""),
            // 400 has an index of HPACK's; the digits of 431 are in Huffman's code.
            kind::HEADERS if frame.payload.contains(&0x8c) => return answer(400, ""),
            kind::HEADERS if frame.payload.windows(3).any(|part| part == [0x69, 0x90, 0xff]) => return answer(431, ""),
            kind::HEADERS => return answer("answered", ""),
            _ => {}
        }
    }
}

async fn http2(world: &World, frames: &[u8]) -> Answer {
    let mut connection = Http2::over(world.connect().await).await;
    connection.send(frames).await;
    of_http2(&mut connection).await
}

/// A head of a gRPC call and what follows it.
async fn grpc_frames(world: &World, more: &[(&str, &str)], body: &[u8]) -> Answer {
    let fields = [&[("content-type", "application/grpc"), ("te", "trailers")], more].concat();
    let block = raw::request("POST", &format!("/{LIST}"), &fields);
    let head = raw::frame(kind::HEADERS, END_HEADERS, 1, &block);
    http2(world, &[head, raw::frame(kind::DATA, END_STREAM, 1, body)].concat()).await
}

async fn http1(world: &World, request: &str) -> Answer {
    let stream = world.connect().await;
    of_http1(&raw::http1_over(stream, &[request.as_bytes()], Duration::ZERO).await)
}

fn both(grpc: (Answer, Answer), http: (Answer, Answer)) -> Both {
    Both { grpc: Some(grpc), http: Some(http) }
}

fn bearer(world: &World) -> String {
    format!("Bearer {}", world.token("office", &[Role::PortfolioOffice]))
}

/// Attacks that take their time: a body in drops, a head in drops, and nothing at all.
pub struct Slow {
    bodies: JoinHandle<(Answer, Answer)>,
    heads: JoinHandle<(Answer, Answer)>,
    silence: JoinHandle<(Answer, Answer)>,
}

pub fn start_slow(world: &World) -> Slow {
    let seen = || world.seen_from(super::ATTACKER);
    let second = Duration::from_secs(1);
    let token = bearer(world);
    let attacker = seen();
    let bodies = tokio::spawn(async move {
        let world = attacker;
        let head = format!(
            "POST /v1/organisations/{}/projects HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{",
            world.id()
        );
        let pieces: Vec<&[u8]> = std::iter::once(head.as_bytes()).chain([&b" "[..]; 600]).collect();
        let headers = [("authorization", &*token)];
        let register = format!("/{REGISTER}");
        let stream = world.connect().await;
        let (grpc, http) = tokio::join!(
            grpc(&world, &register, &headers, trickle()),
            raw::http1_over(stream, &pieces, Duration::from_millis(100)),
        );
        (of_grpc(grpc), of_http1(&http))
    });
    let attacker = seen();
    let heads = tokio::spawn(async move {
        let world = attacker;
        let pieces: Vec<&[u8]> =
            std::iter::once(&b"GET /docs HTTP/1.1\r\n"[..]).chain([&b"x-more: x\r\n"[..]; 60]).collect();
        let stream = world.connect().await;
        // As bytes, because a head that has begun may not be interrupted by the answer to SETTINGS.
        let half = raw::request("POST", &format!("/{LIST}"), &[("content-type", "application/grpc")]);
        let half = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            raw::frame(kind::SETTINGS, 0, 0, &[]),
            raw::frame(kind::HEADERS, 0, 1, &half),
        ];
        let half = half.concat();
        let (other, half) = (world.connect().await, [&half[..]]);
        let (http, grpc) =
            tokio::join!(raw::http1_over(stream, &pieces, second), raw::http1_over(other, &half, second));
        (of_http1(&grpc), of_http1(&http))
    });
    let attacker = seen();
    let silence = tokio::spawn(async move {
        let world = attacker;
        let (stream, other) = (world.connect().await, world.connect().await);
        let mut connection = Http2::over(other).await;
        let (http, grpc) = tokio::join!(raw::http1_over(stream, &[b"GE"], second), of_http2(&mut connection));
        (grpc, of_http1(&http))
    });
    Slow { bodies, heads, silence }
}

pub async fn end_slow(suite: &mut Suite, slow: Slow) {
    suite.part("Transport: slow");
    let late = "DEADLINE_EXCEEDED";
    let (got_grpc, got_http) = slow.bodies.await.unwrap();
    let bodies = both((got_grpc, answer(late, late)), (got_http, answer(504, late)));
    suite.saw("a body in drops", bodies, Trace::DoorAs(REGISTER, REGISTER));
    for (name, task) in [("a head in drops", slow.heads), ("half a greeting, then silence", slow.silence)] {
        let (got_grpc, got_http) = task.await.unwrap();
        let closed = both((got_grpc, answer("closed", "")), (got_http, answer("closed", "")));
        suite.saw(name, closed, Trace::Connections("no call", 2));
    }
}

pub async fn attack(suite: &mut Suite) {
    large(suite).await;
    many(suite).await;
    forwarded(suite).await;
    malformed(suite).await;
    confused(suite).await;
    paths(suite).await;
    claims_without_a_token(suite).await;
}

async fn large(suite: &mut Suite) {
    suite.part("Transport: large");
    let world = suite.world.seen_from(super::ATTACKER);
    let token = bearer(&world);
    let path = format!("/v1/organisations/{}/projects", world.id());
    let (register, invalid) = (format!("/{REGISTER}"), "MESSAGE_INVALID");
    let post = async |headers: &[(&str, &str)], body: Vec<u8>| {
        let usual = [("authorization", &*token), ("content-type", "application/json")];
        of_http(http(&world, Method::POST, &path, &[&usual, headers].concat(), body).await)
    };
    let call = async |headers: &[(&str, &str)], body| {
        let headers = [&[("authorization", &*token)], headers].concat();
        of_grpc(grpc(&world, &register, &headers, body).await)
    };
    let refused =
        |grpc, http, status: u16| both((grpc, answer("INVALID_ARGUMENT", invalid)), (http, answer(status, invalid)));
    let door = Trace::DoorAs(REGISTER, REGISTER);

    let large = vec![b' '; (1 << 20) + 1];
    let cases = refused(call(&[], framed(false, &large)).await, post(&[], large.clone()).await, 413);
    suite.saw("a body of a byte more than a mebibyte", cases, door);

    let endless =
        tonic::body::Body::new(http_body_util::Full::new(bytes::Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff, 0])));
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: 4294967295\r\n\r\n{{"
    );
    let cases = refused(call(&[], endless).await, http1(&world, &head).await, 413);
    suite.saw("a body said to be 4 GiB", cases, door);

    let json = format!("{{\"title\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes();
    // A group in a group in a group, of a field that nobody knows.
    let groups = [[0xa3, 0x06].repeat(50_000), [0xa4, 0x06].repeat(50_000)].concat();
    let cases = refused(call(&[], framed(false, &groups)).await, post(&[], json).await, 400);
    suite.saw("a body nested 50000 deep", cases, door);

    let bomb = bomb();
    let zipped = call(&[("grpc-encoding", "gzip")], framed(true, &bomb)).await;
    let cases = refused(zipped, post(&[("content-encoding", "gzip")], bomb.clone()).await, 415);
    suite.saw("256 MiB, gzipped", cases, door);
    let zipped = call(&[("grpc-encoding", "zstd")], framed(true, &bomb)).await;
    let cases = refused(zipped, post(&[("content-encoding", "gzip, gzip")], bomb).await, 415);
    suite.saw("256 MiB, in an encoding that nobody here reads", cases, door);

    let large = "x".repeat(20_000);
    let block = raw::request("POST", &register, &[("content-type", "application/grpc"), ("x-large", &large)]);
    let (first, rest) = block.split_at(16_000);
    let head = [raw::frame(kind::HEADERS, END_STREAM, 1, first), raw::frame(kind::CONTINUATION, END_HEADERS, 1, rest)];
    let got = http2(&world, &head.concat()).await;
    let got_http =
        http1(&world, &format!("GET /docs HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "x".repeat(100_000))).await;
    suite.saw(
        "a large header",
        both((got, answer(431, "")), (got_http, answer(431, ""))),
        Trace::Connections("broken", 1),
    );
    let fields: Vec<(&str, &str)> =
        [("content-type", "application/grpc")].into_iter().chain([("x-one", "1"); 600]).collect();
    let got = http2(
        &world,
        &raw::frame(kind::HEADERS, END_STREAM | END_HEADERS, 1, &raw::request("POST", &register, &fields)),
    )
    .await;
    let got_http = http1(&world, &format!("GET /docs HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-one: 1\r\n".repeat(200))).await;
    suite.saw(
        "many headers",
        both((got, answer(431, "")), (got_http, answer(431, ""))),
        Trace::Connections("broken", 1),
    );
    let long = "x".repeat(15_000);
    let got = call_path(&world, &token, &format!("/{long}")).await;
    let got_http =
        of_http(http(&world, Method::GET, &format!("/v1/{long}"), &[("authorization", &token)], Vec::new()).await);
    let unknown = "METHOD_UNKNOWN";
    let cases = both((got, answer("UNIMPLEMENTED", unknown)), (got_http, answer(404, unknown)));
    suite.saw("a path of 15000 characters", cases, Trace::DoorAs(OTHER, OTHER));
}

async fn call_path(world: &World, token: &str, path: &str) -> Answer {
    of_grpc(grpc(world, path, &[("authorization", token)], empty()).await)
}

/// Streams and frames without end, on one connection. Over HTTP/2 both protocols are frames; what is asked differs.
async fn many(suite: &mut Suite) {
    suite.part("Transport: many");
    let world = suite.world.seen_from(UNCOUNTED);
    let token = bearer(&world);
    let asked = |is_grpc: bool| {
        let (grpc_path, path) = (format!("/{LIST}"), format!("/v1/organisations/{}", world.id()));
        let (method, path) = if is_grpc { ("POST", grpc_path) } else { ("GET", path) };
        let kind = if is_grpc { "application/grpc" } else { "application/json" };
        raw::request(method, &path, &[("authorization", &token), ("content-type", kind)])
    };
    let closed = || answer("closed", "");
    let rapid = async |is_grpc: bool, by_us: bool| {
        let block = asked(is_grpc);
        let mut connection = Http2::over(world.connect().await).await;
        for stream in (1..200_000).step_by(2) {
            let open = raw::frame(kind::HEADERS, END_HEADERS | END_STREAM, stream, &block);
            let reset = match by_us {
                false => raw::frame(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes()),
                true => raw::frame(kind::WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes()),
            };
            if !connection.send(&[open, reset].concat()).await {
                return closed();
            }
        }
        answer("all were taken", "")
    };
    let cases = both((rapid(true, false).await, closed()), (rapid(false, false).await, closed()));
    suite.saw("streams opened and reset (CVE-2023-44487)", cases, Trace::Connections("broken", 2));
    let cases = both((rapid(true, true).await, closed()), (rapid(false, true).await, closed()));
    suite.saw("streams that we must reset (CVE-2025-8671)", cases, Trace::Connections("broken", 2));
    let endless = async |is_grpc: bool, more: Vec<u8>| {
        let mut connection = Http2::over(world.connect().await).await;
        connection.send(&raw::frame(kind::HEADERS, END_STREAM, 1, &asked(is_grpc))).await;
        let more = raw::frame(kind::CONTINUATION, 0, 1, &more).repeat(10);
        for _ in 0..20_000 {
            if !connection.send(&more).await {
                return closed();
            }
        }
        answer("all were taken", "")
    };
    let large = raw::head(&[("x-more", &"x".repeat(16_000))]);
    let cases = both((endless(true, large.clone()).await, closed()), (endless(false, large).await, closed()));
    suite.saw("a head that goes on and on (CVE-2024-27316)", cases, Trace::Connections("broken", 2));
    let cases = both((endless(true, Vec::new()).await, closed()), (endless(false, Vec::new()).await, closed()));
    suite.saw("a head in pieces of nothing", cases, Trace::Connections("broken", 2));
}

/// What no client sends: refused below the calls.
async fn malformed(suite: &mut Suite) {
    suite.part("Transport: malformed");
    let world = suite.world.seen_from(UNCOUNTED);
    let token = bearer(&world);
    let (reset, closed) = (|| answer("reset", ""), || answer("closed", ""));
    let path = format!("/v1/organisations/{}/projects", world.id());
    let post = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\nconnection: close\r\ncontent-type: application/json\r\n"
    );
    let get = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\nconnection: close\r\n");
    let smuggled = format!("DELETE {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    type Pair = (Answer, Answer);
    let cases_of_both: [(&str, Pair, Pair); 8] = [
        (
            "a line break in a header",
            (grpc_frames(&world, &[("x-a", "b\r\nx-admin: yes")], &[0; 5]).await, closed()),
            (http1(&world, &format!("{get}x-a: b\rx-admin: yes\r\n\r\n")).await, answer(400, "")),
        ),
        (
            "a zero byte in a header",
            (grpc_frames(&world, &[("x-a", "b\0c")], &[0; 5]).await, closed()),
            (http1(&world, &format!("{get}x-a: b\0c\r\n\r\n")).await, answer(400, "")),
        ),
        (
            "a header's name that is none",
            (grpc_frames(&world, &[("X-Capital", "1")], &[0; 5]).await, closed()),
            (http1(&world, &format!("{get}x a: 1\r\n\r\n")).await, answer(400, "")),
        ),
        (
            "a header continued on the next line",
            (grpc_frames(&world, &[("x-a", "b\n c")], &[0; 5]).await, closed()),
            (http1(&world, &format!("{get}x-a: b\r\n c\r\n\r\n")).await, answer(400, "")),
        ),
        (
            "two lengths",
            (grpc_frames(&world, &[("content-length", "5"), ("content-length", "50")], &[0; 5]).await, reset()),
            (
                http1(&world, &format!("{post}content-length: 2\r\ncontent-length: 60\r\n\r\n{{}}{smuggled}")).await,
                answer(400, ""),
            ),
        ),
        (
            "a length that is not the body's",
            (grpc_frames(&world, &[("content-length", "3")], &[0; 5]).await, reset()),
            (http1(&world, &format!("{post}content-length: +2\r\n\r\n{{}}")).await, answer(400, "")),
        ),
        (
            "an encoding of the transfer that is none",
            (grpc_frames(&world, &[("connection", "keep-alive")], &[0; 5]).await, reset()),
            (
                http1(&world, &format!("{post}transfer-encoding: xchunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n")).await,
                answer(400, ""),
            ),
        ),
        (
            "a pseudo-header that is none, or no version",
            (grpc_frames(&world, &[(":admin", "yes")], &[0; 5]).await, closed()),
            (http1(&world, &format!("GET {path} HTTP/9.9\r\nhost: x\r\n\r\n")).await, answer(400, "")),
        ),
    ];
    // The chunks count, as RFC 9112 (6.1) allows, and nothing behind them is read.
    let chunked = post.replace("connection: close\r\n", "");
    let chunked = format!("{chunked}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}");
    let answers = raw::http1_over(world.connect().await, &[chunked.as_bytes()], Duration::ZERO).await;
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
    let got = grpc_frames(&world, &[("content-length", "5"), ("transfer-encoding", "chunked")], &[0; 5]).await;
    let cases = both((got, reset()), (of_http1(&answers), answer(400, "FIELD_INVALID")));
    suite.saw("length and chunks at once", cases, Trace::Nowhere("what is behind them is not read"));
    suite.at_the_door("FIELD_INVALID", LIST, 1);
    for (name, got_grpc, got_http) in cases_of_both {
        // Reset is a stream alone, and its connection goes on.
        let broken = 1 + u64::from(got_grpc.1 == closed());
        suite.saw(name, both(got_grpc, got_http), Trace::Connections("broken", broken));
    }
}

/// One protocol's words in the other's mouth.
async fn confused(suite: &mut Suite) {
    suite.part("Transport: confused");
    let world = suite.world.seen_from(super::ATTACKER);
    let token = bearer(&world);
    let headers = [("authorization", &*token)];
    let (list, path) = (format!("/{LIST}"), format!("/v1/organisations/{}/projects", world.id()));
    let (invalid, unknown) = ("MESSAGE_INVALID", "METHOD_UNKNOWN");
    let json = br#"{"organisation":"x","title":"y"}"#.to_vec();

    let body = tonic::body::Body::new(http_body_util::Full::new(bytes::Bytes::from(json.clone())));
    let got = of_grpc(grpc(&world, &list, &headers, body).await);
    let typed = [headers[0], ("content-type", "application/json")];
    let got_http = of_http(http(&world, Method::POST, &path, &typed, vec![0, 0, 0, 0, 2, 10, 0]).await);
    let cases = both((got, answer("INVALID_ARGUMENT", invalid)), (got_http, answer(400, invalid)));
    suite.saw("the other protocol's body", cases, Trace::DoorAs(LIST, REGISTER));

    let got = of_grpc(grpc(&world, &path, &headers, empty()).await);
    let got_http = of_http(http(&world, Method::POST, &list, &typed, json.clone()).await);
    let cases = both((got, answer("UNIMPLEMENTED", unknown)), (got_http, answer(404, unknown)));
    suite.saw("the other protocol's path", cases, Trace::DoorAs(OTHER, OTHER));

    let got = of_grpc(grpc(&world, &list, &headers, framed(false, &[10, 200, 1])).await);
    let typed = [headers[0], ("content-type", "text/xml")];
    let got_http = of_http(http(&world, Method::POST, &path, &typed, b"<title/>".to_vec()).await);
    let cases = both((got, answer("INVALID_ARGUMENT", invalid)), (got_http, answer(415, invalid)));
    suite.saw("a body cut short, or of another kind", cases, Trace::DoorAs(LIST, REGISTER));

    // The organisation said twice: what stands last, or in the path, is what is asked for, and nothing else is.
    let (ours, theirs) = (world.id(), suite.there.id());
    let twice = |first: &str, second: &str| {
        let one =
            |id: &str| pb::ListProjectsRequest { organisation: id.to_owned(), ..Default::default() }.encode_to_vec();
        framed(false, &[one(first), one(second)].concat())
    };
    let got = of_grpc(grpc(&world, &list, &headers, twice(&ours, &theirs)).await);
    let register =
        serde_json::json!({"organisation": ours, "title": "t", "vision": "v", "orgUnit": ours, "projectOwner": "o",
        "projectManager": "m", "projectClass": "PROJECT_CLASS_EFFICIENCY"})
        .to_string()
        .into_bytes();
    let foreign = format!("/v1/organisations/{theirs}/projects");
    let typed = [headers[0], ("content-type", "application/json")];
    let got_http = of_http(http(&world, Method::POST, &foreign, &typed, register).await);
    let cases = both((got, answer("NOT_FOUND", "NOT_FOUND")), (got_http, answer(404, "NOT_FOUND")));
    suite.saw("a foreign organisation behind one's own", cases, Trace::DoorAs(LIST, REGISTER));

    let methods = ["TRACE", "CONNECT", "DELETE", "PROPFIND"];
    for method in methods {
        let target = if method == "CONNECT" { "x:443" } else { &path };
        let request =
            format!("{method} {target} HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\nconnection: close\r\n\r\n");
        let got_http = http1(&world, &request).await;
        let wanted = if method == "CONNECT" { 404 } else { 405 };
        let only_http = Both { grpc: None, http: Some((got_http, answer(wanted, unknown))) };
        suite.saw(&format!("method {method}"), only_http, Trace::DoorAs(OTHER, OTHER));
    }
    let overridden = [headers[0], ("x-http-method-override", "GET"), ("x-method-override", "GET")];
    let got_http = of_http(http(&world, Method::DELETE, &path, &overridden, Vec::new()).await);
    let only_http = Both { grpc: None, http: Some((got_http, answer(405, unknown))) };
    suite.saw("another method in an override", only_http, Trace::DoorAs(OTHER, OTHER));
    let web = [headers[0], ("content-type", "application/grpc-web-text")];
    let (_, answered, _) = http(&world, Method::POST, &list, &web, b"!!!! no base64 !!!!".to_vec()).await;
    let got = of_grpc((Status::from_header_map(&answered).unwrap(), answered));
    let only_grpc = Both { grpc: Some((got, answer("INVALID_ARGUMENT", invalid))), http: None };
    suite.saw("gRPC-Web that is no base64", only_grpc, Trace::DoorAs(LIST, LIST));
    let deadlines = [headers[0], ("grpc-timeout", "99999999999999999999H")];
    let get = async |name: &str, value: &str| {
        of_http(http(&world, Method::GET, &path, &[headers[0], (name, value)], Vec::new()).await)
    };
    let request = pb::ListProjectsRequest { organisation: ours.clone(), ..Default::default() }.encode_to_vec();
    let got = of_grpc(grpc(&world, &list, &deadlines, framed(false, &request)).await);
    let cases = both((got, answer("OK", "")), (get("x-request-timeout", "1e999").await, answer(400, "FIELD_INVALID")));
    suite.saw("a deadline that is none", cases, HARMLESS);
}

/// Paths that another reader might take for a better one.
async fn paths(suite: &mut Suite) {
    suite.part("Transport: paths");
    let world = suite.world.seen_from(super::ATTACKER);
    let (token, id, theirs) = (bearer(&world), world.id(), suite.there.id());
    let unknown = "METHOD_UNKNOWN";
    let cases = [
        ("two dots", format!("/gevinst.v1.X/../{LIST}"), format!("/v1/x/../organisations/{id}/projects")),
        (
            "two dots, encoded",
            format!("/gevinst.v1.X/%2e%2e/{LIST}"),
            format!("/v1/x/%2e%2e/organisations/{id}/projects"),
        ),
        ("two slashes", format!("//{LIST}"), format!("//v1//organisations/{id}/projects")),
        ("a parameter behind a semicolon", format!("/{LIST};x=y"), format!("/v1/organisations/{id}/projects;x=y")),
        (
            "an encoded slash",
            LIST.replace('/', "%2f").replacen("gevinst", "/gevinst", 1),
            format!("/v1%2forganisations/{id}/projects"),
        ),
        ("a slash at the end", format!("/{LIST}/"), format!("/v1/organisations/{id}/projects/")),
        ("capitals", format!("/{}", LIST.to_uppercase()), format!("/V1/Organisations/{id}/Projects")),
        ("an encoded zero byte", format!("/{LIST}%00"), format!("/v1/organisations/{id}/projects%00")),
    ];
    for (name, grpc_path, path) in cases {
        let got = call_path(&world, &token, &grpc_path).await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\nconnection: close\r\n\r\n");
        let wanted =
            both((got, answer("UNIMPLEMENTED", unknown)), (http1(&world, &request).await, answer(404, unknown)));
        suite.saw(name, wanted, Trace::DoorAs(OTHER, OTHER));
    }
    // A URI's encoded letter is that letter; a method's name is no URI's.
    let got = call_path(&world, &token, &format!("/{}", LIST.replace("List", "%4cist"))).await;
    let only_grpc = Both { grpc: Some((got, answer("UNIMPLEMENTED", unknown))), http: None };
    suite.saw("an encoded letter", only_grpc, Trace::DoorAs(OTHER, OTHER));
    // An id with more in it than an id.
    for (name, more) in
        [("another path in an id", format!("..%2f{theirs}")), ("SQL in an id", "x'%20OR%20'1'='1".to_owned())]
    {
        let request = format!(
            "GET /v1/organisations/{id}/projects/{more} HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\nconnection: close\r\n\r\n"
        );
        let asked =
            pb::GetProjectRequest { organisation: id.clone(), project: more.replace("%2f", "/").replace("%20", " ") };
        let get = "/gevinst.v1.ProjectService/GetProject";
        let got = of_grpc(grpc(&world, get, &[("authorization", &token)], framed(false, &asked.encode_to_vec())).await);
        let invalid = "FIELD_INVALID";
        let wanted =
            both((got, answer("INVALID_ARGUMENT", invalid)), (http1(&world, &request).await, answer(400, invalid)));
        let get = get.trim_start_matches('/');
        suite.saw(name, wanted, Trace::DoorAs(get, get));
    }
}

/// Headers and addresses that would be believed elsewhere open nothing here.
async fn claims_without_a_token(suite: &mut Suite) {
    suite.part("Transport: without a token, and instead of one");
    let world = suite.world.seen_from(super::ATTACKER);
    let good = world.token("office", &[Role::PortfolioOffice]);
    let (list, path) = (format!("/{LIST}"), format!("/v1/organisations/{}/projects", world.id()));
    let cookie = format!("authorization=Bearer {good}; token={good}");
    let cases = [
        ("a proxy's word for who calls", "x-forwarded-user", "office"),
        ("a proxy's word that the call is from here", "x-forwarded-for", "127.0.0.1"),
        ("a proxy's word for a certificate", "x-forwarded-client-cert", "Hash=00;Subject=\"CN=office\""),
        ("another host", "host", "localhost"),
        ("another address of the request", "x-original-url", "/openapi.json"),
        ("another method", "x-http-method-override", "OPTIONS"),
        ("the token in a cookie", "cookie", &*cookie),
        ("the token in another header", "proxy-authorization", &*cookie),
        ("a preflight", "access-control-request-method", "GET"),
    ];
    let missing = "TOKEN_MISSING";
    for (name, header, value) in cases {
        let got = of_grpc(grpc(&world, &list, &[(header, value)], empty()).await);
        let got_http = of_http(http(&world, Method::GET, &path, &[(header, value)], Vec::new()).await);
        let cases = both((got, answer("UNAUTHENTICATED", missing)), (got_http, answer(401, missing)));
        suite.saw(name, cases, Trace::DoorAs(LIST, LIST));
    }
    let got = of_grpc(grpc(&world, &format!("{list}?access_token={good}"), &[], empty()).await);
    let in_query = format!("{path}?access_token={good}");
    let got_http = of_http(http(&world, Method::GET, &in_query, &[], Vec::new()).await);
    let cases = both((got, answer("UNAUTHENTICATED", missing)), (got_http, answer(401, missing)));
    suite.saw("the token in the address", cases, Trace::DoorAs(LIST, LIST));
    let (token, key) = (("authorization", "Bearer æøå"), ("idempotency-key", "nøgle"));
    let good = format!("Bearer {good}");
    let request = pb::ListProjectsRequest { organisation: world.id(), ..Default::default() }.encode_to_vec();
    let known = ("authorization", &*good);
    let cases = [
        (
            "a token that is no ASCII",
            &[token][..],
            ("UNAUTHENTICATED", 401, "TOKEN_INVALID"),
            Trace::DoorAs(LIST, LIST),
        ),
        (
            "a key that is no ASCII",
            &[known, key][..],
            ("INVALID_ARGUMENT", 400, "IDEMPOTENCY_KEY_INVALID"),
            Trace::DoorAs(LIST, LIST),
        ),
    ];
    for (name, headers, (code, status, reason), trace) in cases {
        let got = of_grpc(grpc(&world, &list, headers, framed(false, &request)).await);
        let got_http = of_http(http(&world, Method::GET, &path, headers, Vec::new()).await);
        suite.saw(name, both((got, answer(code, reason)), (got_http, answer(status, reason))), trace);
    }
    // What is open to everybody leads nowhere else.
    let got = of_grpc(grpc(&world, &format!("/grpc.health.v1.Health/../{LIST}"), &[], empty()).await);
    let request = format!("GET /openapi.json/..{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let cases =
        both((got, answer("UNIMPLEMENTED", "METHOD_UNKNOWN")), (http1(&world, &request).await, answer(401, missing)));
    suite.saw("a way from what is open", cases, Trace::DoorAs(OTHER, OTHER));
}

/// An address that has used up its calls, and says that it is another, behind a server that counts them.
async fn forwarded(suite: &mut Suite) {
    const FLOOD: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 67, 1));
    suite.part("Transport: many");
    let mut settings = config();
    settings.limits.calls_per_address = 2;
    let limited = World::with(settings).await;
    let flood = limited.seen_from(FLOOD);
    let token = bearer(&flood);
    let path = format!("/v1/organisations/{}", flood.id());
    let mut got = [answer("served", ""), answer("served", "")];
    for number in 0..50_u8 {
        let address = format!("203.0.113.{number}");
        let headers = [("authorization", &*token), ("x-forwarded-for", &*address), ("x-real-ip", &*address)];
        let forwarded = format!("for={address}");
        let headers = [&headers[..], &[("forwarded", &*forwarded)]].concat();
        let answers = [
            of_grpc(grpc(&flood, &format!("/{LIST}"), &headers, empty()).await),
            of_http(http(&flood, Method::GET, &path, &headers, Vec::new()).await),
        ];
        for (got, answered) in got.iter_mut().zip(answers) {
            if answered.reason == "RATE_LIMITED" {
                *got = answered;
            }
        }
    }
    let [grpc, http] = got;
    let limit = "RATE_LIMITED";
    let cases = both((grpc, answer("RESOURCE_EXHAUSTED", limit)), (http, answer(429, limit)));
    suite.saw("a flood that says each time it is another address", cases, Trace::Door);
    // Everybody else is served, and the flood is on record.
    limited.office().call(pb::GetOrganisationRequest { organisation: limited.id() }).await.unwrap();
    let owner = owner().await;
    until("the flood is counted", async || {
        let sql =
            "SELECT coalesce(sum(count), 0)::bigint FROM refused_calls WHERE reason = 'RATE_LIMITED' AND network = $1";
        let row = owner.query_one_raw(gevinst::db::postgres(sql, ["127.0.67.0/24".into()])).await.unwrap().unwrap();
        row.try_get_by_index::<i64>(0).unwrap() > 20
    })
    .await;
    limited.stop().await;
}
