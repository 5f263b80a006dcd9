//! A private PostgreSQL cluster, for development and tests: Debian's server programs, an unprivileged user when started
//! as root, a random loopback port, gone with its parent.
//!
//! PostgreSQL refuses to run as root, and Debian keeps its server programs out of PATH. `setpriv` (util-linux, on every
//! Debian) drops the user and binds the server's life to ours, so that `kill -9` of the parent leaves nothing behind;
//! std could do neither without unsafe code. The binding is to the *thread* that starts the server: call `start` from
//! one that lives as long as the cluster is to.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::{MetadataExt, PermissionsExt},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Where Debian keeps each major version's server programs.
const DEBIAN: &str = "/usr/lib/postgresql";

/// How long a cluster may take to come up, crash recovery included.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A running cluster. Stopped with [`Cluster::stop`], or with the thread that started it.
pub struct Cluster {
    server: Child,
    port: u16,
    host: Host,
}

/// What the server's programs are run with: where they are, as whom, in which folder.
struct Host {
    programs: PathBuf,
    user: User,
    folder: PathBuf,
}

/// The user that the server runs as: name, user id and group id; none when we are unprivileged ourselves.
struct User(Option<(String, String, String)>);

impl Cluster {
    /// Starts the cluster in this folder, making it first where there is none. Durable: what was committed survives.
    pub fn start(folder: &Path) -> Result<Self, String> {
        Self::start_on(folder, free_port()?, &[])
    }

    /// Starts it on a given port, with further settings (`name=value`).
    pub fn start_on(folder: &Path, port: u16, settings: &[&str]) -> Result<Self, String> {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let folder = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
        let host = Host { programs: programs()?, user: User::for_server()?, folder };
        host.user.reach(&host.folder)?;
        let cluster = host.cluster();
        if !cluster.join("PG_VERSION").exists() {
            // An interrupted initdb leaves a folder without the version file: begin anew.
            let _ = fs::remove_dir_all(&cluster);
            let mut initdb = host.command("initdb");
            initdb.args(["--no-sync", "-A", "trust", "-U", "gevinst_admin", "--locale=C.UTF-8", "-E", "UTF8", "-D"]);
            succeed(initdb.arg(&cluster), "initdb")?;
        }
        let log = fs::File::create(host.log()).map_err(|error| format!("{}: {error}", host.log().display()))?;
        let mut command = host.command("postgres");
        command.arg("-D").arg(&cluster).args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k", ""]);
        for setting in settings {
            command.args(["-c", setting]);
        }
        // A group of its own: Ctrl-C is for us, and we stop the server when the last call has been answered.
        command.process_group(0).stdout(Stdio::null()).stderr(log);
        let began = Instant::now();
        let mut cluster = Self { server: spawn(&mut command)?, port, host };
        while !cluster.wait_until_ready(began)? {
            // A server of ours may still be on its way out (after kill -9 of its parent): it lets the folder go soon.
            thread::sleep(Duration::from_millis(200));
            cluster.server = spawn(&mut command)?;
        }
        cluster.make_roles()?;
        Ok(cluster)
    }

    /// Whether the server came up; `false` when it ended instead.
    fn wait_until_ready(&mut self, began: Instant) -> Result<bool, String> {
        while began.elapsed() < START_TIMEOUT {
            if self.server.try_wait().map_err(|error| error.to_string())?.is_some() {
                return Ok(false);
            }
            let mut probe = self.host.command("pg_isready");
            probe.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            if probe.status().is_ok_and(|status| status.success()) {
                return Ok(true);
            }
            thread::sleep(Duration::from_millis(20));
        }
        let log = fs::read_to_string(self.host.log()).unwrap_or_default();
        Err(format!("PostgreSQL is not ready after {} s:\n{log}", START_TIMEOUT.as_secs()))
    }

    /// The owner of the schema and the runtime role, and the database; nothing where they are there.
    fn make_roles(&mut self) -> Result<(), String> {
        let sql = "SELECT 'CREATE ROLE gevinst_owner LOGIN NOSUPERUSER NOBYPASSRLS' \
                WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'gevinst_owner') \\gexec\n\
            SELECT 'CREATE ROLE gevinst_app LOGIN NOSUPERUSER NOBYPASSRLS' \
                WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'gevinst_app') \\gexec\n\
            SELECT 'CREATE DATABASE gevinst OWNER gevinst_owner' \
                WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'gevinst') \\gexec\n";
        let script = self.host.folder.join("roles.sql");
        fs::write(&script, sql).map_err(|error| format!("{}: {error}", script.display()))?;
        let mut psql = self.host.command("psql");
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        psql.args(["-U", "gevinst_admin", "-d", "postgres", "-f"]).arg(&script);
        succeed(&mut psql, "psql")
    }

