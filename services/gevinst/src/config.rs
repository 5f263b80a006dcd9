//! Every setting of `gevinst serve`, read from the environment, validated whole: all problems are named at once.
//!
//! A setting `GEVINST_X` may come from a mounted file instead: `GEVINST_X_FILE` names it. Unknown `GEVINST_` names are
//! refused, so that a misspelt setting is no silent default. README.md holds the same table.

use std::{
    collections::BTreeMap,
    fmt, fs,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use ipnet::IpNet;
use reqwest::Url;

use crate::{
    auth::{
        issuers::{self, Issuer, KeySource},
        policy::Policies,
    },
    tls,
};

/// How connections are encrypted. The files are read again while the service runs: certificates are short-lived.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// The certificate and what leads from it to its root, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The roots of the client certificates that are accepted; none is asked for when absent.
    pub client_ca: Option<PathBuf>,
}

/// How much one caller, and all of them, may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many connections are open at once; more wait to be accepted.
    pub max_connections: usize,
    /// How many of them one address may hold open; 0 for any number.
    pub connections_per_address: usize,
    /// How many calls a second an address may make, its token seen or not; 0 for any number.
    pub calls_per_address: u32,
    /// How many calls a second a person or a system may make; 0 for any number.
    pub calls_per_caller: u32,
}

impl Limits {
    /// None, but for connections, of which there are as many as a machine usually gives: where every caller is one's own.
    pub fn unlimited() -> Self {
        Self { max_connections: 1024, connections_per_address: 0, calls_per_address: 0, calls_per_caller: 0 }
    }
}

/// A text that is never printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text that must not be printed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one who needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// The settings of the service.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where gRPC and gRPC-Web are served.
    pub listen: SocketAddr,
    /// Where /livez, /readyz and /metrics are served.
    pub admin_listen: SocketAddr,
    /// The database, as the runtime role.
    pub database_url: Secret,
    /// How many connections to it. Few are faster than many: 4 to 8 on 2 cores.
    pub database_connections: u32,
    /// Whose tokens are trusted, with what.
    pub issuers: Vec<Issuer>,
    /// What the operator forbids on top of the shipped policies, in Cedar; nothing when absent.
    pub policies: Option<String>,
    /// The longest that a call may take, and what it gets when it does not ask.
    pub max_deadline: Duration,
    /// How many calls are served at once before more are refused.
    pub max_concurrent_calls: usize,
    /// How much is taken from callers.
    pub limits: Limits,
    /// How connections are encrypted; not at all when absent.
    pub tls: Option<TlsConfig>,
    /// The proxies whose word is taken for where a call comes from.
    pub trusted_proxies: Vec<IpNet>,
    /// How often this replica looks for what a passed day makes happen, and how long another waits before it takes over
    /// (three times that); never when absent. One replica that does is enough, and has to be.
    pub clock: Option<Duration>,
    /// How long accepted calls may go on after a shutdown signal.
    pub drain: Duration,
    /// Where traces are sent (OTLP over gRPC); nowhere when absent.
    pub otlp_endpoint: Option<String>,
    /// The share of new traces that are recorded, 0 to 1.
    pub trace_ratio: f64,
    /// Whether callers' traces are continued; otherwise ours link to them. Only where every caller is one's own.
    pub trust_traceparent: bool,
    /// Which log lines are written, in tracing's filter language.
    pub log: String,
}

