//! Programs in processes of their own: `gevinst serve` as it is deployed, and what it works with.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use gevinst::dev::issuer;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::mpsc,
    time::timeout,
};

use super::{CLUSTER, ISSUER};

/// The longest that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a process writes, line by line.
pub struct Output {
    arriving: mpsc::UnboundedReceiver<String>,
    lines: Vec<String>,
}

impl Output {
    /// Reads all along, so that the process never waits for its reader.
    pub fn of(pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (tell, arriving) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut lines = BufReader::new(pipe).lines();
            while let Some(line) = lines.next_line().await.unwrap() {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Self { arriving, lines: Vec::new() }
    }

    /// Waits for a line, and gives it.
    pub async fn until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let line = timeout(PATIENCE, self.arriving.recv()).await.unwrap_or_default();
            let line = line.unwrap_or_else(|| panic!("the line never came after {:#?}", self.lines));
            self.lines.push(line.clone());
            if wanted(&line) {
                return line;
            }
        }
    }

    /// Everything, when the process has ended.
    pub async fn all(mut self) -> Vec<String> {
        while let Some(line) = timeout(PATIENCE, self.arriving.recv()).await.expect("the process ends") {
            self.lines.push(line);
        }
        self.lines
    }
}

/// Sends SIGTERM, and waits until the process has ended.
pub async fn terminate(child: &mut Child) -> ExitStatus {
    let id = child.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    timeout(PATIENCE, child.wait()).await.expect("SIGTERM ends it").unwrap()
}

/// `gevinst serve`, from the built binary, on the run's cluster. Killed when dropped.
pub struct Process {
    /// Where calls are served.
    pub address: SocketAddr,
    /// Where probes and metrics are served.
    pub admin: SocketAddr,
    child: Child,
    log: Output,
}

impl Process {
    /// Starts it with these settings besides the usual ones, and waits until it serves.
    pub async fn serve(settings: &[(&str, &str)]) -> Self {
        let mut child = Command::new(binary())
            .arg("serve")
            // Whoever runs the tests may have settings of their own.
            .env_clear()
            .env("GEVINST_LISTEN", "127.0.0.1:0")
            .env("GEVINST_ADMIN_LISTEN", "127.0.0.1:0")
            .env("GEVINST_DATABASE_URL", &CLUSTER.runtime)
            .env("GEVINST_TOKEN_ISSUER", issuer::ISSUER)
            .env("GEVINST_TOKEN_JWKS_FILE", ISSUER.jwks_path())
            .env("GEVINST_LOG", "info")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = Output::of(child.stderr.take().unwrap());
        let serving = log.until(|line| line.contains(r#""message":"serving""#)).await;
        let serving: serde_json::Value = serde_json::from_str(&serving).unwrap();
        let address = |name: &str| serving[name].as_str().unwrap().parse().unwrap();
        Self { address: address("address"), admin: address("admin_address"), child, log }
    }

    /// Stops it as an orchestrator does; gives how it ended and all that it logged.
    pub async fn stop(mut self) -> (ExitStatus, Vec<String>) {
        let status = terminate(&mut self.child).await;
        (status, self.log.all().await)
    }
}

/// The service's binary, beside the folder that this test was built into.
fn binary() -> PathBuf {
    let path = std::env::current_exe().unwrap().parent().unwrap().with_file_name("gevinst");
    assert!(path.exists(), "{} is missing: run the tests with tests/run, or cargo build -p gevinst", path.display());
    path
}
