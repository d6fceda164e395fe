//! What the variables say of the database.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use waiterix_ports::vars::Vars;
use waiterix_postgres::connect::{Credential, Hosting, PostgresSettings, Tls};

/// The settings, and the problems as they are told.
fn read_for(
    hosting: Hosting,
    credential: Credential,
    vars: &[(&str, &str)],
) -> (PostgresSettings, Vec<String>) {
    let map: BTreeMap<String, String> =
        vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut vars = Vars::new(&map);
    let settings = PostgresSettings::read(&mut vars, hosting, credential);
    let problems: Vec<String> = vars.problems().iter().map(ToString::to_string).collect();
    for (name, value) in &map {
        let is_telling = value.len() > 5 && !name.ends_with("SSL");
        let told = format!("{problems:?} {:?} {settings:?}", settings.warnings);
        let is_secret = name.ends_with("PASSWORD") || name.ends_with("URL");
        assert!(!(is_telling && is_secret && told.contains(value.as_str())), "{name} is told: {told}");
    }
    (settings, problems)
}

fn read(vars: &[(&str, &str)]) -> (PostgresSettings, Vec<String>) {
    read_for(Hosting::Server, Credential::Password, vars)
}

fn good(vars: &[(&str, &str)]) -> PostgresSettings {
    let (settings, problems) = read(vars);
    assert_eq!(problems, Vec::<String>::new());
    settings
}

fn url(url: &str) -> PostgresSettings {
    good(&[("DATABASE_URL", url)])
}

/// What is wrong with a URL.
fn faults(url: &str) -> Vec<String> {
    read(&[("DATABASE_URL", url)]).1
}

const PARTS: [(&str, &str); 4] =
    [("DB_HOST", "db.example.org"), ("DB_NAME", "shop"), ("DB_USER", "app"), ("DB_PASSWORD", "hidden-word")];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = PARTS.into_iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
    kept.chain(more.iter().copied()).collect()
}

const VERIFIED: Tls = Tls::Verified { root_cert: None };

#[test]
fn a_url_alone_is_enough() {
    let settings = url("postgres://app:hidden-word@db.example.org:6543/shop");
    assert_eq!(
        (settings.host.as_str(), settings.port, settings.database.as_str(), settings.user.as_str()),
        ("db.example.org", 6543, "shop", "app")
    );
    assert_eq!(settings.password.unwrap().reveal(), "hidden-word");
    assert_eq!(settings.tls, VERIFIED);
    assert_eq!(url("postgresql://app:p@db.example.org/shop").port, 5432);
}

#[test]
fn parts_alone_are_enough() {
    let settings = good(&PARTS);
    assert_eq!(
        (settings.host.as_str(), settings.port, settings.database.as_str(), settings.user.as_str()),
        ("db.example.org", 5432, "shop", "app")
    );
    assert_eq!(settings.password.as_ref().unwrap().reveal(), "hidden-word");
    assert_eq!((settings.tls, settings.warnings), (VERIFIED, vec![]));
    assert_eq!(good(&with(&[("DB_PORT", "6000")])).port, 6000);
}

#[test]
fn a_url_wins_over_parts() {
    let settings = good(&with(&[("DATABASE_URL", "postgres://a:b@other.example.org/c")]));
    assert_eq!(settings.host, "other.example.org");
    assert_eq!(settings.warnings, ["DATABASE_URL is set, so DB_HOST and its siblings are ignored"]);
    // An empty one is none.
    assert_eq!(good(&with(&[("DATABASE_URL", "")])).host, "db.example.org");
}

#[test]
fn everything_that_is_missing_is_named_at_once() {
    assert_eq!(
        read(&[]).1,
        [
            "DATABASE_URL: is not set, and neither are DB_HOST, DB_NAME, DB_USER, DB_PASSWORD: one or the other is needed"
        ]
    );
    let missing = |name: &str| format!("{name}: is not set: it is needed where DATABASE_URL is not set");
    assert_eq!(read(&[("DB_HOST", "h")]).1, ["DB_NAME", "DB_USER", "DB_PASSWORD"].map(missing));
    assert_eq!(read(&[("DB_PASSWORD", "p")]).1, ["DB_HOST", "DB_NAME", "DB_USER"].map(missing));
    assert_eq!(
        read(&[("DATABASE_URL", "postgres://app@h.example.org/d")]).1,
        ["DATABASE_URL: names no password"]
    );
    let issued = [("DATABASE_URL", "postgres://app@h.example.org/d")];
    assert!(read_for(Hosting::Server, Credential::Issued, &issued).1.is_empty());
    assert!(read_for(Hosting::Server, Credential::Issued, &PARTS[..3]).1.is_empty());
}

