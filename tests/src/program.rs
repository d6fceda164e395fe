//! `waiterix serve` as a process of its own, as a person would start it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use url::Url;

/// How the program is built: with everything it can be built with.
const BUILD: [&str; 5] = ["build", "--package", "waiterix", "--features", "aws,legacy"];

/// The program, built if need be.
pub fn binary() -> PathBuf {
    built("waiterix", &BUILD)
}

/// A binary of the workspace, beside this test; built by this command of cargo if it is not there. The test command
/// builds it first, a test started alone builds it here.
pub fn built(name: &str, build: &[&str]) -> PathBuf {
    static BUILDING: Mutex<()> = Mutex::new(());
    let test = std::env::current_exe().expect("the path of this test");
    let folder = test.parent().and_then(Path::parent).expect("target/<profile>/deps");
    let binary = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !binary.exists() {
        let cargo = option_env!("CARGO").unwrap_or("cargo");
        let status = Command::new(cargo).args(build).status();
        assert!(status.is_ok_and(|status| status.success()), "cargo build failed: {build:?}");
    }
    binary
}

/// A running service. Killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    /// Where it serves.
    pub base: Url,
    /// Its data folder.
    pub data: PathBuf,
    output: Arc<Mutex<String>>,
}

impl Program {
    /// Starts the service on a free port with a data folder, and waits until it says where it serves.
    pub fn start(data: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(binary());
        command
            .env_remove("SESSION_SECRET")
            .env("LOG_LEVEL", "warn")
            .envs(variables.iter().copied())
            .stderr(Stdio::inherit());
        Self::started(command, data)
    }

    /// The same, writing everything it logs into a file, and numbers to its output.
    pub fn start_logging(data: &Path, log: &Path) -> Self {
        let mut command = Command::new(binary());
        let file = std::fs::File::create(log).expect("a log file");
        command.env("METRICS", "emf");
        command.env_remove("SESSION_SECRET").env("LOG_LEVEL", "debug").env("LOG_FORMAT", "json").stderr(file);
        Self::started(command, data)
    }

    fn started(mut command: Command, data: &Path) -> Self {
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let first = lines.next().and_then(Result::ok).unwrap_or_default();
        let base = first.rsplit(' ').next().and_then(|word| Url::parse(word).ok());
        let Some(base) = base else {
            let _ = child.kill();
            panic!("the program does not say where it serves: {first:?}");
        };
        // Its output must go on being read, or it would block on a full pipe.
        let output = Arc::<Mutex<String>>::default();
        let kept = output.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        Self { child, base, data: data.to_owned(), output }
    }

    /// What it has written to its output after the first line; it goes on growing.
    pub fn output(&self) -> Arc<Mutex<String>> {
        self.output.clone()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Asks it to stop, as a service manager does, and waits until it has.
    pub fn terminate(self) -> ExitStatus {
        self.stop("-TERM")
    }

    /// Asks it to stop, as Ctrl-C does, and waits until it has.
    pub fn interrupt(self) -> ExitStatus {
        self.stop("-INT")
    }

    fn stop(mut self, signal: &str) -> ExitStatus {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args([signal, &pid]).status().expect("kill");
        assert!(asked.success());
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().expect("status") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not stop");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the program to its end and answers its status, output and complaints.
pub fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (ExitStatus, String, String) {
    let mut child = Command::new(binary())
        .args(arguments)
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut complaints = child.stderr.take().expect("stderr");
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        complaints.read_to_string(&mut text).map(|_| text).unwrap_or_default()
    });
    let mut output = String::new();
    child.stdout.take().expect("stdout").read_to_string(&mut output).expect("UTF-8");
    (child.wait().expect("ended"), output, errors.join().expect("read"))
}
