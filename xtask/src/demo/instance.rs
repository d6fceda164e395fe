//! One of the processes that serve, as an operator would start it.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::Failure;

/// A running `waiterix serve`. Killed when dropped.
pub(super) struct Instance {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Instance {
    /// Starts one; what it logs goes to a file.
    pub(super) fn start(
        program: &Path,
        folder: &Path,
        name: &str,
        variables: &[(String, String)],
    ) -> Result<Self, Failure> {
        let data = folder.join(name);
        let log = File::create(folder.join(format!("{name}.log")))?;
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| Failure::Said(format!("{} does not start: {error}", program.display())))?;
        let output = child.stdout.take();
        let mut lines = output.map(|output| BufReader::new(output).lines()).into_iter().flatten();
        let first = lines.next().transpose()?.unwrap_or_default();
        let address = first.rsplit_once("http://").map(|(_, rest)| rest.trim_end_matches('/').parse());
        let mut instance = Self { child, address: ([127, 0, 0, 1], 0).into() };
        let Some(Ok(address)) = address else {
            let log = folder.join(format!("{name}.log"));
            return Err(Failure::Said(format!("{name} says no address; see {}", log.display())));
        };
        instance.address = address;
        // Its output must go on being read, or it would block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(instance)
    }
}

/// How long one may take to end what it has begun.
const PATIENCE: Duration = Duration::from_secs(60);

impl Instance {
    /// Asks it to stop, as a service manager does, and waits until it has: an ending that is not a success is a failure.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        let mut kill = Command::new("kill");
        kill.args(["-s", "TERM", &self.child.id().to_string()]);
        if !kill.status()?.success() {
            return Err(Failure::Said("an instance had stopped by itself".to_owned()));
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                let said =
                    || Failure::Said(format!("an instance that was asked to stop ended with {status}"));
                return status.success().then_some(()).ok_or_else(said);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(Failure::Said("an instance does not stop".to_owned()))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Killing what has ended already fails, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
