//! `gevinst healthcheck`: asks the service on this machine whether it is ready, as `/readyz` tells it. For container
//! engines, where the image holds no other program to ask with. Knows only the admin address: no secret has to be read.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// How long connecting may take, and each reading of the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// More than any answer of the service.
const LONGEST_ANSWER: u64 = 4096;

/// Asks the service that listens for probes at this address. Errors: why it is not ready, or cannot be asked. The
/// admin address is never encrypted, so certificates play no part.
pub fn ask(admin_listen: SocketAddr) -> Result<(), String> {
    let address = reachable(admin_listen)?;
    let answer =
        get_readiness(address).map_err(|error| format!("nothing answers at http://{address}/readyz: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok(()),
        Some("503") => Err(format!("not ready: {}", body.trim())),
        _ => Err(format!("what answers at http://{address}/readyz is not gevinst")),
    }
}

/// Where a listener can be reached from the same machine.
fn reachable(listen: SocketAddr) -> Result<SocketAddr, String> {
    if listen.port() == 0 {
        return Err("GEVINST_ADMIN_LISTEN names port 0, which is another one at every start: name one".to_owned());
    }
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(SocketAddr::new(ip, listen.port()))
}

/// By hand, for a client library would read certificates and proxies first.
fn get_readiness(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_on_every_address_are_asked_on_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:9090", "127.0.0.1:9090"),
            ("[::]:9090", "[::1]:9090"),
            ("10.1.2.3:9091", "10.1.2.3:9091"),
            ("[fd00::1]:9090", "[fd00::1]:9090"),
        ] {
            assert_eq!(reachable(listen.parse().expect(listen)), Ok(asked.parse().expect(asked)), "{listen}");
        }
    }
}
