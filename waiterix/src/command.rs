//! What can be said on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use url::Url;

/// Backend of a restaurant QR-ordering service.
#[derive(Debug, Parser)]
#[command(name = "waiterix", version, about, args_conflicts_with_subcommands = true)]
pub(crate) struct Waiterix {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the HTTP and realtime API (what happens when no command is given).
    Serve(Serve),
    /// Load a realistic restaurant into the data folder: menu with pictures, tables with QR codes, past orders.
    Demo(Demo),
    /// Ask every configured dependency whether it works, and say what is wrong and how to mend it.
    Doctor(Doctor),
    /// Look at the schema of the PostgreSQL database that is configured, or complete it.
    #[cfg(any(feature = "aws", feature = "legacy"))]
    #[command(subcommand)]
    Schema(Schema),
    /// Move the service from its old providers to the new ones while it runs, and back as long as it is not finished.
    #[cfg(all(feature = "aws", feature = "legacy"))]
    #[command(subcommand)]
    Migrate(crate::migrate::Migrate),
    /// Print the OpenAPI document.
    Openapi,
}

impl Default for Command {
    fn default() -> Self {
        Self::Serve(Serve { listen: DEFAULT_LISTEN, data: DEFAULT_DATA.into(), web: None })
    }
}

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
const DEFAULT_DATA: &str = "waiterix-data";

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value_t = DEFAULT_LISTEN)]
    pub(crate) listen: SocketAddr,
    /// Folder for everything the service keeps.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    pub(crate) data: PathBuf,
    /// Folder of the built web client, to be served from the same address.
    #[arg(long, value_name = "DIR")]
    pub(crate) web: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Folder for everything the service keeps.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    pub(crate) data: PathBuf,
    /// Address under which guests reach the service; it goes into the QR codes.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) site: Url,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Folder for everything the local adapters keep; made if it is not there.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    pub(crate) data: PathBuf,
    /// Answer in JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The database is named by the same variables as for serving: `DATABASE_URL`, or `DB_HOST` and so on.
#[cfg(any(feature = "aws", feature = "legacy"))]
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Schema {
    /// Compare the schema with what it must be. Reads only; fails if something is missing or different.
    Check(Side),
    /// Add what is missing, whichever state the database is in. Takes nothing away, can be run again at any time and
    /// while the service runs; needs a direct connection, not a pooler.
    Migrate(Side),
}

/// Which database is meant where there are two.
#[cfg(any(feature = "aws", feature = "legacy"))]
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Side {
    /// The one of the old provider: LEGACY_DATABASE_URL, or DATABASE_URL without it.
    #[arg(long)]
    pub(crate) legacy: bool,
}
