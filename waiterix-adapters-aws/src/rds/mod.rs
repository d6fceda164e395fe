//! rds.
