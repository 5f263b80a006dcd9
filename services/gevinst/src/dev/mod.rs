//! `gevinst dev`: the service on a private PostgreSQL with demo data and an issuer of its own, for development only.
//!
//! Nothing here is reached by `gevinst serve`.

pub mod demo;
pub mod issuer;
pub mod postgres;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use strum::IntoEnumIterator;
use uuid::Uuid;

use self::{issuer::Issuer, postgres::Cluster};
use crate::{
    auth::Role,
    config::{Config, Limits, Secret},
    ctx::Clock,
    migrate,
    organisations::{self, Founding},
    server::Server,
};

/// The demo organisation's id: fixed, so that tokens can be made before it is there.
pub const DEMO_ORGANISATION: Uuid = Uuid::from_u128(0x0199_9999_0000_7000_8000_0000_0000_9999);

/// The settings of `gevinst dev` and `gevinst token`.
pub struct Settings {
    /// Where to serve: GEVINST_LISTEN, 127.0.0.1:8080 by default.
    pub listen: SocketAddr,
    /// Where everything is kept: GEVINST_DATA; by default `.gevinst` here, or `/var/lib/gevinst-dev` for root, whose
    /// home PostgreSQL's own user could not enter.
    pub data: PathBuf,
    /// Where traces go: GEVINST_OTLP_ENDPOINT, nowhere by default.
    pub otlp_endpoint: Option<String>,
    /// What is logged: GEVINST_LOG, warnings by default.
    pub log: String,
}

impl Settings {
    /// Reads them; an unknown name is refused.
    pub fn from_env(vars: impl IntoIterator<Item = (String, String)>) -> Result<Self, String> {
        let mut settings = Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            data: PathBuf::from(if postgres::is_root()? { "/var/lib/gevinst-dev" } else { ".gevinst" }),
            otlp_endpoint: None,
            log: "warn".to_owned(),
        };
        for (name, value) in vars {
            match name.as_str() {
                "GEVINST_LISTEN" => {
                    settings.listen = value.parse().map_err(|error| format!("GEVINST_LISTEN: {value}: {error}"))?;
                }
                "GEVINST_DATA" => settings.data = value.into(),
                "GEVINST_OTLP_ENDPOINT" => settings.otlp_endpoint = Some(value),
                "GEVINST_LOG" => settings.log = value,
                _ => return Err(format!("{name} is no setting of gevinst dev: README.md lists them")),
            }
        }
        Ok(settings)
    }
}

/// The names of the roles that tokens can be made for.
pub fn roles() -> impl Iterator<Item = &'static str> {
    Role::iter().map(Role::name)
}

/// Migrates, founds the demo organisation, serves, and fills in the demo data through the service's own API. Gives the
/// server and what to print.
pub async fn start(settings: &Settings, cluster: &Cluster) -> Result<(Server, String), String> {
    let issuer = Issuer::open(&settings.data)?;
    let owner = migrate::connect(&Secret::new(cluster.owner_url())).await?;
    migrate::up(&owner).await?;
    let municipality = demo::data::hedeby()?.organisation;
    let founding = Founding {
        id: Some(DEMO_ORGANISATION),
        name: municipality.name,
        code: municipality.code,
        number_prefix: "HED".to_owned(),
    };
    organisations::found(&owner, &founding, &Clock::default()).await.map_err(|error| error.to_string())?;
    owner.close().await.map_err(|error| error.to_string())?;

    let config = Config {
        listen: settings.listen,
        admin_listen: SocketAddr::from((settings.listen.ip(), 0)),
        database_url: Secret::new(cluster.runtime_url()),
        database_connections: 8,
        issuers: vec![issuer.trusted()],
        policies: None,
        max_deadline: Duration::from_secs(30),
        max_concurrent_calls: 1024,
        // Every caller is the developer.
        limits: Limits::unlimited(),
        tls: None,
        trusted_proxies: Vec::new(),
        clock: Some(Duration::from_secs(60)),
        drain: Duration::from_secs(5),
        otlp_endpoint: settings.otlp_endpoint.clone(),
        trace_ratio: 1.0,
        trust_traceparent: true,
        log: settings.log.clone(),
    };
    let server = Server::start(&config, Clock::default()).await?;
    let done = settings.data.join("demo-data-is-in");
    if !done.exists() {
        demo::fill(server.address, &issuer).await?;
        std::fs::write(&done, "").map_err(|error| format!("{}: {error}", done.display()))?;
    }
    let welcome = welcome(&server, &issuer, demo::waiting(server.address, &issuer).await?)?;
    Ok((server, welcome))
}

/// What a person needs next: the address, three tokens, and calls to try, one about a project that waits for its gate.
fn welcome(server: &Server, issuer: &Issuer, waiting: Option<String>) -> Result<String, String> {
    let address = server.address;
    let call = |token: &str, path: &str| {
        format!("  curl -sH \"authorization: Bearer ${token}\" '{}'\n", format_args!("http://{address}/v1/{path}"))
    };
    let here = |rest: &str| format!("organisations/{DEMO_ORGANISATION}/{rest}");
    let mut text = format!(
        "\ngevinst dev: gRPC, gRPC-Web and HTTP on http://{address}, probes and metrics on http://{}\n\
         Read and try the API in a browser: http://{address}/docs\n\n\
         Tokens for three people (12 hours; more with: gevinst token --role …):\n\n",
        server.admin_address
    );
    for (name, role) in
        [("OFFICE", Role::PortfolioOffice), ("STEERING", Role::SteeringGroup), ("AUDITOR", Role::Auditor)]
    {
        let token = issuer.token(role.name(), DEMO_ORGANISATION, &[role])?;
        text += &format!("  export {name}={token}\n");
    }
    text += "\nCalls to try:\n\n";
    text += &call("OFFICE", "organisations");
    text += &call("OFFICE", &here("projects?filter=stage+%3D+IDEA&orderBy=title"));
    text += &call("OFFICE", &here("gate-model"));
    if let Some(waiting) = waiting {
        text += &call("OFFICE", &here(&format!("projects/{waiting}:readiness")));
    }
    text += &call("STEERING", &here("benefits?pageSize=3"));
    text += &call("AUDITOR", &here("audit-entries?pageSize=3"));
    text += "\nCtrl-C stops everything.";
    Ok(text)
}
