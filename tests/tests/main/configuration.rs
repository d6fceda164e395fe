//! What the service reads from its environment: the example of it, and the variables of the guide of the migration.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use regex::Regex;
use waiterix_compose::{Choice, Place, Plan, Selection};
use waiterix_ports::vars::Vars;
use waiterix_tests::program::run;
use waiterix_tests::tree::root;

/// Read by the SDK of AWS by itself, so the code has no row for them.
const OF_THE_SDK: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// What an operator may write into the gaps of the example.
const FILLED: [(&str, &str); 12] = [
    ("FRONTEND_URL", "https://app.example.org"),
    ("SESSION_SECRET", "0123456789abcdef0123456789abcdef"),
    ("SUPPORT_EMAIL", "support@example.org"),
    ("AWS_REGION", "eu-central-1"),
    ("DB_HOST", "waiterix.abc.eu-central-1.rds.amazonaws.com"),
    ("DB_NAME", "waiterix"),
    ("DB_USER", "waiterix"),
    ("DB_PASSWORD", "hidden-word"),
    ("AWS_S3_BUCKET", "waiterix-objects"),
    ("SES_FROM_EMAIL", "orders@example.org"),
    ("REDIS_HOST", "master.waiterix.abc.euc1.cache.amazonaws.com"),
    ("WAITERIX_ADAPTERS", "aws"),
];

type Variables = BTreeMap<String, String>;

fn filled() -> Variables {
    FILLED.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A line of the example that sets a variable, or would without its `#`.
struct Line {
    is_active: bool,
    name: String,
    value: String,
}

fn example() -> Vec<Line> {
    let text = fs::read_to_string(root().join(".env.example")).unwrap();
    let line = Regex::new(r"(?m)^(#?)([A-Z][A-Z0-9_]+)=(.*)$").unwrap();
    line.captures_iter(&text)
        .map(|line| Line {
            is_active: line[1].is_empty(),
            name: line[2].to_owned(),
            value: line[3].to_owned(),
        })
        .collect()
}

/// How the plan of a configuration shows itself, and the problems of the configuration.
fn read(variables: &Variables) -> (String, Vec<String>) {
    let mut vars = Vars::new(variables);
    let selection = Selection::read(&mut vars, Choice::Aws);
    let plan = Plan::read(&mut vars, Place::Server { data: Path::new("unused") }, selection).unwrap();
    (format!("{plan:?}"), vars.problems().iter().map(ToString::to_string).collect())
}

const NONE: [String; 0] = [];

#[test]
fn g127_the_example_names_every_variable_that_is_read_and_no_other() {
    let names: Vec<String> = example().into_iter().map(|line| line.name).collect();
    let once: BTreeSet<String> = names.iter().cloned().collect();
    assert_eq!(names.len(), once.len(), "a variable stands there twice");
    // That the rows of the page are what the code reads, is a test of the documents.
    let page = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let row = Regex::new(r"(?m)^\| `([A-Z][A-Z0-9_]+)` \|").unwrap();
    let mut read: BTreeSet<String> = row.captures_iter(&page).map(|row| row[1].to_owned()).collect();
    assert!(read.contains("SESSION_SECRET"));
    read.extend(OF_THE_SDK.map(str::to_owned));
    assert_eq!(once, read);
}

#[test]
fn g127_filled_in_the_example_is_a_configuration_without_a_fault_and_no_gap_may_stay() {
    let active: Vec<Line> = example().into_iter().filter(|line| line.is_active).collect();
    let names: BTreeSet<&str> = active.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, FILLED.iter().map(|(name, _)| *name).collect());
    let mut variables: Variables =
        active.iter().map(|line| (line.name.clone(), line.value.clone())).collect();
    for (name, value) in FILLED {
        variables.insert(name.to_owned(), value.to_owned());
    }
    assert_eq!(read(&variables).1, NONE);
    for gap in active.iter().filter(|line| line.value.is_empty()) {
        let mut variables = variables.clone();
        variables.insert(gap.name.clone(), String::new());
        let problems = read(&variables).1;
        assert!(problems.iter().any(|one| one.starts_with(&gap.name)), "{}: {problems:?}", gap.name);
    }
}

#[test]
fn g127_what_the_example_shows_of_optional_variables_is_accepted() {
    let mut shown = 0;
    for line in example().into_iter().filter(|line| !line.is_active && !line.value.is_empty()) {
        let mut variables = filled();
        variables.insert(line.name.clone(), line.value.clone());
        assert_eq!(read(&variables).1, NONE, "{}={}", line.name, line.value);
        shown += 1;
    }
    assert!(shown > 20, "only {shown} lines show anything");
}

