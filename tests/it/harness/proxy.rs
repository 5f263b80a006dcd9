//! A proxy in front of PostgreSQL that counts what a client asks: each `Execute` or simple query is a round trip.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
};

/// The proxy's address, and the questions asked through it.
pub struct Proxy {
    /// Where to connect to.
    pub address: SocketAddr,
    questions: Arc<AtomicUsize>,
}

impl Proxy {
    /// Listens, and passes everything on to that port.
    pub async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let questions = Arc::new(AtomicUsize::new(0));
        let counter = questions.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let (client_read, mut client_write) = client.into_split();
                let (mut server_read, server_write) = server.into_split();
                tokio::spawn(pass_on(client_read, server_write, counter.clone()));
                tokio::spawn(async move { copy(&mut server_read, &mut client_write).await });
            }
        });
        Self { address, questions }
    }

    /// How many questions have been asked so far.
    pub fn questions(&self) -> usize {
        self.questions.load(Ordering::Relaxed)
    }
}

/// Passes the client's messages on, one by one. The first has no type byte.
async fn pass_on(
    mut client: tokio::net::tcp::OwnedReadHalf,
    mut server: tokio::net::tcp::OwnedWriteHalf,
    questions: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    let mut started = false;
    loop {
        let kind = if started { Some(client.read_u8().await?) } else { None };
        let length = client.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        client.read_exact(&mut body).await?;
        if matches!(kind, Some(b'E' | b'Q')) {
            questions.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(kind) = kind {
            server.write_u8(kind).await?;
        }
        server.write_u32(length).await?;
        server.write_all(&body).await?;
        server.flush().await?;
        // An SSLRequest (80877103) comes before the startup message proper and has no type byte either.
        started = started || body.get(..4) != Some(&80_877_103_u32.to_be_bytes()[..]);
    }
}