/// Everything that is wrong with a configuration.
#[derive(Debug)]
pub struct Problems(Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} problem(s):", self.0.len())?;
        for problem in &self.0 {
            write!(f, "\n  - {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Config {
    /// Reads the settings of `gevinst serve` from environment variables.
    pub fn from_env(vars: impl IntoIterator<Item = (String, String)>) -> Result<Self, Problems> {
        let mut reader = Reader::new(vars);
        let config = Self {
            listen: reader.or("LISTEN", "0.0.0.0:8080"),
            admin_listen: reader.or("ADMIN_LISTEN", ADMIN_LISTEN),
            database_url: Secret(reader.required("DATABASE_URL")),
            database_connections: reader.or("DATABASE_CONNECTIONS", "8"),
            issuers: reader.issuers(),
            policies: reader.take("POLICY"),
            max_deadline: Duration::from_millis(reader.or("MAX_DEADLINE_MS", "30000")),
            max_concurrent_calls: reader.or("MAX_CONCURRENT_CALLS", "1024"),
            limits: Limits {
                max_connections: reader.or("MAX_CONNECTIONS", "4096"),
                connections_per_address: reader.or("CONNECTIONS_PER_ADDRESS", "512"),
                calls_per_address: reader.or("RATE_PER_ADDRESS", "200"),
                calls_per_caller: reader.or("RATE_PER_CALLER", "100"),
            },
            tls: reader.tls(),
            trusted_proxies: reader.trusted_proxies(),
            clock: reader.clock(),
            drain: Duration::from_millis(reader.or("DRAIN_MS", "30000")),
            otlp_endpoint: reader.take("OTLP_ENDPOINT"),
            trace_ratio: reader.or("TRACE_RATIO", "1"),
            trust_traceparent: reader.or("TRUST_TRACEPARENT", "false"),
            log: reader.or("LOG", "info"),
        };
        reader.check_database("DATABASE_URL", &config.database_url);
        reader.check(config.database_connections > 0, "GEVINST_DATABASE_CONNECTIONS must be at least 1");
        reader.check((0.0..=1.0).contains(&config.trace_ratio), "GEVINST_TRACE_RATIO must be between 0 and 1");
        reader.check(config.max_deadline >= Duration::from_millis(100), "GEVINST_MAX_DEADLINE_MS must be at least 100");
        reader.check(config.max_concurrent_calls > 0, "GEVINST_MAX_CONCURRENT_CALLS must be at least 1");
        reader.check(config.limits.max_connections > 0, "GEVINST_MAX_CONNECTIONS must be at least 1");
        reader.check(
            config.log.parse::<tracing_subscriber::EnvFilter>().is_ok(),
            "GEVINST_LOG is not a filter such as info,gevinst=debug",
        );
        reader.check(
            config.otlp_endpoint.as_deref().is_none_or(|url| Url::parse(url).is_ok()),
            "GEVINST_OTLP_ENDPOINT must be a URL such as http://collector:4317",
        );
        if let Some(policies) = &config.policies
            && let Err(problem) = Policies::load(Some(policies))
        {
            reader.check(false, &format!("GEVINST_POLICY_FILE: {problem}"));
        }
        reader.finish(config)
    }
}

impl fmt::Display for Config {
    /// One a line, for administrators: issuers by name, policies by their hash; what is secret is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whole, so that no setting is forgotten here.
        let Self {
            listen,
            admin_listen,
            database_url,
            database_connections,
            issuers,
            policies,
            max_deadline,
            max_concurrent_calls,
            limits,
            tls,
            trusted_proxies,
            clock,
            drain,
            otlp_endpoint,
            trace_ratio,
            trust_traceparent,
            log,
        } = self;
        let mut set = |name: &str, value: &dyn fmt::Display| writeln!(f, "{PREFIX}{name}={value}");
        set("LISTEN", listen)?;
        set("ADMIN_LISTEN", admin_listen)?;
        set("DATABASE_URL", &without_secrets(database_url.reveal()))?;
        set("DATABASE_CONNECTIONS", database_connections)?;
        match &issuers[..] {
            // The short form.
            [Issuer { organisations: None, issuer, audience, keys, .. }] => {
                set("TOKEN_ISSUER", issuer)?;
                set("TOKEN_AUDIENCE", audience)?;
                match keys {
                    Some(KeySource::File(path)) => set("TOKEN_JWKS_FILE", &path.display())?,
                    Some(KeySource::Url(url)) => set("TOKEN_JWKS_URL", &without_secrets(url.as_str()))?,
                    Some(KeySource::Discovery(_)) | None => {}
                }
            }
            several => {
                let names: Vec<&str> = several.iter().map(|issuer| issuer.issuer.as_str()).collect();
                set("ISSUERS", &names.join(" "))?;
            }
        }
        if let Some(policies) = policies {
            let sha256 = Policies::load(Some(policies)).map(|policies| policies.sha256().to_owned());
            set("POLICY", &format!("(sha256 with the shipped ones: {})", sha256.unwrap_or_default()))?;
        }
        set("MAX_DEADLINE_MS", &max_deadline.as_millis())?;
        set("MAX_CONCURRENT_CALLS", max_concurrent_calls)?;
        set("MAX_CONNECTIONS", &limits.max_connections)?;
        set("CONNECTIONS_PER_ADDRESS", &limits.connections_per_address)?;
        set("RATE_PER_ADDRESS", &limits.calls_per_address)?;
        set("RATE_PER_CALLER", &limits.calls_per_caller)?;
        if let Some(TlsConfig { certificate, key, client_ca }) = tls {
            set("TLS_CERT_FILE", &certificate.display())?;
            set("TLS_KEY_FILE", &key.display())?;
            if let Some(client_ca) = client_ca {
                set("TLS_CLIENT_CA_FILE", &client_ca.display())?;
            }
        }
        let proxies: Vec<String> = trusted_proxies.iter().map(IpNet::to_string).collect();
        set("TRUSTED_PROXIES", &proxies.join(","))?;
        set("CLOCK_SECONDS", &clock.map_or(0, |every| every.as_secs()))?;
        set("DRAIN_MS", &drain.as_millis())?;
        if let Some(endpoint) = otlp_endpoint {
            set("OTLP_ENDPOINT", &without_secrets(endpoint))?;
        }
        set("TRACE_RATIO", trace_ratio)?;
        set("TRUST_TRACEPARENT", trust_traceparent)?;
        set("LOG", log)
    }
}

