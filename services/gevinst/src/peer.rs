//! Who is at the other end of the connection: an address, and, over mutual TLS, a certificate. Behind a proxy the
//! connection is the proxy's, and its word counts if its address is one that the configuration trusts; anybody else may
//! write what they like into the same headers, and nothing of it is read.

use std::net::{AddrParseError, IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The other end of a connection; an extension of every request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where the call comes from: the connection's address, or what a trusted proxy says of it.
    pub address: IpAddr,
    /// SHA-256 of the client certificate's DER (RFC 8705, 3.1), where one was shown and verified.
    pub certificate_sha256: Option<[u8; 32]>,
    /// Whether nobody on the way could read along: TLS here, or, as a trusted proxy says, up to the proxy.
    pub is_encrypted: bool,
}

impl Peer {
    /// What trusted proxies say of the call, if this is one of them. Takes their headers out: nothing else reads them.
    pub fn forwarded(mut self, headers: &mut HeaderMap, trusted: &[IpNet]) -> Self {
        let is_trusted = |address: IpAddr| trusted.iter().any(|proxy| proxy.contains(&address));
        if is_trusted(self.address) {
            self.is_encrypted |= listed(headers, FORWARDED_PROTO).next().is_some_and(|proto| proto == "https");
            // Each proxy adds whom it heard from at the end. The first, from there, that is no proxy of ours is the
            // caller; what stands before it is the caller's own writing.
            let heard = listed(headers, FORWARDED_FOR).map_while(|address| read_address(address).ok());
            for address in heard {
                self.address = address;
                if !is_trusted(address) {
                    break;
                }
            }
        }
        headers.remove(FORWARDED_FOR);
        headers.remove(FORWARDED_PROTO);
        self
    }
}

/// Who is counted together: an address; in IPv6 the network of a household or an office.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & (!0 << 64)).into()),
    }
}

/// The entries of a header that is a list, the last one first.
fn listed(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values: Vec<&str> = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).collect();
    values.into_iter().rev().flat_map(|value| value.rsplit(',').map(str::trim))
}

/// An address as proxies write it: alone, with a port, or in brackets.
fn read_address(text: &str) -> Result<IpAddr, AddrParseError> {
    let alone = text.trim_start_matches('[').trim_end_matches(']');
    alone.parse().or_else(|_| text.parse().map(|address: SocketAddr| address.ip())).map(|it: IpAddr| it.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str, forwarded_for: &[&str], proto: Option<&str>) -> Peer {
        let mut headers = HeaderMap::new();
        for value in forwarded_for {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        if let Some(proto) = proto {
            headers.append(FORWARDED_PROTO, proto.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let peer = Peer { address: address.parse().unwrap(), certificate_sha256: None, is_encrypted: false }
            .forwarded(&mut headers, &trusted);
        assert!(headers.is_empty(), "nobody else may read them");
        peer
    }

    #[test]
    fn forwarded_address_is_the_last_that_is_no_proxy_of_ours() {
        let cases: [(&str, &[&str], &str); 11] = [
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            ("10.0.0.1", &["203.0.113.7", "10.0.0.3, 10.0.0.2"], "203.0.113.7"),
            // What the caller itself wrote stands further left.
            ("10.0.0.1", &["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["198.51.100.1", "203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["203.0.113.7, nonsense, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["203.0.113.7:4711"], "203.0.113.7"),
            ("fd00::1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("fd00::1", &["2001:db8::7"], "2001:db8::7"),
            // Not ours: not read.
            ("192.0.2.1", &["203.0.113.7"], "192.0.2.1"),
        ];
        for (connection, header, expected) in cases {
            assert_eq!(peer(connection, header, None).address.to_string(), expected, "{connection} {header:?}");
        }
    }

    #[test]
    fn forwarded_scheme_counts_from_proxies_of_ours_only() {
        assert!(peer("10.0.0.1", &[], Some("https")).is_encrypted);
        assert!(peer("10.0.0.1", &[], Some("http, https")).is_encrypted);
        assert!(!peer("10.0.0.1", &[], Some("https, http")).is_encrypted);
        assert!(!peer("192.0.2.1", &[], Some("https")).is_encrypted);
    }

    #[test]
    fn network_is_an_ipv4_address_or_an_ipv6_64() {
        let network = |address: &str| network(address.parse().unwrap()).to_string();
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
