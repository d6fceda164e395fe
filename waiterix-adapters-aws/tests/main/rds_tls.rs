//! The connection to RDS is encrypted and verified, or there is none.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use url::Url;
use waiterix_adapters_aws::rds::{self, IamPassword, RdsSettings};
use waiterix_backends::tls::Authority;
use waiterix_backends::{Backend, Running, given, postgres};
use waiterix_contract::ManualClock;
use waiterix_ports::vars::Vars;
use waiterix_ports::{Clock, ErrorKind, Retry, Store as _, SystemClock};
use waiterix_postgres::connect::{Database, Hosting, Password as _};

/// A server with a certificate for `localhost`, and its authority.
fn server() -> Option<(Running, Authority)> {
    // Where no server may be started, none is given either.
    given(Backend::Postgres)?;
    let authority = Authority::new().unwrap();
    let tls = Some(authority.identity(&["localhost"]).unwrap());
    Some((postgres::start(&postgres::Options { tls, ..postgres::Options::default() }).unwrap(), authority))
}

fn settings(vars: &[(&str, &str)]) -> (RdsSettings, Vec<String>) {
    let map: BTreeMap<String, String> =
        vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut vars = Vars::new(&map);
    let settings = RdsSettings::read(&mut vars, Hosting::Server);
    let problems = vars.problems().iter().map(ToString::to_string).collect();
    (settings, problems)
}

fn database(vars: &[(&str, &str)]) -> Database {
    let (settings, problems) = settings(vars);
    assert_eq!(problems, Vec::<String>::new());
    rds::database(&settings, None, &(Arc::new(SystemClock) as Arc<dyn Clock>)).unwrap()
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

fn named(url: &Url, host: &str) -> String {
    let mut url = url.clone();
    url.set_host(Some(host)).unwrap();
    url.to_string()
}

#[tokio::test]
async fn only_a_server_with_the_right_certificate_and_name_is_spoken_to() {
    let Some((server, authority)) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let right = file(folder.path(), "right.pem", &authority.certificate_pem);
    let wrong = file(folder.path(), "wrong.pem", &Authority::new().unwrap().certificate_pem);
    let (by_name, by_address) = (named(server.url(), "localhost"), server.url().to_string());

    let database_right =
        database(&[("DATABASE_URL", &by_name), ("DB_SSL", "true"), ("DB_SSL_ROOT_CERT", &right)]);
    let mut lease = database_right.acquire("test.use").await.unwrap();
    let encrypted: bool = sqlx::query_scalar("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        .fetch_one(&mut *lease)
        .await
        .unwrap();
    assert!(encrypted);
    let in_the_url = format!("{by_name}?sslmode=require&sslrootcert={right}");
    database(&[("DATABASE_URL", &in_the_url)]).acquire("test.use").await.unwrap();

    let require = format!("{by_name}?sslmode=require");
    for (what, vars) in [
        (
            "another authority",
            vec![("DATABASE_URL", by_name.as_str()), ("DB_SSL", "true"), ("DB_SSL_ROOT_CERT", &wrong)],
        ),
        ("no authority but the system's", vec![("DATABASE_URL", &by_name), ("DB_SSL", "true")]),
        (
            "a mode that other clients take for unverified",
            vec![("DATABASE_URL", &require), ("DB_SSL", "false")],
        ),
        (
            "another host name",
            vec![("DATABASE_URL", &by_address), ("DB_SSL", "true"), ("DB_SSL_ROOT_CERT", &right)],
        ),
    ] {
        let error = database(&vars).acquire("test.use").await.unwrap_err();
        assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Denied, Retry::No), "{what}: {error}");
        assert!(error.to_string().contains("certificate"), "{what}: {error}");
    }
    let missing = folder.path().join("missing.pem").display().to_string();
    let vars = [("DATABASE_URL", by_name.as_str()), ("DB_SSL", "true"), ("DB_SSL_ROOT_CERT", &missing)];
    let error = database(&vars).acquire("test.use").await.unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Invalid, Retry::No), "{error}");
}

