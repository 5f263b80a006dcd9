//! Who is at the other end of the connection: an address, and, over mutual TLS, a certificate.

use std::net::IpAddr;

/// The other end of a connection; an extension of every request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where the call comes from: the connection's address, or what a trusted proxy says of it.
    pub address: IpAddr,
    /// SHA-256 of the client certificate's DER (RFC 8705, 3.1), where one was shown and verified.
    pub certificate_sha256: Option<[u8; 32]>,
}
