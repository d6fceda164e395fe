//! Databases in which a move is rehearsed, beside the one that is moved to.

use sqlx::Connection as _;
use waiterix_ports::Result;

use super::install::{execute, of};
use super::tables::ident;
use crate::connect::Database;

/// Makes an empty database on the server of another one, for its role.
///
/// # Errors
/// `Denied` without the right to make databases; `Conflict` when there is one of that name; `Unsupported` behind a pooler;
/// `Unavailable`, `Timeout`.
pub async fn make_beside(database: &Database, name: &str) -> Result<()> {
    // The template without anything that somebody added to the other one.
    run(database, &format!("CREATE DATABASE {} TEMPLATE template0", ident(name)), "rehearsal.make").await
}

/// Removes a database from the server of another one, whoever is still connected to it; none of that name is fine.
///
/// # Errors
/// As [`make_beside`].
pub async fn remove_beside(database: &Database, name: &str) -> Result<()> {
    run(database, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", ident(name)), "rehearsal.remove").await
}

async fn run(database: &Database, sql: &str, operation: &'static str) -> Result<()> {
    let mut connection = database.maintenance(operation).await?;
    let outcome = execute(&mut connection, sql).await.map_err(|error| of(&error, operation));
    // Nothing is held by the session.
    let _ = connection.close().await;
    outcome
}