#[test]
fn g127_the_part_of_the_old_providers_is_enough_for_them() {
    let mut variables = filled();
    variables.retain(|name, _| ["FRONTEND_URL", "SESSION_SECRET", "SUPPORT_EMAIL"].contains(&name.as_str()));
    let of_old = [
        ("WAITERIX_ADAPTERS", "legacy"),
        (
            "LEGACY_DATABASE_URL",
            "postgres://u:p@ep-a-b-1-pooler.eu-central-1.aws.neon.tech/d?sslmode=require",
        ),
        ("PRIVATE_OBJECT_DIR", "/bucket/private"),
        ("PUBLIC_OBJECT_SEARCH_PATHS", "/bucket/public"),
        ("RESEND_API_KEY", "re_0123456789"),
        ("RESEND_FROM_EMAIL", "orders@example.org"),
    ];
    let offered: BTreeSet<String> = example().into_iter().map(|line| line.name).collect();
    for (name, value) in of_old {
        assert!(offered.contains(name), "{name}");
        variables.insert(name.to_owned(), value.to_owned());
    }
    assert_eq!(read(&variables).1, NONE);
    variables.remove("LEGACY_DATABASE_URL");
    assert!(!read(&variables).1.is_empty(), "a database is needed");
}

#[test]
fn g127_no_secret_is_in_the_example() {
    let secret = Regex::new("(PASSWORD|SECRET|KEY|TOKEN|IDENTITY|RENEWAL|URL$)").unwrap();
    for line in example().into_iter().filter(|line| secret.is_match(&line.name)) {
        let is_public = line.name == "RESEND_BASE_URL";
        assert!(line.value.is_empty() || is_public, "{} has a value", line.name);
    }
}

/// A variable of the guide: another value than in [`FILLED`], and one that it cannot have, if there is one.
struct Variable {
    name: &'static str,
    set: &'static str,
    malformed: Option<&'static str>,
    /// What is complained about when it is not set.
    without: Option<&'static str>,
}

const fn needed(name: &'static str, set: &'static str, malformed: Option<&'static str>) -> Variable {
    Variable { name, set, malformed, without: Some(name) }
}

const fn optional(name: &'static str, set: &'static str, malformed: Option<&'static str>) -> Variable {
    Variable { name, set, malformed, without: None }
}

/// All of the guide's but the keys of AWS, in its order.
const OF_THE_GUIDE: [Variable; 20] = [
    optional(
        "DATABASE_URL",
        "postgres://u:hidden-sentence@other.example.org/d",
        Some("mysql://u:hidden@h/d"),
    ),
    needed("DB_HOST", "other.example.org", Some("postgres://other.example.org")),
    optional("DB_PORT", "6432", Some("70000")),
    needed("DB_NAME", "other", None),
    needed("DB_USER", "other", None),
    needed("DB_PASSWORD", "hidden-sentence", Some(" hidden-sentence")),
    optional("DB_SSL", "false", Some("perhaps")),
    needed("REDIS_HOST", "other.example.org", Some("redis://other.example.org")),
    optional("REDIS_PORT", "6380", Some("0")),
    optional("REDIS_PASSWORD", "hidden-sentence", Some("hidden-sentence ")),
    optional("REDIS_DB", "7", Some("16")),
    needed("AWS_REGION", "eu-west-3", Some("Nowhere!")),
    needed("AWS_S3_BUCKET", "other-objects", Some("Other_Objects")),
    optional("AWS_S3_TRANSCRIBE_BUCKET", "other-recordings", Some("Other_Recordings")),
    optional("AWS_S3_REGION", "eu-west-2", Some("Nowhere!")),
    needed("SES_FROM_EMAIL", "other@example.org", Some("nobody-at-all")),
    needed("SUPPORT_EMAIL", "other@example.org", Some("nobody-at-all")),
    optional("WEBSOCKET_CONNECTIONS_TABLE", "other-connections", Some("other connections")),
    needed("FRONTEND_URL", "https://other.example.org", Some("other.example.org/path")),
    optional("API_BASE_URL", "https://api.example.org/live", Some("api without a scheme")),
];