    /// The database as the owner of the schema.
    pub fn owner_url(&self) -> String {
        self.url("gevinst_owner")
    }

    /// The database as the runtime role.
    pub fn runtime_url(&self) -> String {
        self.url("gevinst_app")
    }

    /// The database as the cluster's superuser.
    pub fn admin_url(&self) -> String {
        self.url("gevinst_admin")
    }

    fn url(&self, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/gevinst", self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// Stops the server: no new connections, open transactions rolled back, everything written.
    pub fn stop(mut self) -> Result<(), String> {
        // The waiting is ours: to pg_ctl a child that nobody has waited for yet looks alive.
        let mut stop = self.host.command("pg_ctl");
        succeed(stop.args(["stop", "--mode=fast", "--no-wait", "--silent", "-D"]).arg(self.host.cluster()), "pg_ctl")?;
        self.server.wait().map(drop).map_err(|error| error.to_string())
    }
}

/// The folder of the newest server programs: of PATH, then of Debian's library.
fn programs() -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let complete = |folder: &PathBuf| {
        ["initdb", "postgres", "pg_ctl", "pg_isready", "psql"].iter().all(|name| folder.join(name).exists())
    };
    if let Some(folder) = std::env::split_paths(&path).find(complete) {
        return Ok(folder);
    }
    let majors = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let newest = majors
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| complete(folder))
        .max_by_key(|(major, _)| *major);
    newest.map(|(_, folder)| folder).ok_or_else(|| {
        format!("no PostgreSQL server programs in PATH nor in {DEBIAN}: install them (apt-get install postgresql)")
    })
}

/// Whether we are root, which PostgreSQL refuses to be.
pub fn is_root() -> Result<bool, String> {
    fs::metadata("/proc/self").map(|own| own.uid() == 0).map_err(|error| format!("/proc/self: {error}"))
}

/// A loopback port that nobody uses now.
pub fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}

fn spawn(command: &mut Command) -> Result<Child, String> {
    command.spawn().map_err(|error| format!("postgres: {error}"))
}

fn succeed(command: &mut Command, name: &str) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{name} failed: {}", String::from_utf8_lossy(&output.stderr)))
}

impl Host {
    fn cluster(&self) -> PathBuf {
        self.folder.join("cluster")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// A program run as the server's user, ended with us, with a place for temporary files that is its own.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        // INT is PostgreSQL's fast shutdown: it ends its children and writes what it must.
        command.args(["--pdeathsig", "INT"]);
        if let Some((_, uid, gid)) = &self.user.0 {
            command.args(["--reuid", uid, "--regid", gid, "--clear-groups", "--inh-caps=-all"]);
        }
        command.arg("--").arg(self.programs.join(program));
        command.current_dir(&self.folder).env("TMPDIR", &self.folder).env_remove("PGDATA").stdin(Stdio::null());
        command
    }
}

impl User {
    /// Nobody in particular when we are unprivileged; as root, `postgres` where there is one, else `nobody`.
    fn for_server() -> Result<Self, String> {
        if !is_root()? {
            return Ok(Self(None));
        }
        let passwd = fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
        let find = |wanted: &str| {
            passwd.lines().find_map(|line| match line.split(':').collect::<Vec<_>>()[..] {
                [name, _, uid, gid, ..] if name == wanted => Some((name.to_owned(), uid.to_owned(), gid.to_owned())),
                _ => None,
            })
        };
        Ok(Self(find("postgres").or_else(|| find("nobody"))))
    }

    /// Gives the folder to the user, and lets it pass through the folders above.
    fn reach(&self, folder: &Path) -> Result<(), String> {
        let Some((user, ..)) = &self.0 else { return Ok(()) };
        let say = |folder: &Path, error: std::io::Error| format!("{}: {error}", folder.display());
        succeed(Command::new("chown").arg("-R").arg(user).arg(folder), "chown")?;
        for above in folder.ancestors().skip(1) {
            let mode = fs::metadata(above).map_err(|error| say(above, error))?.permissions().mode();
            if mode & 0o001 == 0 {
                return Err(format!(
                    "PostgreSQL runs as {user}, which cannot pass through {}: choose another data directory \
                     (GEVINST_DATA), or allow it (chmod o+x)",
                    above.display()
                ));
            }
        }
        Ok(())
    }
}