#[tokio::test]
async fn a_server_without_encryption_is_refused() {
    let Some(server) = given(Backend::Postgres) else { return };
    let error = database(&[("DATABASE_URL", &named(&server, "localhost")), ("DB_SSL", "true")])
        .acquire("test.use")
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.retry_advice()), (ErrorKind::Denied, Retry::No), "{error}");
    assert!(error.to_string().contains("server does not support TLS"), "{error}");
}

/// Asks for the password as it is, which is how RDS asks for tokens, instead of a proof that the client knows it.
async fn asks_for_the_password_itself(server: &Running, role: &str) {
    let file = server.folder().join("data/pg_hba.conf");
    let rules = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("hostssl all {role} 127.0.0.1/32 password\n{rules}")).unwrap();
    let database = waiterix_postgres::testing::database(server.url()).unwrap();
    let mut lease = database.acquire("test.setup").await.unwrap();
    sqlx::query("SELECT pg_reload_conf()").execute(&mut *lease).await.unwrap();
    lease.release();
}

async fn run(server: &Running, sql: String) {
    let database = waiterix_postgres::testing::database(server.url()).unwrap();
    let mut lease = database.acquire("test.setup").await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *lease).await.unwrap();
    lease.release();
}

#[tokio::test]
async fn a_token_of_iam_signs_in_and_is_renewed_for_new_connections() {
    let Some((server, authority)) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let right = file(folder.path(), "right.pem", &authority.certificate_pem);
    let port = server.url().port().unwrap().to_string();
    let (settings, problems) = settings(&[
        ("DB_HOST", "localhost"),
        ("DB_PORT", &port),
        ("DB_NAME", "postgres"),
        ("DB_USER", "till"),
        ("DB_SSL", "true"),
        ("DB_SSL_ROOT_CERT", &right),
        ("DB_IAM_AUTH", "true"),
        ("AWS_REGION", "eu-central-1"),
    ]);
    assert_eq!(problems, Vec::<String>::new());
    let session = Some("session/token+of=some length ".repeat(40));
    let credentials =
        SharedCredentialsProvider::new(Credentials::new("akid", "secret", session, None, "test"));
    let aws = SdkConfig::builder().credentials_provider(credentials.clone()).build();
    let clock = Arc::new(ManualClock::default());
    let shared: Arc<dyn Clock> = clock.clone();
    let issuer = IamPassword::new(&settings.postgres, "eu-central-1", credentials, shared.clone());
    let token = issuer.password().await.unwrap();

    run(&server, format!("CREATE ROLE till LOGIN PASSWORD '{}'", token.reveal())).await;
    let store = rds::open(&settings, Some(&aws), &shared).unwrap();
    store.check().await.unwrap();
    asks_for_the_password_itself(&server, "till").await;
    let _held = store.database().acquire("test.use").await.unwrap();
    let _also = store.database().acquire("test.use").await.unwrap();
    // Later the server takes another token only, and that is the one that the next connection brings.
    clock.advance(Duration::from_secs(601));
    let renewed = issuer.password().await.unwrap();
    assert_ne!(renewed, token);
    assert_eq!(store.database().acquire("test.use").await.unwrap_err().kind(), ErrorKind::Denied);
    run(&server, format!("ALTER ROLE till PASSWORD '{}'", renewed.reveal())).await;
    store.database().acquire("test.use").await.unwrap();
}

#[test]
fn tokens_need_encryption_a_region_and_credentials() {
    let base = [("DATABASE_URL", "postgres://till:old@localhost/d"), ("DB_IAM_AUTH", "1")];
    let (_, problems) = settings(&base);
    assert_eq!(
        problems,
        [
            "DB_IAM_AUTH: needs an encrypted connection, because a token is sent as it is",
            "AWS_REGION: is not set: the AWS adapters need a region such as eu-central-1",
        ]
    );
    let (settings, problems) =
        settings(&[base[0], base[1], ("DB_SSL", "true"), ("AWS_REGION", "eu-central-1")]);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(
        settings.postgres.warnings,
        ["DB_IAM_AUTH is set, so the password of the database is ignored"]
    );
    assert!(settings.postgres.password.is_none());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    for aws in [None, Some(&SdkConfig::builder().build())] {
        assert_eq!(rds::open(&settings, aws, &clock).unwrap_err().kind(), ErrorKind::Invalid);
    }
}
