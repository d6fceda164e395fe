//! Copying objects, beside rclone: from the same emulator of Google's storage to the same emulator of S3.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use waiterix_backends::peers;

use super::super::fault;
use super::ground::timed;
use crate::command::Failure;
use crate::demo::rows;
use crate::demo::sides::Sides;

/// The bucket that rclone fills.
const BESIDE: &str = "waiterix-beside";
/// Most objects are pictures of dishes; the largest part of the bytes is in a few of them.
const SMALL: (u32, usize) = (1_800, 64 * 1_024);
const MIDDLE: (u32, usize) = (200, 1_024 * 1_024);
const LARGE: (u32, usize) = (6, 6 * 1_024 * 1_024);

/// Both sides with objects on the old one.
pub(super) struct Pictures {
    sides: Sides,
    variables: Vec<(String, String)>,
    /// How many there are.
    pub(super) count: u32,
    /// How much they hold.
    pub(super) bytes: usize,
}

impl Pictures {
    /// Starts all servers and puts a part of the objects on the old side.
    pub(super) fn prepare(
        runtime: &tokio::runtime::Runtime,
        program: &Path,
        providers: &Path,
        scale: f64,
    ) -> Result<Self, Failure> {
        let sides = runtime.block_on(Sides::start(providers))?;
        let mut variables = sides.variables().to_vec();
        for (choice, side) in [("WAITERIX_STORE", "dual"), ("WAITERIX_BLOBS", "dual")] {
            variables.push((choice.to_owned(), side.to_owned()));
        }
        for choice in ["WAITERIX_SESSIONS", "WAITERIX_MAILER", "WAITERIX_NOTIFIER"] {
            variables.push((choice.to_owned(), "legacy".to_owned()));
        }
        rows::old_schema(&sides.old)?;
        for side in [&["--legacy"][..], &[]] {
            let mut migrate = Command::new(program);
            migrate.args(["schema", "migrate"]).args(side).envs(sides.variables().iter().cloned());
            timed(migrate.env("WAITERIX_STORE", "aws"))?;
        }
        let mut pictures = Self { sides, variables, count: 0, bytes: 0 };
        // The plan is made here, for which every server is given three seconds to see it, once; what is measured is the copy.
        pictures.ours(program)?;
        for (count, size) in [SMALL, MIDDLE, LARGE] {
            let count = (f64::from(count) * scale).ceil() as u32;
            for _ in 0..count {
                pictures.count += 1;
                pictures.bytes += size;
                runtime.block_on(pictures.sides.put_old(&format!("uploads/{}", pictures.count), size))?;
            }
        }
        runtime.block_on(pictures.sides.make_bucket(BESIDE))?;
        Ok(pictures)
    }

    /// Ours: every object copied, its SHA-256 recorded.
    pub(super) fn ours(&self, program: &Path) -> Result<Duration, Failure> {
        let mut command = Command::new(program);
        command.args(["migrate", "start", "--port", "objects"]);
        timed(command.envs(self.variables.iter().map(|(name, value)| (name, value))))
    }

    /// rclone with as many transfers at once as it takes by itself. It compares sizes and, where both have them, MD5 sums.
    pub(super) fn rclone(&self) -> Result<Duration, Failure> {
        let variable = |name: &str| self.sides.variable(name).to_owned();
        let token = format!(
            "{{\"access_token\":\"{}\",\"token_type\":\"Bearer\",\"expiry\":\"2099-01-01T00:00:00Z\"}}",
            variable("STORAGE_TOKEN")
        );
        let google = variable("STORAGE_EMULATOR_HOST");
        let from = variable("PRIVATE_OBJECT_DIR");
        let settings: BTreeMap<&str, String> = BTreeMap::from([
            ("RCLONE_CONFIG_OLD_TYPE", "google cloud storage".to_owned()),
            ("RCLONE_CONFIG_OLD_ENDPOINT", format!("{}/storage/v1/", google.trim_end_matches('/'))),
            ("RCLONE_CONFIG_OLD_TOKEN", token),
            ("RCLONE_CONFIG_NEW_TYPE", "s3".to_owned()),
            ("RCLONE_CONFIG_NEW_PROVIDER", "Other".to_owned()),
            ("RCLONE_CONFIG_NEW_ENDPOINT", variable("AWS_ENDPOINT_URL")),
            ("RCLONE_CONFIG_NEW_REGION", variable("AWS_REGION")),
            ("RCLONE_CONFIG_NEW_ACCESS_KEY_ID", variable("AWS_ACCESS_KEY_ID")),
            ("RCLONE_CONFIG_NEW_SECRET_ACCESS_KEY", variable("AWS_SECRET_ACCESS_KEY")),
        ]);
        let mut command = Command::new(peers::rclone().map_err(|error| fault(&error))?);
        command.args(["copy", "--config", "/dev/null", "--low-level-retries", "1", "--retries", "1"]);
        command.arg(format!("old:{}", from.trim_matches('/'))).arg(format!("new:{BESIDE}"));
        // It speaks plain HTTP to both here, and would refuse authorities that it cannot read.
        command.env_remove("AWS_CA_BUNDLE").envs(settings);
        timed(&mut command)
    }
}
