//! Programs that do a part of what a move does, to be measured beside it.

use std::path::PathBuf;

use crate::{Fault, program};

/// pgcopydb, which copies a whole PostgreSQL database.
///
/// # Errors
/// When it is not there and cannot be installed.
pub fn pgcopydb() -> Result<PathBuf, Fault> {
    program::debian("pgcopydb", "pgcopydb", &[])
}

/// reladiff, which compares tables of two databases and names the rows that differ.
///
/// # Errors
/// When it is not there and cannot be installed.
pub fn reladiff() -> Result<PathBuf, Fault> {
    program::python("reladiff", "reladiff[postgresql]", "0.6.0")
}

/// rclone, which copies objects from one storage to another.
///
/// # Errors
/// When it is not there and cannot be installed.
pub fn rclone() -> Result<PathBuf, Fault> {
    program::debian("rclone", "rclone", &[])
}
