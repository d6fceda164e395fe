//! A server that this process started.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use url::Url;

use crate::Fault;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked.
const EVERY: Duration = Duration::from_millis(20);
/// The user that owns nothing; servers that refuse to run as root run as this one.
pub(crate) const NOBODY: u32 = 65_534;

/// Starts a program and says its process id; ends it at once when standard input ends, which it does when the process
/// that holds the other end is gone, however it went.
const GUARD: &str = r#"exec 3<&0; "$@" </dev/null >>"$LOG" 2>&1 & pid=$!; echo $pid; exec 1>&-; read _ <&3; kill -9 $pid 2>/dev/null"#;

/// How a server is started.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The name for people.
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) variables: Vec<(&'static str, String)>,
    /// Whether it refuses to run as root.
    pub(crate) unprivileged: bool,
    /// Whether it answers by now.
    pub(crate) ready: fn(&Url) -> bool,
}

/// A local server. It ends when this is dropped, and also when this process ends in any other way.
#[derive(Debug)]
pub struct Running {
    plan: Plan,
    url: Url,
    dir: TempDir,
    guard: Option<Child>,
    pid: u32,
}

impl Running {
    /// Starts a server with its folder, and waits until it answers.
    pub(crate) fn start(plan: Plan, url: Url, dir: TempDir) -> Result<Self, Fault> {
        let mut running = Self { plan, url, dir, guard: None, pid: 0 };
        running.start_again()?;
        Ok(running)
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Ends it at once, without a chance to tidy up (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            self.signal("KILL");
            drop(guard.stdin.take());
            // It has ended or is about to; there is nothing to be done about a failure.
            let _ = guard.wait();
        }
    }

    /// Sends a signal such as `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        kill.args(["-s", name, &self.pid.to_string()]).stderr(Stdio::null());
        // A process that is gone cannot be told anything.
        let _ = kill.status();
    }

    /// Starts it once more on the same port with what its folder holds.
    ///
    /// # Errors
    /// When it cannot be started or does not answer in time.
    pub fn start_again(&mut self) -> Result<(), Fault> {
        self.kill();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            self.launch()?;
            // A server that ended at once is started anew: what it left behind may still be going away.
            while self.is_alive() && Instant::now() < deadline {
                if (self.plan.ready)(&self.url) {
                    return Ok(());
                }
                thread::sleep(EVERY);
            }
            thread::sleep(EVERY * 10);
        }
        let log = tail(&self.log());
        self.kill();
        Err(Fault::Silent { name: self.plan.name.to_owned(), seconds: PATIENCE.as_secs(), log })
    }

    fn launch(&mut self) -> Result<(), Fault> {
        self.kill();
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "guard"]).arg(&self.plan.program).args(&self.plan.arguments);
        command.envs(self.plan.variables.iter().cloned()).env("LOG", self.log());
        command.current_dir(self.dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        if self.plan.unprivileged && is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut guard = command.spawn()?;
        let mut line = String::new();
        if let Some(output) = guard.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        self.guard = Some(guard);
        self.pid = line.trim().parse().unwrap_or_default();
        Ok(())
    }

    fn is_alive(&self) -> bool {
        let state = fs::read_to_string(format!("/proc/{}/stat", self.pid));
        state.is_ok_and(|state| !state.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A temporary folder that the server may write to.
pub(crate) fn folder(unprivileged: bool) -> Result<TempDir, Fault> {
    let dir = tempfile::Builder::new().prefix("waiterix-").tempdir()?;
    File::create(dir.path().join("log"))?;
    if unprivileged && is_root() {
        give_away(dir.path())?;
        give_away(&dir.path().join("log"))?;
    }
    Ok(dir)
}

/// Lets servers that may not run as root have a file.
pub(crate) fn give_away(path: &Path) -> Result<(), Fault> {
    Ok(std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY))?)
}

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A port of this machine that is free now.
pub(crate) fn free_port() -> Result<u16, Fault> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<String, Fault> {
    let shown = format!("{command:?}");
    let failed = |said: String| Fault::Failed { command: shown, said };
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => Err(failed(last_lines(&String::from_utf8_lossy(&output.stderr)))),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn tail(log: &Path) -> String {
    last_lines(&String::from_utf8_lossy(&fs::read(log).unwrap_or_default()))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
