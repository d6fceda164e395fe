//! What Linux says about a process.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::command::{Failure, output_of};

/// A process by its id.
#[derive(Debug, Clone, Copy)]
pub(super) struct Process(pub(super) u32);

/// Processor time since the start of a process, in ticks of the system.
#[derive(Debug, Clone, Copy)]
pub(super) struct CpuTime {
    ticks: u64,
    ticks_per_second: u64,
}

impl CpuTime {
    pub(super) fn since(self, earlier: Self) -> Duration {
        let ticks = self.ticks.saturating_sub(earlier.ticks);
        Duration::from_micros(ticks.saturating_mul(1_000_000) / self.ticks_per_second.max(1))
    }
}

impl Process {
    /// This one.
    pub(super) fn own() -> Self {
        Self(std::process::id())
    }

    fn file(self, name: &str) -> Result<String, Failure> {
        let path = format!("/proc/{}/{name}", self.0);
        fs::read_to_string(&path)
            .map_err(|error| Failure::Said(format!("{path}: {error}; the figures need Linux")))
    }

    /// A line of its `status` that is in KiB.
    fn status_kib(self, name: &str) -> Result<u64, Failure> {
        kib_in(&self.file("status")?, name)
            .ok_or_else(|| Failure::Said(format!("/proc/{}/status has no {name}", self.0)))
    }

    /// Memory it holds now, in KiB.
    pub(super) fn resident_kib(self) -> Result<u64, Failure> {
        self.status_kib("VmRSS")
    }

    /// The most memory it ever held, in KiB.
    pub(super) fn peak_kib(self) -> Result<u64, Failure> {
        self.status_kib("VmHWM")
    }

    pub(super) fn cpu_time(self) -> Result<CpuTime, Failure> {
        let ticks = ticks_in(&self.file("stat")?)
            .ok_or_else(|| Failure::Said(format!("/proc/{}/stat is not understood", self.0)))?;
        Ok(CpuTime { ticks, ticks_per_second: ticks_per_second()? })
    }
}

fn kib_in(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// User and system ticks. The second field is a name in brackets, which may hold anything, so fields are counted from
/// the last bracket.
fn ticks_in(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn ticks_per_second() -> Result<u64, Failure> {
    static KNOWN: OnceLock<u64> = OnceLock::new();
    if let Some(known) = KNOWN.get() {
        return Ok(*known);
    }
    let text = output_of(Command::new("getconf").arg("CLK_TCK"))?;
    let ticks = text.trim().parse().map_err(|_| Failure::Said(format!("getconf CLK_TCK said {text:?}")))?;
    Ok(*KNOWN.get_or_init(|| ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_ticks_are_found() {
        assert_eq!(kib_in("Name:\tx\nVmHWM:\t   5120 kB\nVmRSS:\t 4096 kB\n", "VmRSS"), Some(4_096));
        assert_eq!(kib_in("Name:\tx\n", "VmRSS"), None);
        let stat = "7 (odd) name) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0";
        assert_eq!(ticks_in(stat), Some(300));
    }

    #[test]
    fn this_process_has_memory() {
        let own = Process::own();
        assert!(own.resident_kib().unwrap() > 0);
        assert!(own.peak_kib().unwrap() >= own.resident_kib().unwrap());
        own.cpu_time().unwrap();
    }
}