/// A URL as far as anybody may read it: passwords stand before the host, and in queries.
fn without_secrets(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return "(secret)".to_owned() };
    let is_secret = url.password().is_some() && url.set_password(Some("(secret)")).is_err();
    if url.query().is_some() {
        url.set_query(Some("(secret)"));
    }
    url.set_fragment(None);
    if is_secret { "(secret)".to_owned() } else { url.to_string() }
}

/// Reads the settings of `gevinst migrate`, `organisation`, `grant` and `refused`: the database as the schema's owner.
pub fn owner_database_url(vars: impl IntoIterator<Item = (String, String)>) -> Result<Secret, Problems> {
    let mut reader = Reader::new(vars);
    let url = Secret(reader.required("OWNER_DATABASE_URL"));
    reader.check_database("OWNER_DATABASE_URL", &url);
    reader.values.clear();
    reader.finish(url)
}

/// Reads the one setting of `gevinst healthcheck`: where the service that it asks listens for probes.
pub fn admin_listen(vars: impl IntoIterator<Item = (String, String)>) -> Result<SocketAddr, Problems> {
    let mut reader = Reader::new(vars);
    let address = reader.or("ADMIN_LISTEN", ADMIN_LISTEN);
    reader.values.clear();
    reader.finish(address)
}

/// Where probes are answered when nothing else is said.
const ADMIN_LISTEN: &str = "0.0.0.0:9090";

const PREFIX: &str = "GEVINST_";

struct Reader {
    values: BTreeMap<String, String>,
    problems: Vec<String>,
}

