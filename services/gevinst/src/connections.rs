//! Connections: accepted, encrypted, bounded in number, time and what they may hold open. What is asked over them is the
//! routes' affair.
//!
//! A connection has a little time to encrypt itself and to ask something, so that one that only sits there does not keep
//! a place; it may live for a while, so that callers find new replicas; then it is asked to go, and made to.

use std::{
    io,
    net::IpAddr,
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
use ipnet::IpNet;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{
    config::Limits,
    peer::Peer,
    shares::Shares,
    telemetry::Metrics,
    tls::{self, Tls},
};

/// How long things may take.
#[derive(Clone, Copy)]
pub struct Times {
    /// A handshake; and again from then until the first call has arrived.
    first_call: Duration,
    /// The head of a call over HTTP/1.1, and the wait for the next one.
    next_call: Duration,
    /// A connection's use.
    age: Duration,
    /// The end of one that has been asked to go, with calls under way.
    leave: Duration,
}

/// How long things may take in production.
pub const TIMES: Times = Times {
    first_call: Duration::from_secs(10),
    next_call: Duration::from_secs(30),
    age: Duration::from_secs(30 * 60),
    leave: Duration::from_secs(60),
};

/// How long one may take to go that has never asked anything.
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
    shares: Arc<Shares>,
    times: Times,
    metrics: Arc<Metrics>,
    http: auto::Builder<TokioExecutor>,
    stop: CancellationToken,
}