#[test]
fn the_old_names_count_where_the_new_ones_are_not_set() {
    let old = [
        ("RDS_HOST", "old.example.org"),
        ("RDS_PORT", "5433"),
        ("RDS_DATABASE", "shop"),
        ("RDS_USERNAME", "app"),
        ("RDS_PASSWORD", "hidden-word"),
    ];
    let settings = good(&old);
    assert_eq!(
        (settings.host.as_str(), settings.port, settings.user.as_str()),
        ("old.example.org", 5433, "app")
    );
    assert_eq!(settings.warnings.len(), 5);
    assert!(settings.warnings.contains(&"RDS_HOST is an old name; DB_HOST is read first".to_owned()));
    // Both are fine as long as they agree.
    assert_eq!(good(&with(&[("RDS_HOST", "db.example.org")])).host, "db.example.org");
    let pairs = [
        ("DB_HOST", "RDS_HOST"),
        ("DB_NAME", "RDS_DATABASE"),
        ("DB_USER", "RDS_USERNAME"),
        ("DB_PASSWORD", "RDS_PASSWORD"),
    ];
    for (name, alias) in pairs {
        let problems = read(&with(&[(alias, "another-one")])).1;
        assert_eq!(problems, [format!("{alias}: is an old name of {name}, and says something else")]);
    }
    let problems = read(&with(&[("DB_PORT", "1"), ("RDS_PORT", "2")])).1;
    assert_eq!(problems, ["RDS_PORT: is an old name of DB_PORT, and says something else"]);
}

#[test]
fn special_characters_are_decoded() {
    let settings = url("postgres://us%40er:p%40ss%2Fw%3Ard%20%C3%A9%23@db.example.org/my%20shop");
    assert_eq!((settings.user.as_str(), settings.database.as_str()), ("us@er", "my shop"));
    assert_eq!(settings.password.unwrap().reveal(), "p@ss/w:rd é#");
    assert_eq!(url("postgres://u:p@[::1]:5433/d").host, "::1");
    assert_eq!(
        faults("postgres://u:%ff%fe@h.example.org/d"),
        ["DATABASE_URL: its password is not UTF-8 once decoded"]
    );
}

#[test]
fn a_malformed_url_is_a_problem_without_its_text() {
    for (text, expected) in [
        ("db.example.org", "must be a URL such as"),
        ("mysql://u:hidden-word@h/d", "must begin with postgres://"),
        ("postgres://u:hidden-word@h.example.org", "names no database"),
        ("postgres://:hidden-word@h.example.org/d", "names no user"),
        ("postgres://u:hidden-word@a.example.org,b.example.org/d", "several hosts"),
        ("postgres://u:hidden-word@%2Fvar%2Frun/d", "names a socket"),
        ("postgres://u:hidden-word@h.example.org/d#rest", "in a password it is written %23"),
        ("postgres://u:p@h.example.org:70000/d", "must be a URL such as"),
        ("postgres://u:p@h.example.org/d?search_path=own", "a parameter search_path that is not understood"),
        // What follows a `?` in a password that was not encoded is not repeated.
        ("postgres://u:p@h.example.org/d?hidden=word", "has a parameter that is not understood"),
        (
            "postgres://u:p@h.example.org/d?options=-c%20search_path%3Down",
            "options may only name an endpoint",
        ),
        ("postgres://u:p@h.example.org/d?connect_timeout=soon", "connect_timeout must be 1 to 60 seconds"),
    ] {
        let problems = faults(text).join("; ");
        assert!(problems.contains(expected), "{text}: {problems}");
        assert!(!problems.contains("hidden"), "{problems}");
    }
    assert_eq!(
        read(&[("DATABASE_URL", " postgres://u:p@h.example.org/d")]).1,
        ["DATABASE_URL: has blanks around it"]
    );
}

#[test]
fn whatever_is_encrypted_is_verified() {
    let tls = |query: &str, more: &[(&str, &str)]| {
        let text = format!("postgres://u:p@db.example.org/d{query}");
        let mut vars = vec![("DATABASE_URL", text.as_str())];
        vars.extend_from_slice(more);
        read(&vars).0.tls
    };
    for query in [
        "",
        "?sslmode=require",
        "?sslmode=verify-ca",
        "?sslmode=verify-full",
        "?sslmode=require&sslrootcert=system",
    ] {
        assert_eq!(tls(query, &[]), VERIFIED, "{query}");
    }
    // The URL wins over the variable, which wins over the default.
    assert_eq!(tls("?sslmode=disable", &[("DB_SSL", "true")]), Tls::Off);
    assert_eq!(tls("?sslmode=require", &[("DB_SSL", "false")]), VERIFIED);
    assert_eq!(tls("", &[("DB_SSL", "0")]), Tls::Off);
    for mode in ["prefer", "allow"] {
        let problems = faults(&format!("postgres://u:p@db.example.org/d?sslmode={mode}"));
        assert_eq!(
            problems,
            ["DATABASE_URL: sslmode leaves it to the server whether to encrypt; say disable or verify-full"]
        );
    }
    let file = |name: &str| Tls::Verified { root_cert: Some(PathBuf::from(name)) };
    assert_eq!(tls("", &[("DB_SSL_ROOT_CERT", "/ca.pem")]), file("/ca.pem"));
    assert_eq!(tls("?sslrootcert=/url.pem", &[("DB_SSL_ROOT_CERT", "/ca.pem")]), file("/url.pem"));
}

