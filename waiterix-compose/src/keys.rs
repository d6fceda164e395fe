//! Secrets made at the first start and kept in the data folder.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use waiterix_app::{OsRandom, Random as _};
use waiterix_domain::Secret;

/// Secrets made at the first start and kept in the data folder.
#[derive(Debug)]
pub(crate) struct Keys {
    /// Signs session cookies, unless `SESSION_SECRET` is set.
    pub(crate) cookies: Secret,
    /// Signs object URLs.
    pub(crate) objects: Secret,
}

impl Keys {
    /// Reads the keys of a data folder, or makes them.
    pub(crate) fn open(data: &Path) -> Result<Self, String> {
        let said = |error: io::Error| format!("cannot keep keys in {}: {error}", data.display());
        make_private_folder(data).map_err(said)?;
        Ok(Self {
            cookies: key(&data.join("cookies.key")).map_err(said)?,
            objects: key(&data.join("objects.key")).map_err(said)?,
        })
    }
}

/// A key of 32 random bytes in hexadecimal, written whole before it gets its name so that no reader sees half of it.
fn key(path: &Path) -> io::Result<Secret> {
    match fs::read_to_string(path) {
        Ok(text) if text.len() == 64 => return Ok(Secret::new(text)),
        Ok(_) => return Err(io::Error::other(format!("{} is damaged", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut bytes = [0_u8; 32];
    OsRandom.fill(&mut bytes);
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let unfinished = path.with_extension(format!("{}.unfinished", std::process::id()));
    let mut file = private_file(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    // A link fails when another process was first; then its key counts.
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished)?;
    match linked {
        Ok(()) => Ok(Secret::new(text)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Ok(Secret::new(fs::read_to_string(path)?))
        }
        Err(error) => Err(error),
    }
}

fn private_file(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn make_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_a_damaged_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let first = Keys::open(dir.path()).unwrap();
        let second = Keys::open(dir.path()).unwrap();
        assert_eq!(first.cookies.reveal(), second.cookies.reveal());
        assert_ne!(first.cookies.reveal(), first.objects.reveal());
        fs::write(dir.path().join("cookies.key"), "short").unwrap();
        assert!(Keys::open(dir.path()).unwrap_err().contains("damaged"));
    }
}
