//! The command line: parse, start, run. `gevinst --help` lists the commands, README.md the settings.

use std::{future::Future, process::ExitCode};

use clap::{Parser, Subcommand};
use gevinst::{
    access::{self, Bestowal},
    audit::door,
    auth::Role,
    config::{self, Config},
    ctx::Clock,
    dev, doctor, healthcheck, migrate,
    organisations::{self, Founding},
    server::Server,
    telemetry,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use uuid::Uuid;

/// The governance service of a municipality's digital portfolio.
#[derive(Parser)]
#[command(name = "gevinst", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve, configured by GEVINST_… environment variables (production).
    Serve,
    /// Print the settings that `gevinst serve` would use, one a line and without secrets; refuse those it would refuse.
    Config,
    /// Ask the service on this machine, at GEVINST_ADMIN_LISTEN, whether it is ready; exit code 1 and why when it is not.
    Healthcheck,
    /// Look at everything that `gevinst serve` rests on, and say how to mend what is wrong; exit code 1 where something is.
    Doctor {
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Bring the schema of GEVINST_OWNER_DATABASE_URL up to this version.
    Migrate,
    /// Found an organisation in the database of GEVINST_OWNER_DATABASE_URL; prints its id.
    Organisation {
        /// Its name, such as "Hedeby Kommune".
        #[arg(long)]
        name: String,
        /// Its four-digit municipality code.
        #[arg(long)]
        code: String,
        /// The letters its project numbers begin with, such as HED.
        #[arg(long)]
        prefix: String,
        /// Its id; a new one when left out.
        #[arg(long)]
        id: Option<Uuid>,
    },
    /// Grant a role in a whole organisation, so that there is somebody to grant the rest; prints the grant's id. Audited as
    /// the operator's act.
    Grant {
        /// The organisation.
        #[arg(long)]
        organisation: Uuid,
        /// Who is to hold it: the subject of their token.
        #[arg(long)]
        subject: String,
        /// The role, such as portfolio-office.
        #[arg(long, value_parser = role)]
        role: Role,
        /// Whether they may grant it to others.
        #[arg(long)]
        grantable: bool,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Print the calls that were refused at the door, newest first: when, how many, why, which method, from which network.
    Refused {
        /// How far back.
        #[arg(long, default_value = "24")]
        hours: u32,
    },
    /// Serve on a private PostgreSQL with demo data (development). GEVINST_LISTEN and GEVINST_DATA say where.
    Dev,
    /// Print a development token for the demo organisation.
    Token {
        /// A role, such as portfolio-office; several may be given.
        #[arg(long, required = true, value_parser = role)]
        role: Vec<Role>,
        /// The person's subject, or the program's; the role's name when left out.
        #[arg(long)]
        person: Option<String>,
        /// The organisation; the demo organisation when left out.
        #[arg(long)]
        organisation: Option<Uuid>,
        /// For a program that acts for itself, instead of a person.
        #[arg(long)]
        service: bool,
    },
}

fn role(name: &str) -> Result<Role, String> {
    name.parse().map_err(|_| {
        let known: Vec<&str> = dev::roles().collect();
        format!("the roles are {}", known.join(", "))
    })
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve => serve(),
        Command::Config => print_config(),
        Command::Healthcheck => check_health(),
        Command::Doctor { json } => examine(json),
        Command::Migrate => run(migrate_up()),
        Command::Organisation { name, code, prefix, id } => {
            run(found(Founding { id, name, code, number_prefix: prefix }))
        }
        Command::Grant { organisation, subject, role, grantable, reason } => {
            run(grant(Bestowal { organisation, subject, role, grantable, reason }))
        }
        Command::Refused { hours } => run(refused(hours)),
        Command::Dev => develop(),
        Command::Token { role, person, organisation, service } => token(&role, person, organisation, service),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            say(&mut std::io::stderr(), &format!("gevinst: {problem}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line for the person at the terminal; one who has left is not missed.
fn say(to: &mut impl std::io::Write, line: &str) {
    let _ = writeln!(to, "{line}");
}

fn run<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result
}

fn serve() -> Result<(), String> {
    let config = Config::from_env(environment()?).map_err(|problems| problems.to_string())?;
    run(async {
        let telemetry = telemetry::init(&config.log, config.otlp_endpoint.as_deref(), config.trace_ratio)?;
        telemetry::log_panics();
        let start = async { Server::start(&config, Clock::default()).await.map(|server| (server, ())) };
        let result = until_stopped(start, |()| {}).await;
        flush(telemetry).await;
        result
    })
}

fn print_config() -> Result<(), String> {
    let config = Config::from_env(environment()?).map_err(|problems| problems.to_string())?;
    say(&mut std::io::stdout(), config.to_string().trim_end());
    Ok(())
}

fn check_health() -> Result<(), String> {
    let address = config::admin_listen(environment()?).map_err(|problems| problems.to_string())?;
    healthcheck::ask(address)?;
    say(&mut std::io::stdout(), "ready");
    Ok(())
}

fn examine(json: bool) -> Result<(), String> {
    let config = Config::from_env(environment()?).map_err(|problems| problems.to_string())?;
    let findings = run(async { Ok(doctor::examine(&config, &Clock::default()).await) })?;
    let text = match json {
        true => serde_json::to_string_pretty(&findings).map_err(|error| error.to_string())?,
        false => findings.iter().map(doctor::Finding::text).collect::<Vec<_>>().join("\n"),
    };
    say(&mut std::io::stdout(), &text);
    match findings.iter().filter(|finding| finding.state == doctor::State::Wrong).count() {
        0 => Ok(()),
        wrong => Err(format!("{wrong} of {} are wrong", findings.len())),
    }
}

fn develop() -> Result<(), String> {
    let settings = dev::Settings::from_env(environment()?)?;
    // The supervisor ends with the thread that started it: this one, which lives as long as the process.
    let cluster = dev::postgres::Cluster::start(&settings.data.join("postgres"))?;
    run(async {
        let telemetry = telemetry::init(&settings.log, settings.otlp_endpoint.as_deref(), 1.0)?;
        telemetry::log_panics();
        let welcome = |welcome: String| say(&mut std::io::stdout(), &welcome);
        let result = until_stopped(dev::start(&settings, &cluster), welcome).await;
        flush(telemetry).await;
        result
    })?;
    cluster.stop()
}

async fn flush(telemetry: telemetry::Telemetry) {
    // Sending blocks, and needs the runtime meanwhile.
    if let Err(error) = tokio::task::spawn_blocking(move || telemetry.shutdown()).await {
        say(&mut std::io::stderr(), &format!("gevinst: telemetry: {error}"));
    }
}

async fn migrate_up() -> Result<(), String> {
    let url = config::owner_database_url(environment()?).map_err(|problems| problems.to_string())?;
    let db = migrate::connect(&url).await?;
    let applied = migrate::up(&db).await?;
    for name in &applied {
        say(&mut std::io::stdout(), &format!("applied {name}"));
    }
    say(&mut std::io::stdout(), &format!("the schema is up to date; {} migration(s) applied", applied.len()));
    Ok(())
}

async fn found(founding: Founding) -> Result<(), String> {
    let url = config::owner_database_url(environment()?).map_err(|problems| problems.to_string())?;
    let db = migrate::connect(&url).await?;
    let id = organisations::found(&db, &founding, &Clock::default()).await.map_err(|error| error.to_string())?;
    say(&mut std::io::stdout(), &id.to_string());
    Ok(())
}

async fn grant(bestowal: Bestowal) -> Result<(), String> {
    let url = config::owner_database_url(environment()?).map_err(|problems| problems.to_string())?;
    let db = migrate::connect(&url).await?;
    let granted = access::bestow(&db, &bestowal, &Clock::default()).await.map_err(|error| error.to_string())?;
    let id = granted.ok_or_else(|| format!("there is no organisation {}", bestowal.organisation))?;
    say(&mut std::io::stdout(), &id.to_string());
    Ok(())
}

async fn refused(hours: u32) -> Result<(), String> {
    let url = config::owner_database_url(environment()?).map_err(|problems| problems.to_string())?;
    let db = migrate::connect(&url).await?;
    let lines = door::read(&db, Clock::default().now() - time::Duration::hours(hours.into())).await;
    for line in lines.map_err(|error| error.to_string())? {
        say(&mut std::io::stdout(), &line);
    }
    Ok(())
}

fn token(roles: &[Role], name: Option<String>, organisation: Option<Uuid>, service: bool) -> Result<(), String> {
    let settings = dev::Settings::from_env(environment()?)?;
    let issuer = dev::issuer::Issuer::open(&settings.data)?;
    let name = name.as_deref().unwrap_or_else(|| roles.first().map_or("reader", |role| role.name()));
    let organisation = organisation.unwrap_or(dev::DEMO_ORGANISATION);
    let token = if service {
        issuer.service_token(name, organisation, roles)?
    } else {
        issuer.token(name, organisation, roles)?
    };
    say(&mut std::io::stdout(), &token);
    Ok(())
}

/// The environment as text; a name or value that is none is passed over unless it is ours.
fn environment() -> Result<Vec<(String, String)>, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            if !name.starts_with("GEVINST_") {
                return None;
            }
            Some(value.into_string().map(|value| (name.clone(), value)).map_err(|_| format!("{name} is not UTF-8")))
        })
        .collect()
}

/// SIGINT and SIGTERM, listened for from the beginning: none is missed between two waits.
struct StopSignal {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignal {
    fn new() -> Result<Self, String> {
        let listen = |kind| signal(kind).map_err(|error| error.to_string());
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Starts a server and runs it until a signal; a second signal ends the wait for calls under way.
async fn until_stopped<T>(
    start: impl Future<Output = Result<(Server, T), String>>,
    started: impl FnOnce(T),
) -> Result<(), String> {
    let mut stop = StopSignal::new()?;
    let (server, welcome) = tokio::select! {
        server = start => server?,
        () = stop.wait() => return Ok(()),
    };
    started(welcome);
    stop.wait().await;
    tokio::select! {
        () = server.shutdown() => {}
        () = stop.wait() => {}
    }
    Ok(())
}
