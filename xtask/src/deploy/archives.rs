//! The archives of the functions. Each has a name of its own: two of one name would share a place when they are uploaded, and
//! both functions would be the same one.

use std::fs::{self, File};
use std::io::{Cursor, Seek, Write};
use std::path::Path;
use std::process::Command;

use waiterix_backends::deployment;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::command::{Failure, built, cargo, step};

/// The functions, as binaries of `waiterix-lambda` and in `deploy/serverless.yml`.
pub(crate) const FUNCTIONS: [&str; 4] = ["api", "websocket", "relay", "mail-events"];
/// The profile they are built with.
pub(crate) const PROFILE: &str = "function";
/// The authorities by which RDS is known, as `DB_SSL_ROOT_CERT` names them.
const AUTHORITIES: &str = "rds-global-bundle.pem";
/// Where AWS publishes them.
const AUTHORITIES_URL: &str = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem";

/// Archives for templates that nobody deploys.
pub(super) fn placeholders(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder)?;
    for name in FUNCTIONS {
        write(folder, name, format!("placeholder of {name}").as_bytes(), b"placeholder")?;
    }
    Ok(())
}

/// The functions themselves, built for the processor they will run on.
pub(super) fn functions(folder: &Path) -> Result<(), Failure> {
    let program = deployment::cargo_lambda().map_err(|fault| Failure::Said(fault.to_string()))?;
    let beside = program.parent().unwrap_or(&program).to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(beside).chain(std::env::split_paths(&path)))
        .map_err(|error| Failure::Said(error.to_string()))?;
    let mut build = cargo();
    build
        .args([
            "lambda",
            "build",
            "--profile",
            PROFILE,
            "--arm64",
            "--locked",
            "--package",
            "waiterix-lambda",
        ])
        .env("PATH", path)
        // The first random number of a process would take 50 ms, while a guest waits.
        .env("AWS_LC_SYS_NO_JITTER_ENTROPY", "1");
    step("Building the functions", &mut build)?;
    fs::create_dir_all(folder)?;
    let bundle = folder.join(AUTHORITIES);
    let mut fetch = Command::new("curl");
    fetch.args(["--fail", "--silent", "--show-error", "--proto", "=https", "--output"]).arg(&bundle);
    step("Fetching the authorities of RDS", fetch.arg(AUTHORITIES_URL))?;
    let authorities = fs::read(bundle)?;
    if !authorities.starts_with(b"-----BEGIN CERTIFICATE-----") {
        return Err(Failure::Said(format!("{AUTHORITIES_URL} holds no certificates")));
    }
    for name in FUNCTIONS {
        write(folder, name, &fs::read(built("lambda").join(name).join("bootstrap"))?, &authorities)?;
    }
    Ok(())
}

/// How large the archive of a program is, but for the authorities.
pub(crate) fn zipped_bytes(name: &str, program: &[u8]) -> Result<usize, Failure> {
    Ok(archive(Cursor::new(Vec::new()), name, program, b"")?.into_inner().len())
}

fn write(folder: &Path, name: &str, program: &[u8], authorities: &[u8]) -> Result<(), Failure> {
    let file = File::create(folder.join(format!("{name}.zip")))?;
    archive(file, name, program, authorities).map(drop)
}

/// The same bytes make the same archive, so that only functions that changed are deployed.
fn archive<W: Write + Seek>(to: W, name: &str, program: &[u8], authorities: &[u8]) -> Result<W, Failure> {
    let failed = |error: zip::result::ZipError| Failure::Said(format!("the archive of {name}: {error}"));
    let mut archive = ZipWriter::new(to);
    let entry = SimpleFileOptions::default().last_modified_time(zip::DateTime::default());
    archive.start_file("bootstrap", entry.unix_permissions(0o755)).map_err(failed)?;
    archive.write_all(program)?;
    archive.start_file(AUTHORITIES, entry.unix_permissions(0o644)).map_err(failed)?;
    archive.write_all(authorities)?;
    archive.finish().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_has_an_archive_of_its_own_which_is_the_same_when_it_is_made_again() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        placeholders(one.path()).unwrap();
        placeholders(two.path()).unwrap();
        let read = |folder: &Path, name: &str| fs::read(folder.join(format!("{name}.zip"))).unwrap();
        for name in FUNCTIONS {
            assert_eq!(read(one.path(), name), read(two.path(), name), "{name}");
        }
        assert_ne!(read(one.path(), "api"), read(one.path(), "websocket"));
    }

    #[test]
    fn the_platform_finds_a_program_it_may_run_and_the_authorities_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        placeholders(folder.path()).unwrap();
        let file = File::open(folder.path().join("mail-events.zip")).unwrap();
        let mut archive = zip::ZipArchive::new(file).unwrap();
        let mode = archive.by_name("bootstrap").unwrap().unix_mode().unwrap();
        assert_eq!(mode & 0o777, 0o755);
        assert!(archive.by_name(AUTHORITIES).is_ok());
    }
}
