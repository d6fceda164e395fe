//! The service over HTTP with its rows in PostgreSQL, and beside it what `pgbench` reaches on the same server with the same
//! statements.

use std::process::Command;

use waiterix_backends::postgres::{self, Options as Server};

use super::service::{Goals, figures, table};
use super::{Options, example, fault, machine};
use crate::command::{Failure, built, output_of, step};

/// The example that measures beside HTTP.
pub(super) const EXAMPLE: &str = "postgres_speed";
/// The line of the example that tells of orders.
const ORDERS: &str = "orders of 3 dishes: ";

const GOALS: Goals =
    Goals { menu: "≥ 5,000/s", orders: "≥ 0.6 × pgbench", rest: "", peak: "≤ 60 MiB", start: "" };

/// Measures and answers the figures with their circumstances.
pub(super) async fn measure(options: &Options) -> Result<String, Failure> {
    let command = format!(
        "cargo xtask bench postgres --seconds {} --connections {}",
        options.seconds, options.connections
    );
    let circumstances = machine::description(&command)?;
    // Commits wait for the disk, as they do in a restaurant.
    let server =
        postgres::start(&Server { durable: true, ..Server::default() }).map_err(|error| fault(&error))?;
    let composition = [
        ("WAITERIX_STORE", "aws".to_owned()),
        ("DATABASE_URL", server.url().to_string()),
        ("DB_POOL_MAX", options.connections.min(100).to_string()),
        ("FRONTEND_URL", "http://127.0.0.1".to_owned()),
    ];
    let mut migrate = Command::new(built("release").join("waiterix"));
    migrate.args(["schema", "migrate"]).envs(composition.iter().map(|(name, value)| (name, value)));
    step("Making the schema", &mut migrate)?;
    let folder = tempfile::tempdir()?;
    let http = figures(options, folder.path(), &composition).await?;
    println!("\n==> pgbench, and the store without HTTP");
    let text = output_of(example(EXAMPLE).arg(server.url().as_str()))?;
    let theirs = pgbench_orders(&text)
        .ok_or_else(|| Failure::Said(format!("no figure of pgbench for orders in:\n{text}")))?;
    Ok(format!(
        "{circumstances}\n\n{}\n\n\
         Orders over HTTP are {:.2} of what pgbench reaches with the same statements ({theirs:.0}/s), both with 16 clients on the \
         same server and cores. The store without HTTP, beside pgbench:\n\n```text\n{}\n```",
        table(&http, options, &GOALS),
        http.orders.per_second / theirs,
        text.trim()
    ))
}

/// What pgbench reached with orders, per second.
fn pgbench_orders(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(ORDERS))?;
    let (_, rest) = line.split_once("pgbench ")?;
    rest.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_of_pgbench_is_found() {
        let text = "menus of 50 dishes: 9000/s; pgbench 8000/s; ratio 1.1\norders of 3 dishes: 3000/s; pgbench 4000/s; ratio 0.75\n";
        assert_eq!(pgbench_orders(text), Some(4000.0));
        assert_eq!(pgbench_orders("nothing"), None);
    }
}