#[test]
fn encryption_is_on_unless_the_host_is_the_machine_itself() {
    for (host, expected) in [
        ("db.example.org", VERIFIED),
        ("10.0.0.7", VERIFIED),
        ("localhost.example.org", VERIFIED),
        ("localhost", Tls::Off),
        ("127.0.0.1", Tls::Off),
        ("::1", Tls::Off),
    ] {
        assert_eq!(good(&with(&[("DB_HOST", host)])).tls, expected, "{host}");
    }
    assert_eq!(good(&with(&[("DB_HOST", "localhost"), ("DB_SSL", "1")])).tls, VERIFIED);
    let off = good(&with(&[("DB_SSL", "false")]));
    assert_eq!(
        (off.tls, off.warnings),
        (Tls::Off, vec!["the connection to the database is not encrypted".to_owned()])
    );
    assert_eq!(read(&with(&[("DB_SSL", "yes")])).1, ["DB_SSL: must be true, false, 1 or 0"]);
}

#[test]
fn the_urls_of_neon_are_understood() {
    let settings = url(
        "postgresql://app:p@ep-cool-name-123456-pooler.eu-central-1.aws.neon.tech/shop?sslmode=require&channel_binding=require",
    );
    assert!(settings.pooled);
    assert_eq!((settings.tls, settings.routing), (VERIFIED, None));
    let settings = url(
        "postgresql://app:p@ep-cool-name-123456.eu-central-1.aws.neon.tech/shop?options=endpoint%3Dep-cool-name-123456",
    );
    assert!(!settings.pooled);
    assert_eq!(settings.routing.as_deref(), Some("endpoint=ep-cool-name-123456"));
    assert_eq!(
        url("postgres://u:p@h.example.org/d?connect_timeout=15").connect_timeout,
        Duration::from_secs(15)
    );
    assert_eq!(url("postgres://u:p@h.example.org/d?application_name=till").application_name, "till");
}

#[test]
fn a_pooler_is_known_by_its_name_or_by_being_told() {
    assert!(!good(&PARTS).pooled);
    assert!(good(&with(&[("DB_POOLED", "true")])).pooled);
    assert!(good(&with(&[("DB_HOST", "ep-x-pooler.eu.aws.neon.tech")])).pooled);
    assert!(!good(&with(&[("DB_HOST", "ep-x-pooler.eu.aws.neon.tech"), ("DB_POOLED", "false")])).pooled);
    assert!(url("postgres://u:p@h.example.org/d?pgbouncer=true").pooled);
}

#[test]
fn the_pool_is_small_and_every_wait_has_an_end() {
    assert_eq!(good(&PARTS).pool_max, 5);
    assert_eq!(read_for(Hosting::Function, Credential::Password, &PARTS).0.pool_max, 2);
    assert_eq!(good(&with(&[("DB_POOL_MAX", "17")])).pool_max, 17);
    let settings = good(&PARTS);
    let longest = settings.acquire_timeout + settings.connect_timeout + settings.statement_timeout;
    assert!(longest < Duration::from_secs(29), "{longest:?} is past the patience of API Gateway");
    let settings = good(&with(&[
        ("DB_CONNECT_TIMEOUT_MS", "1100"),
        ("DB_ACQUIRE_TIMEOUT_MS", "1200"),
        ("DB_STATEMENT_TIMEOUT_MS", "1300"),
    ]));
    let ms = Duration::from_millis;
    assert_eq!(
        (settings.connect_timeout, settings.acquire_timeout, settings.statement_timeout),
        (ms(1100), ms(1200), ms(1300))
    );
    for (name, value) in [
        ("DB_POOL_MAX", "0"),
        ("DB_POOL_MAX", "many"),
        ("DB_POOL_MAX", "101"),
        ("DB_CONNECT_TIMEOUT_MS", "5"),
        ("DB_ACQUIRE_TIMEOUT_MS", "-1"),
        ("DB_STATEMENT_TIMEOUT_MS", "600001"),
        ("DB_PORT", "0"),
        ("DB_PORT", "65536"),
        ("DB_HOST", "a.example.org:5432"),
        ("DB_HOST", "postgres://h"),
    ] {
        let problems = read(&with(&[(name, value)])).1;
        assert!(problems.len() == 1 && problems[0].starts_with(name), "{name}={value}: {problems:?}");
    }
}

#[test]
fn blanks_around_a_password_are_a_problem_and_those_around_a_host_are_not() {
    assert_eq!(read(&with(&[("DB_PASSWORD", "hidden-word ")])).1, ["DB_PASSWORD: has blanks around it"]);
    assert_eq!(good(&with(&[("DB_HOST", " db.example.org ")])).host, "db.example.org");
}
