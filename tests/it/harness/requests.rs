//! Requests by hand over clients that behave: any method, path, header and body.

use std::{convert::Infallible, io::Write, time::Duration};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::{BodyExt, Full, StreamBody};
use tonic::{Status, body::Body};
use tonic_types::StatusExt;
use tower::ServiceExt;

use super::World;

/// A call over HTTP: status, headers, body.
pub async fn http(
    world: &World,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> (u16, HeaderMap, Vec<u8>) {
    let mut request = world.client.request(method, format!("http://{}{path}", world.address)).body(body);
    for (name, value) in headers {
        request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.bytes().await.unwrap().to_vec())
}

/// A call over gRPC with a body of any kind: how it ended, and with which headers.
pub async fn grpc(world: &World, path: &str, headers: &[(&str, &str)], body: Body) -> (Status, HeaderMap) {
    let mut request = http::Request::post(format!("http://{}{path}", world.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let answer = world.new_channel().oneshot(request.body(body).unwrap()).await.unwrap();
    let headers = answer.headers().clone();
    let status = match Status::from_header_map(&headers) {
        Some(status) => status,
        None => {
            let trailers = answer.into_body().collect().await.unwrap().trailers().cloned();
            Status::from_header_map(&trailers.unwrap_or_default()).unwrap()
        }
    };
    (status, headers)
}

/// A message as gRPC frames it, compressed or not.
pub fn framed(is_compressed: bool, message: &[u8]) -> Body {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    Body::new(Full::new(Bytes::from([&[u8::from(is_compressed)], &length[..], message].concat())))
}

/// One empty message.
pub fn empty() -> Body {
    framed(false, &[])
}

/// The reason that a status tells; empty when it tells none.
pub fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// A gRPC message that never ends, a byte at a time.
pub fn trickle() -> Body {
    let bytes = stream::unfold(0, |sent| async move {
        let piece: &[u8] = if sent == 0 { &[0, 0, 0, 4, 0] } else { b"x" };
        tokio::time::sleep(Duration::from_millis(100)).await;
        Some((Ok::<_, Infallible>(http_body::Frame::data(Bytes::from_static(piece))), sent + 1))
    });
    Body::new(StreamBody::new(bytes))
}

/// 256 MiB of nothing, in a quarter of one.
pub fn bomb() -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    let nothing = vec![b' '; 1 << 20];
    for _ in 0..256 {
        packer.write_all(&nothing).unwrap();
    }
    packer.finish().unwrap()
}