#[test]
fn g086_g107_every_variable_of_the_guide_is_read_whether_set_unset_empty_or_malformed() {
    let (plan, problems) = read(&filled());
    assert_eq!(problems, NONE);
    for variable in OF_THE_GUIDE {
        let name = variable.name;
        let with = |value: &str| {
            let mut variables = filled();
            variables.insert(name.to_owned(), value.to_owned());
            read(&variables)
        };
        let (changed, problems) = with(variable.set);
        assert_eq!(problems, NONE, "{name} set");
        assert!(!changed.contains("hidden"), "{name} is shown");
        // A password is not shown, and whether there is one makes a difference for Redis alone.
        assert!(changed != plan || name == "DB_PASSWORD", "{name} makes no difference");

        let mut without = filled();
        without.remove(name);
        let unset = read(&without);
        assert_eq!(with(""), unset, "{name} empty is not {name} unset");
        let complaints: Vec<&str> =
            unset.1.iter().map(|problem| problem.split(':').next().unwrap()).collect();
        assert_eq!(complaints, Vec::from_iter(variable.without), "{name} unset");

        if let Some(malformed) = variable.malformed {
            let problems = with(malformed).1;
            assert_eq!(problems.len(), 1, "{name} malformed: {problems:?}");
            assert!(problems[0].starts_with(&format!("{name}: ")), "{problems:?}");
            assert!(!problems[0].contains(malformed.trim()), "{name}: the value is told");
        }
    }
}

/// What is sent to services of AWS: a server that notes who signed for what, and refuses everybody.
struct Gate {
    listener: TcpListener,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Gate {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (accepting, noted) = (listener.try_clone().unwrap(), heads.clone());
        thread::spawn(move || {
            for socket in accepting.incoming().map_while(Result::ok) {
                let noted = noted.clone();
                thread::spawn(move || noted.lock().unwrap().extend(refuse(socket)));
            }
        });
        Self { listener, heads }
    }

    fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    fn heads(&self) -> Vec<String> {
        std::mem::take(&mut self.heads.lock().unwrap())
    }
}

/// Reads the head of a request and answers 403.
fn refuse(mut socket: TcpStream) -> Option<String> {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        let read = socket.read(&mut piece).ok().filter(|read| *read > 0)?;
        head.extend_from_slice(&piece[..read]);
    }
    socket.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok()?;
    Some(String::from_utf8_lossy(&head).to_lowercase())
}

/// The keys are those of the SDK's chain, and each service is signed for in its own region.
#[test]
fn g031_g097_g098_g099_keys_and_regions_reach_the_signatures() {
    let gate = Gate::open();
    let data = tempfile::tempdir().unwrap();
    let url = gate.url();
    let ask = |key: &str, secret: &str, token: &str| {
        let mut variables: Vec<(&str, &str)> = FILLED.to_vec();
        variables.retain(|(name, _)| !["DB_HOST", "REDIS_HOST"].contains(name));
        // Nobody is there, which is told at once.
        variables.extend([
            ("DB_HOST", "127.0.0.1"),
            ("DB_PORT", "1"),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", "1"),
        ]);
        variables.extend([("AWS_ENDPOINT_URL", url.as_str()), ("AWS_S3_REGION", "eu-west-3")]);
        variables.extend([
            ("AWS_ACCESS_KEY_ID", key),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_SESSION_TOKEN", token),
            // Nothing else that the machine of this test may have.
            ("AWS_PROFILE", ""),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]);
        let (status, output, complaints) =
            run(&["doctor", "--json", "--data", data.path().to_str().unwrap()], &variables);
        assert!(!status.success(), "{output}");
        let told = format!("{output}{complaints}");
        assert!(!told.contains("a-secret-of-this-test") && !told.contains("a-token-of-this-test"), "{told}");
        (output, gate.heads())
    };

    let (_, heads) = ask("AKIDOFTHISTEST", "a-secret-of-this-test", "a-token-of-this-test");
    let signed = |region: &str, service: &str| {
        let scope =
            Regex::new(&format!("credential=akidofthistest/[0-9]{{8}}/{region}/{service}/aws4_request"));
        let scope = scope.unwrap();
        heads
            .iter()
            .any(|head| scope.is_match(head) && head.contains("x-amz-security-token: a-token-of-this-test"))
    };
    assert!(signed("eu-west-3", "s3"), "{heads:?}");
    assert!(signed("eu-central-1", "dynamodb"), "{heads:?}");
    assert!(!signed("eu-central-1", "s3"), "{heads:?}");

    // Unset and empty are the same: no key, and nothing is sent.
    for (key, secret) in [("", ""), ("AKIDOFTHISTEST", ""), ("", "a-secret-of-this-test")] {
        let (output, heads) = ask(key, secret, "");
        assert!(output.contains("no credentials"), "{output}");
        assert_eq!(heads, NONE);
    }
}
