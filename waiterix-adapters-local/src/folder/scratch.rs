//! Files that are being written, told apart from files that a dead process left behind.
//!
//! Whoever writes a file holds a shared lock on it until it has become part of what is stored. A lock dies with its
//! process, so a file that is neither stored nor locked is left over and may be removed, by any process, at any time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

/// How often a sweep of another process may take a file away between its creation and its lock.
const TRIES: u32 = 16;

/// A new, empty, locked file with a random name of 24 letters and digits in a folder, readable by its owner alone. It
/// is removed when it is dropped.
pub(crate) fn create(dir: &Path) -> io::Result<NamedTempFile> {
    for _ in 0..TRIES {
        let file = tempfile::Builder::new().prefix("").rand_bytes(24).tempfile_in(dir)?;
        file.as_file().lock_shared()?;
        // Removal needs the lock, so a file that is still there now will stay.
        if fs::exists(file.path())? {
            return Ok(file);
        }
    }
    Err(io::Error::other("new files are removed at once"))
}

/// Locks a file of a folder for removal. `None` while it is being written, or when it is gone already.
pub(crate) fn lock_left_over(path: &Path) -> io::Result<Option<File>> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Removes a file; one that is not there is fine.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Makes a folder, and those above it, for its owner alone; one that is there is fine.
pub(crate) fn make_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(dir)
}

/// Makes the names in a folder survive a power failure. Only Unix lets folders be synchronised; elsewhere the file
/// system journals names by itself.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