impl Connections {
    /// Serves these routes until `stop`.
    pub fn new(
        routes: Router,
        tls: Option<Arc<Tls>>,
        limits: &Limits,
        trusted_proxies: &[IpNet],
        times: Times,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> Self {
        provide_files(limits.max_connections);
        Self {
            routes,
            tls,
            places: Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS))),
            handshakes: Semaphore::new(HANDSHAKES),
            shares: Shares::new(limits.connections_per_address, trusted_proxies.to_vec()),
            times,
            metrics,
            http: http(times),
            stop,
        }
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
                    let Some(part) = shared.shares.take(address) else {
                        shared.metrics.count_unserved("share used up");
                        continue;
                    };
                    shared.metrics.connections.inc();
                    let shared = shared.clone();
                    open.spawn(async move {
                        let _open = Open(&shared.metrics);
                        shared.serve_one(stream, address).await;
                        drop((place, part));
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
    async fn accept(&self, listener: &TcpListener) -> (TcpStream, IpAddr, Option<OwnedSemaphorePermit>) {
        // Never closed.
        let place = self.places.clone().acquire_owned().await.ok();
        loop {
            match listener.accept().await {
                Ok((stream, address)) => return (stream, address.ip().to_canonical(), place),
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
    async fn serve_one(&self, stream: TcpStream, address: IpAddr) {
        // An answer is small and waits for nothing: no Nagle.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection ended before it began");
            return;
        }
        let mut peer = Peer { address, certificate_sha256: None, is_encrypted: self.tls.is_some() };
        let Some(tls) = &self.tls else { return self.answer(stream, peer).await };
        let shaken = timeout(self.times.first_call, async {
            let _permit = self.handshakes.acquire().await;
            TlsAcceptor::from(tls.current()).accept(stream).await
        });
        match self.stop.run_until_cancelled(shaken).await {
            Some(Ok(Ok(stream))) => {
                peer.certificate_sha256 = tls::certificate_sha256(stream.get_ref().1);
                self.answer(stream, peer).await;
            }
            Some(Ok(Err(error))) => {
                self.metrics.count_unserved("handshake failed");
                tracing::debug!(%error, "a TLS handshake failed");
            }
            Some(Err(_)) => self.metrics.count_unserved("handshake too slow"),
            None => {}
        }
    }

    /// Answers what is asked over a connection, for as long as it may live.
    async fn answer(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Peer) {
        let called = AtomicBool::new(false);
        let answer = service_fn(|mut request: Request<Incoming>| {
            called.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(peer.clone());
            self.routes.clone().oneshot(request.map(Body::new))
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), answer);
        let mut connection = std::pin::pin!(connection);
        let began = Instant::now();
        let mut alarm = std::pin::pin!(sleep(self.times.first_call));
        let (mut is_new, mut is_leaving, mut is_stopping) = (true, false, false);
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        // After calls too: of a flood of resets, some may have been one.
                        self.metrics.count_unserved("broken");
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
                        alarm.as_mut().reset(began + self.times.age);
                    } else {
                        if !is_used {
                            self.metrics.count_unserved("no call");
                        }
                        is_leaving = true;
                        connection.as_mut().graceful_shutdown();
                        alarm.as_mut().reset(Instant::now() + if is_used { self.times.leave } else { LEAVE_UNUSED });
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

/// A connection that is open, as the metrics have it.
struct Open<'m>(&'m Metrics);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

/// Files for so many connections, and for the database, the probes and the traces besides.
fn provide_files(max_connections: usize) {
    let needed = u64::try_from(max_connections).unwrap_or(u64::MAX).saturating_add(256);
    match rlimit::increase_nofile_limit(needed) {
        Ok(limit) if limit >= needed => {}
        Ok(limit) => tracing::warn!(limit, needed, "the limit of open files is too low for GEVINST_MAX_CONNECTIONS"),
        Err(error) => tracing::warn!(%error, needed, "the limit of open files cannot be raised"),
    }
}

/// What HTTP/1.1 and HTTP/2 may take of us, each set, so that no default decides.
fn http(times: Times) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(times.next_call).max_headers(100).max_buf_size(64 * 1024);
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::{Extension, body::Bytes, routing::get};
    use rcgen::{CertificateParams, IsCa, Issuer, KeyPair};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::config::TlsConfig;

    /// Serves until the end of the test.
    async fn serve(routes: Router, tls: Option<Arc<Tls>>, times: Times) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections =
            Connections::new(routes, tls, &Limits::unlimited(), &[], times, Arc::default(), CancellationToken::new());
        tokio::spawn(connections.serve(listener));
        address
    }

    /// Asks once, and reads to the end of the connection.
    async fn ask(address: std::net::SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let read = timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await.expect("it ends");
        // An answer that is cut off may end in a reset.
        assert!(read.is_ok() || !answer.is_empty());
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn connection_of_age_asked_to_go_and_then_made_to() {
        let short = Duration::from_millis(300);
        let times = Times { first_call: short, age: 2 * short, leave: short, ..TIMES };
        let fine = serve(Router::new().route("/", get(async || "fine")), None, times).await;
        assert!(ask(fine).await.ends_with("fine"), "kept open after the answer, and closed by us");
        // An answer that never ends is cut off.
        let endless = tokio_stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"and "))]);
        let endless = tokio_stream::StreamExt::chain(endless, tokio_stream::pending());
        let endless = Arc::new(std::sync::Mutex::new(Some(Body::from_stream(endless))));
        let routes = Router::new().route("/", get(async move || endless.lock().unwrap().take().unwrap()));
        let answer = ask(serve(routes, None, times).await).await;
        assert!(answer.contains("and ") && !answer.ends_with("0\r\n\r\n"), "{answer}");
    }

    #[tokio::test]
    async fn client_certificate_verified_is_the_peers() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root_key = KeyPair::generate().unwrap();
        let root_certificate = root.self_signed(&root_key).unwrap();
        let issuer = Issuer::new(root, root_key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let config = TlsConfig {
            certificate: write("tls.crt", &leaf.pem()),
            key: write("tls.key", &key.serialize_pem()),
            client_ca: Some(write("clients.crt", &root_certificate.pem())),
        };
        let tls = Tls::start(&config, CancellationToken::new()).unwrap();
        let told = async |Extension(peer): Extension<Peer>| {
            assert!(peer.is_encrypted && peer.address.is_loopback());
            peer.certificate_sha256.map_or(Vec::new(), Vec::from)
        };
        let address = serve(Router::new().route("/", get(told)), Some(tls), TIMES).await;
        let ask = async |identity: Option<reqwest::Identity>| {
            let root = reqwest::Certificate::from_pem(root_certificate.pem().as_bytes()).unwrap();
            let mut client = reqwest::Client::builder().tls_certs_only([root]);
            if let Some(identity) = identity {
                client = client.identity(identity);
            }
            let url = format!("https://localhost:{}/", address.port());
            client.build().unwrap().get(url).send().await.unwrap().bytes().await.unwrap()
        };
        assert_eq!(ask(None).await, "", "none was shown");
        let identity = reqwest::Identity::from_pem((leaf.pem() + &key.serialize_pem()).as_bytes()).unwrap();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, leaf.der());
        assert_eq!(ask(Some(identity)).await, hash.as_ref());
    }
}
