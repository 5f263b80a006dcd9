//! Connections: accepted, encrypted, bounded in number, time and what they may hold open. What is asked over them is the
//! routes' affair.
//!
//! A connection has [`FIRST_CALL`] to encrypt itself and to ask something, so that one that only sits there does not
//! keep a place; it may live for [`AGE`], so that callers find new replicas; then it is asked to go, and made to.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{either::Either, sync::CancellationToken};
use tower::ServiceExt;

use crate::{
    peer::Peer,
    tls::{self, Tls},
};

/// How long a handshake may take, and how long a connection may be open before its first call has arrived.
const FIRST_CALL: Duration = Duration::from_secs(10);

/// How long the head of a call may take over HTTP/1.1, and how long a connection is kept for the next one.
const NEXT_CALL: Duration = Duration::from_secs(30);

/// How long a connection may be used.
const AGE: Duration = Duration::from_secs(30 * 60);

/// How long one may go on that has been asked to go.
const LEAVE: Duration = Duration::from_secs(60);

/// The same for one that has never asked anything.
const LEAVE_UNUSED: Duration = Duration::from_secs(1);

/// How many handshakes go on at once: each holds memory before anything is known of the other end.
const HANDSHAKES: usize = 512;

/// How long to wait when the machine has no more connections to give.
const RECOVER: Duration = Duration::from_millis(100);

/// The largest head of a call, in bytes.
const MAX_HEAD: u32 = 16 * 1024;

/// What every connection shares.
pub struct Connections {
    routes: Router,
    tls: Option<Arc<Tls>>,
    places: Arc<Semaphore>,
    handshakes: Semaphore,
    http: auto::Builder<TokioExecutor>,
    stop: CancellationToken,
}

impl Connections {
    /// Serves these routes, to so many connections at once, until `stop`.
    pub fn new(routes: Router, tls: Option<Arc<Tls>>, max_connections: usize, stop: CancellationToken) -> Self {
        let places = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
        Self { routes, tls, places, handshakes: Semaphore::new(HANDSHAKES), http: http(), stop }
    }

    /// Accepts connections until `stop`, and returns when the last one has ended. Dropping this drops them.
    pub async fn serve(self, listener: TcpListener) {
        let shared = Arc::new(self);
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                () = shared.stop.cancelled() => break,
                Some(ended) = open.join_next() => log(ended),
                (stream, address, place) = shared.accept(&listener) => {
                    let shared = shared.clone();
                    open.spawn(async move {
                        shared.serve_one(stream, address).await;
                        drop(place);
                    });
                }
            }
        }
        // Who comes now is told at once that nobody is here.
        drop(listener);
        while let Some(ended) = open.join_next().await {
            log(ended);
        }
    }

    /// The next connection, once there is a place for it: until then it waits where it costs least, in the kernel.
    async fn accept(&self, listener: &TcpListener) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
        // Never closed.
        let place = self.places.clone().acquire_owned().await.ok();
        loop {
            match listener.accept().await {
                Ok((stream, address)) => return (stream, address, place),
                // Gone again before it was accepted.
                Err(error) if is_the_callers(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "no connection can be accepted");
                    sleep(RECOVER).await;
                }
            }
        }
    }

    /// Serves one connection to its end.
    async fn serve_one(&self, stream: TcpStream, address: SocketAddr) {
        // An answer is small and waits for nothing: no Nagle.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection ended before it began");
            return;
        }
        let mut peer =
            Peer { address: address.ip().to_canonical(), certificate_sha256: None, is_encrypted: self.tls.is_some() };
        let stream = match &self.tls {
            None => Either::Left(stream),
            Some(tls) => {
                let shaken = timeout(FIRST_CALL, async {
                    let _permit = self.handshakes.acquire().await;
                    TlsAcceptor::from(tls.current()).accept(stream).await
                });
                match self.stop.run_until_cancelled(shaken).await {
                    Some(Ok(Ok(stream))) => {
                        peer.certificate_sha256 = tls::certificate_sha256(stream.get_ref().1);
                        Either::Right(stream)
                    }
                    Some(Ok(Err(error))) => {
                        tracing::debug!(%error, "a TLS handshake failed");
                        return;
                    }
                    Some(Err(_)) | None => return,
                }
            }
        };
        let called = AtomicBool::new(false);
        let answer = service_fn(|mut request: Request<Incoming>| {
            called.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(peer.clone());
            self.routes.clone().oneshot(request.map(Body::new))
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), answer);
        let mut connection = std::pin::pin!(connection);
        let began = Instant::now();
        let mut alarm = std::pin::pin!(sleep(FIRST_CALL));
        let (mut is_new, mut is_leaving, mut is_stopping) = (true, false, false);
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(error, "a connection broke");
                    }
                    return;
                }
                () = alarm.as_mut() => {
                    if is_leaving {
                        return;
                    }
                    let is_used = called.load(Ordering::Relaxed);
                    if is_new && is_used {
                        is_new = false;
                        alarm.as_mut().reset(began + AGE);
                    } else {
                        is_leaving = true;
                        connection.as_mut().graceful_shutdown();
                        alarm.as_mut().reset(Instant::now() + if is_used { LEAVE } else { LEAVE_UNUSED });
                    }
                }
                () = self.stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// What HTTP/1.1 and HTTP/2 may take of us, each set, so that no default decides.
fn http() -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(NEXT_CALL).max_headers(100).max_buf_size(64 * 1024);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(200)
        .max_header_list_size(MAX_HEAD)
        // Streams that are opened and reset at once (CVE-2023-44487), and errors that make us reset: beyond these the
        // connection ends.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(20)
        // What is sent before anybody reads it is held here: per stream, per connection.
        .initial_stream_window_size(128 * 1024)
        .initial_connection_window_size(512 * 1024)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10));
    http
}

/// Whether this connection alone is to blame, and the next one may be had at once.
fn is_the_callers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionRefused | ConnectionAborted | ConnectionReset)
}

fn log(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task ended badly");
    }
}
