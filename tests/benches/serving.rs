//! The settings of a server that is measured: as in production, and nothing else that answers.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use gevinst::{
    config::{Config, Limits, Secret},
    dev::issuer::Issuer,
};

use super::portfolio::Urls;

/// Settings over this many connections to the database.
pub fn config(urls: &Urls, issuer: &Issuer, connections: u32) -> Config {
    Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        admin_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        database_url: Secret::new(&urls.runtime),
        database_connections: connections,
        issuers: vec![issuer.trusted()],
        policies: None,
        max_deadline: Duration::from_secs(20),
        max_concurrent_calls: 256,
        limits: Limits::unlimited(),
        tls: None,
        trusted_proxies: Vec::new(),
        clock: None,
        drain: Duration::from_secs(1),
        otlp_endpoint: None,
        trace_ratio: 0.01,
        trust_traceparent: false,
        log: "off".to_owned(),
    }
}
