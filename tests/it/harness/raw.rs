//! Connections by hand, for what no well-behaved client sends: HTTP/1.1 as bytes, HTTP/2 as frames. Over TLS or not is
//! the stream's affair.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::process::PATIENCE;

/// HTTP/2's kinds of frames, as far as they are sent or looked at here (RFC 9113, 6).
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// The flag of the last frame of a stream.
pub const END_STREAM: u8 = 0x1;
/// The flag of the last frame of a head.
pub const END_HEADERS: u8 = 0x4;
/// The flag of an answer to SETTINGS or PING.
pub const ACK: u8 = 0x1;

/// What came in a frame.
#[derive(Debug)]
pub struct Frame {
    /// Which kind.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// The rest.
    pub payload: Vec<u8>,
}

/// A frame's bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A head as HPACK writes it without any table: every name and value in full.
pub fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        text(&mut block, name);
        text(&mut block, value);
    }
    block
}

/// The head of a request; `more` are fields besides those that each has.
pub fn request(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "raw")];
    head(&[&pseudo, more].concat())
}

/// A length in seven bits and what is over in groups of seven (RFC 7541, 5.1), then the text.
fn text(block: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()) {
        Ok(length @ 0..127) => block.push(length),
        _ => {
            block.push(127);
            let mut rest = text.len() - 127;
            while rest >= 128 {
                block.push((rest % 128) as u8 | 128);
                rest /= 128;
            }
            block.push(rest as u8);
        }
    }
    block.extend_from_slice(text.as_bytes());
}

/// One end of an HTTP/2 connection.
pub struct Http2<S = TcpStream> {
    stream: S,
    received: Vec<u8>,
}

impl Http2 {
    /// Connects and says that this is HTTP/2.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap()).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Http2<S> {
    /// Says over an open stream that this is HTTP/2.
    pub async fn over(stream: S) -> Self {
        let mut connection = Self { stream, received: Vec::new() };
        let hello = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(kind::SETTINGS, 0, 0, &[])].concat();
        assert!(connection.send(&hello).await, "a new connection is there");
        connection
    }

    /// Sends bytes; whether the other end is still there to take them.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// The next frame; nothing when the other end has closed. Answers SETTINGS and PING, as everybody must.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take() {
                if matches!(frame.kind, kind::SETTINGS | kind::PING) && frame.flags & ACK == 0 {
                    let payload = if frame.kind == kind::PING { &frame.payload[..] } else { &[] };
                    self.send(&self::frame(frame.kind, ACK, 0, payload)).await;
                }
                return Some(frame);
            }
            let mut piece = [0; 16 * 1024];
            let read = timeout(PATIENCE, self.stream.read(&mut piece)).await.expect("something comes, or the end");
            match read {
                Ok(length @ 1..) => self.received.extend_from_slice(&piece[..length]),
                Ok(0) | Err(_) => return None,
            }
        }
    }

    fn take(&mut self) -> Option<Frame> {
        let head = self.received.get(..9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (kind, flags) = (head[3], head[4]);
        let payload = self.received.get(9..9 + length)?.to_vec();
        self.received.drain(..9 + length);
        Some(Frame { kind, flags, payload })
    }

    /// Reads on until this kind of frame comes, or the end.
    pub async fn until(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Reads to the end; the error code of the GOAWAY that announced it, if one did.
    pub async fn end(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.next().await {
            if frame.kind == kind::GOAWAY {
                code = frame.payload[4..8].try_into().ok().map(u32::from_be_bytes);
            }
        }
        code
    }
}

/// Sends these bytes over a connection of their own, in pieces with this time between them, and gives all that comes
/// back until the other end closes. Nobody has to wait for the last piece.
pub async fn http1(address: SocketAddr, pieces: &[&[u8]], between: Duration) -> String {
    http1_over(TcpStream::connect(address).await.unwrap(), pieces, between).await
}

/// The same over an open stream.
pub async fn http1_over(stream: TcpStream, pieces: &[&[u8]], between: Duration) -> String {
    let (mut reader, mut writer) = stream.into_split();
    let sending = async {
        for (number, piece) in pieces.iter().enumerate() {
            if number > 0 {
                tokio::time::sleep(between).await;
            }
            if writer.write_all(piece).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    let reading = async {
        // Reset, with or without an answer before, is an end as well.
        let _ = reader.read_to_end(&mut answer).await;
    };
    let ended = timeout(PATIENCE, async {
        tokio::select! {
            () = sending => {}
            () = reading => {}
        }
    });
    ended.await.expect("the other end closes");
    String::from_utf8_lossy(&answer).into_owned()
}