impl Reader {
    fn new(vars: impl IntoIterator<Item = (String, String)>) -> Self {
        let values =
            vars.into_iter().filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?.to_owned(), value))).collect();
        Self { values, problems: Vec::new() }
    }

    /// The setting, from its variable or from the file that `…_FILE` names.
    fn take(&mut self, name: &str) -> Option<String> {
        let value = self.values.remove(name);
        let file = self.values.remove(&format!("{name}_FILE"));
        match (value, file) {
            (Some(_), Some(_)) => {
                self.problem(format!("{PREFIX}{name} and {PREFIX}{name}_FILE are both set: keep one"));
                None
            }
            (Some(value), None) => Some(value),
            (None, Some(path)) => match fs::read_to_string(&path) {
                Ok(text) => Some(text.trim_end().to_owned()),
                Err(error) => {
                    self.problem(format!("{PREFIX}{name}_FILE: {path} cannot be read: {error}"));
                    None
                }
            },
            (None, None) => None,
        }
    }

    fn required(&mut self, name: &str) -> String {
        let before = self.problems.len();
        match self.take(name) {
            Some(value) if !value.is_empty() => value,
            _ => {
                if self.problems.len() == before {
                    self.problem(format!("{PREFIX}{name} is missing"));
                }
                String::new()
            }
        }
    }

    /// The setting, or its default. The default is returned too where the setting cannot be read, so that reading goes
    /// on and names every problem; `finish` then refuses the whole.
    fn or<T: FromStr>(&mut self, name: &str, default: &str) -> T
    where
        T::Err: fmt::Display,
    {
        if let Some(text) = self.take(name) {
            match text.parse() {
                Ok(value) => return value,
                Err(error) => self.problem(format!("{PREFIX}{name}: \"{text}\": {error}")),
            }
        }
        match default.parse() {
            Ok(value) => value,
            Err(error) => panic!("the default of {PREFIX}{name} is no value: {error}"),
        }
    }

    /// The trusted issuers: a document of them, or, in short, one whose tokens carry this service's own claims.
    fn issuers(&mut self) -> Vec<Issuer> {
        if let Some(document) = self.take("ISSUERS") {
            let short = self.values.extract_if(.., |name, _| name.starts_with("TOKEN_"));
            let short: Vec<String> = short.map(|(name, _)| name).collect();
            for name in short {
                self.problem(format!("{PREFIX}ISSUERS and {PREFIX}{name} are both set: keep one"));
            }
            return issuers::read(&document).unwrap_or_else(|problems| {
                self.problems.extend(problems.into_iter().map(|problem| format!("{PREFIX}ISSUERS: {problem}")));
                Vec::new()
            });
        }
        let before = self.problems.len();
        let name = self.required("TOKEN_ISSUER");
        let issuer = Issuer::native(name, self.or("TOKEN_AUDIENCE", "gevinst"), self.keys());
        // What is missing has been named, and would be wrong in other words too.
        if self.problems.len() == before {
            self.problems.extend(issuer.problems());
        }
        vec![issuer]
    }

    fn keys(&mut self) -> KeySource {
        // The file *is* the value here, so this pair of names is read as it stands.
        let file = self.values.remove("TOKEN_JWKS_FILE");
        let url = self.take("TOKEN_JWKS_URL");
        match (file, url) {
            (Some(file), None) => KeySource::File(file.into()),
            (None, Some(url)) => match Url::parse(&url) {
                Ok(url) if issuers::is_safe(&url) => KeySource::Url(url),
                _ => {
                    self.problem(format!(
                        "{PREFIX}TOKEN_JWKS_URL is not an https address (http on the loopback address only)"
                    ));
                    KeySource::File(PathBuf::new())
                }
            },
            _ => {
                self.problem(format!(
                    "set one of {PREFIX}TOKEN_JWKS_FILE and {PREFIX}TOKEN_JWKS_URL, or {PREFIX}ISSUERS_FILE"
                ));
                KeySource::File(PathBuf::new())
            }
        }
    }

    /// The files are the values here, too; they are tried at once.
    fn tls(&mut self) -> Option<TlsConfig> {
        let mut file = |name: &str| self.values.remove(name).map(PathBuf::from);
        let (certificate, key, client_ca) = (file("TLS_CERT_FILE"), file("TLS_KEY_FILE"), file("TLS_CLIENT_CA_FILE"));
        match (certificate, key) {
            (Some(certificate), Some(key)) => {
                let config = TlsConfig { certificate, key, client_ca };
                if let Err(problem) = tls::read(&config) {
                    self.problem(problem);
                }
                Some(config)
            }
            (None, None) if client_ca.is_none() => None,
            _ => {
                self.problem(format!(
                    "{PREFIX}TLS_CERT_FILE and {PREFIX}TLS_KEY_FILE belong together, and {PREFIX}TLS_CLIENT_CA_FILE needs both"
                ));
                None
            }
        }
    }

    /// 0 is never.
    fn clock(&mut self) -> Option<Duration> {
        let seconds: u64 = self.or("CLOCK_SECONDS", "60");
        self.check(seconds <= 3600, "GEVINST_CLOCK_SECONDS must be at most 3600");
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }

    /// Addresses and networks, with commas between them.
    fn trusted_proxies(&mut self) -> Vec<IpNet> {
        let text = self.take("TRUSTED_PROXIES").unwrap_or_default();
        let mut proxies = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            match entry.parse::<IpNet>().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from)) {
                Ok(proxy) => proxies.push(proxy),
                Err(_) => self.problem(format!(
                    "{PREFIX}TRUSTED_PROXIES: \"{entry}\" is no address and no network such as 10.0.0.0/8"
                )),
            }
        }
        proxies
    }

    fn check(&mut self, holds: bool, problem: &str) {
        if !holds {
            self.problem(problem.to_owned());
        }
    }

    /// Refuses here what the driver would refuse, because the driver repeats the URL, password and all.
    fn check_database(&mut self, name: &str, url: &Secret) {
        let fits = |url: Url| ["postgres", "postgresql"].contains(&url.scheme());
        if !url.reveal().is_empty() && !Url::parse(url.reveal()).is_ok_and(fits) {
            self.problem(format!(
                "{PREFIX}{name} must be a URL such as postgres://user:password@host/gevinst, its password percent-encoded"
            ));
        }
    }

    fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    fn finish<T>(mut self, value: T) -> Result<T, Problems> {
        for name in std::mem::take(&mut self.values).into_keys() {
            self.problem(format!("{PREFIX}{name} is no setting of gevinst: README.md lists them"));
        }
        if self.problems.is_empty() { Ok(value) } else { Err(Problems(self.problems)) }
    }
}
