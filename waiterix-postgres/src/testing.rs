//! Databases for tests: one per case, copied from a template that has the schema.
//!
//! A feature of this crate rather than a file of its tests, because the tests of the adapters need it as well.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use url::Url;
use waiterix_domain::Secret;
use waiterix_ports::SystemClock;
use waiterix_ports::vars::Vars;

use crate::connect::{Database, FixedPassword, Hosting, PostgresSettings};
use crate::schema::{self, Target};

/// Templates are made under this lock, which means nothing.
const LOCK: i64 = 0x5445_4d50;

/// A database of one test. It is removed when this is dropped, whoever is still connected.
#[derive(Debug)]
pub struct Scratch {
    server: Url,
    name: String,
}

impl Scratch {
    /// A database with the schema and no rows, on a server whose role may make databases.
    ///
    /// # Errors
    /// Those of the server and of the migration.
    pub async fn migrated(server: &Url) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let template = made_template(server).await?;
        Ok(Self::create(server, &template).await?)
    }

    /// A database without anything in it.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn empty(server: &Url) -> sqlx::Result<Self> {
        Self::create(server, "template0").await
    }

    async fn create(server: &Url, template: &str) -> sqlx::Result<Self> {
        let name = format!("case_{:016x}", RandomState::new().hash_one(std::process::id()));
        let scratch = Self { server: server.clone(), name };
        let sql = format!("CREATE DATABASE {} TEMPLATE {template}", scratch.name);
        let mut admin = connect(server).await?;
        execute(&mut admin, &sql).await?;
        admin.close().await?;
        Ok(scratch)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> Url {
        self.through(&self.server)
    }

    /// Its URL by way of another address of the server, such as that of a pooler or of a proxy.
    #[must_use]
    pub fn through(&self, address: &Url) -> Url {
        let mut url = address.clone();
        url.set_path(&self.name);
        url
    }

    /// Somebody who knows nothing of this program and speaks SQL.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn psql(&self) -> sqlx::Result<Psql> {
        connect(&self.url()).await.map(Psql)
    }
}

/// A session in which any SQL is run.
#[derive(Debug)]
pub struct Psql(PgConnection);

impl Psql {
    /// Runs statements.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn run(&mut self, sql: &str) -> sqlx::Result<()> {
        execute(&mut self.0, sql).await
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A runtime must not be waited for inside of another one, so it gets a thread of its own.
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async {
                let mut admin = connect(&server).await.ok()?;
                let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                execute(&mut admin, &sql).await.ok()?;
                admin.close().await.ok()
            })
        });
        // A server that is gone took the database with it.
        let _ = removing.join();
    }
}

/// Settings for a URL of a test.
///
/// # Errors
/// What is wrong with the URL.
pub fn settings(url: &Url) -> Result<PostgresSettings, String> {
    let map = std::collections::BTreeMap::new();
    let mut vars = Vars::new(&map);
    let settings =
        PostgresSettings::from_url(&mut vars, "the URL", &Secret::new(url.as_str()), Hosting::Server);
    let problems: Vec<_> = vars.problems().iter().map(ToString::to_string).collect();
    if problems.is_empty() { Ok(settings) } else { Err(problems.join("; ")) }
}

/// A database by its URL.
///
/// # Errors
/// What is wrong with the URL.
pub fn database(url: &Url) -> Result<Database, Box<dyn std::error::Error + Send + Sync>> {
    let settings = settings(url)?;
    let password = settings.password.clone().unwrap_or_else(|| Secret::new(""));
    Ok(Database::new(settings, Arc::new(FixedPassword::new(password)), Arc::new(SystemClock))?)
}

async fn connect(server: &Url) -> sqlx::Result<PgConnection> {
    let options = sqlx::postgres::PgConnectOptions::from_url(server)?.disable_statement_logging();
    PgConnection::connect_with(&options).await
}

async fn execute(connection: &mut PgConnection, sql: &str) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// The template is named after what it holds, so that a changed schema gets a new one.
fn template_name() -> String {
    let mut hash = DefaultHasher::new();
    schema::whole(&Target::current()).hash(&mut hash);
    format!("template_{:016x}", hash.finish())
}

/// Makes the template unless it is there. Tests run in many processes, of which one makes it.
async fn made_template(server: &Url) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let name = template_name();
    let mut admin = connect(server).await?;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(&mut admin).await?;
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut admin)
        .await?;
    if !there {
        // It gets its name when it is complete.
        execute(&mut admin, &format!("DROP DATABASE IF EXISTS {name}_new WITH (FORCE)")).await?;
        execute(&mut admin, &format!("CREATE DATABASE {name}_new TEMPLATE template0")).await?;
        let mut url = server.clone();
        url.set_path(&format!("{name}_new"));
        schema::migrate(&database(&url)?, |_| {}).await?;
        execute(&mut admin, &format!("ALTER DATABASE {name}_new RENAME TO {name}")).await?;
        execute(&mut admin, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await?;
    }
    // The lock goes with the session.
    admin.close().await?;
    Ok(name)
}
