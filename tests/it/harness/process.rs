//! The real program as a child process: run to its end, or started, probed, signalled and killed.

use std::{
    io::Write,
    net::SocketAddr,
    path::PathBuf,
    process::{ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use gevinst::dev::issuer;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
};

use super::{CLUSTER, ISSUER};

/// How long anything here may take, on a busy machine too, before a test fails rather than hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often something that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Settings of the program: name and value.
pub type Env = Vec<(&'static str, String)>;

/// Looks until it is so.
pub async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !so().await {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Tells whoever watches the run a figure or how far it is.
pub fn tell(line: &str) {
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{line}").unwrap();
}

/// The program, built beside the tests' executable.
fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().and_then(|deps| deps.parent()).unwrap().join("gevinst");
    assert!(program.exists(), "{} is not built: start the tests with tests/run", program.display());
    program
}

fn command(arguments: &[&str], env: &Env) -> Command {
    let mut command = Command::new(program());
    // The run's own settings are none of the program's, which refuses names that it does not know.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GEVINST_")) {
        command.env_remove(name);
    }
    command.args(arguments).envs(env.iter().map(|(name, value)| (name, value))).kill_on_drop(true);
    command
}

/// Runs the program to its end.
pub async fn run(arguments: &[&str], env: &Env) -> Output {
    let ended = tokio::time::timeout(PATIENCE, command(arguments, env).output()).await;
    ended.unwrap_or_else(|_| panic!("gevinst {arguments:?} does not end")).unwrap()
}

/// The status line's code that a GET of this path is answered with; nothing when there is no answer.
pub async fn probe(admin: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(admin).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

/// What a child has written so far, and whether that is all.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<(Vec<u8>, bool)>>);

impl Text {
    fn of(mut stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let text = Self::default();
        let kept = text.clone();
        tokio::spawn(async move {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut piece).await {
                kept.0.lock().unwrap().0.extend_from_slice(&piece[..length]);
            }
            kept.0.lock().unwrap().1 = true;
        });
        text
    }

    fn read(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap().0).into_owned()
    }

    /// Its lines, once it has ended.
    async fn lines(&self) -> Vec<String> {
        until("the output ends", async || self.0.lock().unwrap().1).await;
        self.read().lines().map(str::to_owned).collect()
    }
}

/// The program while it runs. Killed when dropped.
pub struct Program {
    child: Child,
    stdout: Text,
    stderr: Text,
}

impl Program {
    /// Starts `gevinst`.
    pub fn start(arguments: &[&str], env: &Env) -> Self {
        Self::spawn(command(arguments, env))
    }

    /// Starts any program.
    pub fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, stdout: Text::of(stdout), stderr: Text::of(stderr) }
    }

    /// Starts `gevinst serve`, and waits until it is ready.
    pub async fn serve(env: &Env, admin: SocketAddr) -> Self {
        let mut program = Self::start(&["serve"], env);
        until("the service is ready", async || {
            program.must_run();
            probe(admin, "/readyz").await == Some(200)
        })
        .await;
        program
    }

    /// Waits for a text on stdout, and gives all that is there.
    pub async fn said(&mut self, text: &str) -> String {
        until(text, async || {
            self.must_run();
            self.stdout.read().contains(text)
        })
        .await;
        self.stdout.read()
    }

    fn must_run(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("gevinst ended with {status}: {}", self.stderr());
        }
    }

    /// What it has written to stderr: its log.
    pub fn stderr(&self) -> String {
        self.stderr.read()
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends it a signal: `TERM`, `INT`, `KILL`.
    pub async fn signal(&self, name: &str) {
        let pid = self.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().await.unwrap().success());
    }

    /// Waits until it has ended.
    pub async fn end(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("gevinst does not end: {}", self.stderr())).unwrap()
    }

    /// Sends it SIGTERM, and gives how it ended and the lines it wrote to stdout and to stderr.
    pub async fn stop(mut self) -> (ExitStatus, Vec<String>, Vec<String>) {
        self.signal("TERM").await;
        let status = self.end().await;
        (status, self.stdout.lines().await, self.stderr.lines().await)
    }
}

/// `gevinst serve` on the run's cluster.
pub struct Serving {
    /// The program.
    pub program: Program,
    /// Where calls are served.
    pub address: SocketAddr,
    /// Where probes and metrics are served.
    pub admin: SocketAddr,
}

impl Serving {
    /// Starts it with these settings besides the usual ones, and waits until it says where it serves.
    pub async fn with(settings: &[(&'static str, &str)]) -> Self {
        let usual = [
            ("GEVINST_LISTEN", "127.0.0.1:0".to_owned()),
            ("GEVINST_ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
            ("GEVINST_DATABASE_URL", CLUSTER.runtime.clone()),
            ("GEVINST_TOKEN_ISSUER", issuer::ISSUER.to_owned()),
            ("GEVINST_TOKEN_JWKS_FILE", ISSUER.jwks_path().display().to_string()),
            ("GEVINST_LOG", "info".to_owned()),
            ("GEVINST_CLOCK_SECONDS", "0".to_owned()),
            ("GEVINST_RATE_PER_ADDRESS", "0".to_owned()),
            ("GEVINST_RATE_PER_CALLER", "0".to_owned()),
            ("GEVINST_TRUST_TRACEPARENT", "true".to_owned()),
        ];
        let mut env = usual.to_vec();
        // The later of two wins.
        env.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let mut program = Program::start(&["serve"], &env);
        let serving = r#""message":"serving""#;
        until("the service serves", async || {
            program.must_run();
            program.stderr().lines().any(|line| line.contains(serving))
        })
        .await;
        let line = program.stderr().lines().find(|line| line.contains(serving)).unwrap().to_owned();
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address = |name: &str| said[name].as_str().unwrap().parse().unwrap();
        Self { address: address("address"), admin: address("admin_address"), program }
    }

    /// Stops it as an orchestrator does; gives how it ended and all that it logged.
    pub async fn stop(self) -> (ExitStatus, Vec<String>) {
        let (status, _, log) = self.program.stop().await;
        (status, log)
    }
}

/// The most memory that a process has held, in bytes.
pub fn most_memory(process: &Serving) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.program.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
