//! The configuration of the functions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::Value;
use waiterix_backends::tls::Authority;
use waiterix_compose::{Choice, Needs, Place, Plan, Selection};
use waiterix_lambda::Function as _;
use waiterix_lambda::api::Api;
use waiterix_lambda::mail_events::MailEvents;
use waiterix_lambda::relay::Relay;
use waiterix_lambda::websocket::WebSocket;
use waiterix_ports::vars::Vars;
use waiterix_tests::tree::root;

use crate::template::{FUNCTIONS, Template, shown, templates};

fn variables<'a>(template: &'a Template, function: &str) -> &'a serde_json::Map<String, Value> {
    template.properties(function)["Environment"]["Variables"].as_object().unwrap()
}

/// What the account puts in the place of references.
fn resolved(name: &str, value: &Value) -> String {
    match (name, shown(value).as_str()) {
        (_, "${Database.Endpoint.Address}") => "waiterix.abc.eu-central-1.rds.amazonaws.com".to_owned(),
        (_, "${Database.Endpoint.Port}") => "5432".to_owned(),
        (_, "${Sessions.PrimaryEndPoint.Address}") => {
            "master.waiterix.abc.euc1.cache.amazonaws.com".to_owned()
        }
        (_, "${Sessions.PrimaryEndPoint.Port}") => "6379".to_owned(),
        (_, "${AWS::Region}") => "eu-central-1".to_owned(),
        (_, "${Delivery.DomainName}") => "d111111abcdef8.cloudfront.net".to_owned(),
        ("WEBSOCKET_API_ENDPOINT", text) => text
            .replace("${WebsocketsApi}", "abcdef1234")
            .replace("${AWS::Region}", "eu-central-1")
            .replace("${AWS::URLSuffix}", "amazonaws.com"),
        (_, "${ObjectsBucket}") => "waiterix-objects-123456789012".to_owned(),
        (_, "${TranscribeBucket}") => "waiterix-transcribe-123456789012".to_owned(),
        (_, "${ConnectionsTable}" | "${MailConfigurationSet}") => "waiterix".to_owned(),
        (_, text) if text.starts_with("{{resolve:secretsmanager:") => "4f9c1d".repeat(8),
        (name, text) => {
            assert!(!text.contains("${"), "{name}: what becomes of {text}?");
            text.to_owned()
        }
    }
}

/// What a function uses, as its code says it.
fn needs(function: &str) -> Needs {
    match function {
        "api" => Api::NEEDS,
        "websocket" => WebSocket::NEEDS,
        "relay" => Relay::NEEDS,
        "mail-events" => MailEvents::NEEDS,
        other => panic!("{other}?"),
    }
}

/// The configuration of a function as its process would find it, the authorities of the database in a file of ours.
fn environment(template: &Template, name: &str, authorities: &Path) -> BTreeMap<String, String> {
    let mut map: BTreeMap<String, String> =
        variables(template, name).iter().map(|(name, value)| (name.clone(), resolved(name, value))).collect();
    // This one lies beside the program in its archive.
    if let Some(bundle) = map.get_mut("DB_SSL_ROOT_CERT") {
        assert_eq!(*bundle, "/var/task/rds-global-bundle.pem");
        *bundle = authorities.display().to_string();
    }
    // Set by the platform, and nobody else may.
    assert_eq!(map.insert("AWS_REGION".to_owned(), "eu-central-1".to_owned()), None);
    map
}

/// Reads a configuration as a function does; answers what is wrong with it, and what was asked for.
fn read(function: &str, map: &BTreeMap<String, String>) -> (Vec<String>, BTreeSet<&'static str>) {
    let mut vars = Vars::new(map);
    let selection = Selection::read(&mut vars, Choice::Aws);
    Plan::read(&mut vars, Place::Function(needs(function)), selection).unwrap();
    (vars.problems().iter().map(ToString::to_string).collect(), vars.asked().clone())
}

fn authorities(folder: &Path) -> PathBuf {
    let file = folder.join("authorities.pem");
    fs::write(&file, &Authority::new().unwrap().certificate_pem).unwrap();
    file
}

#[test]
fn g081_the_configuration_of_every_function_is_whole_and_without_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let authorities = authorities(folder.path());
    for template in templates() {
        for (name, function) in FUNCTIONS {
            let (problems, _) = read(function, &environment(&template, name, &authorities));
            assert!(problems.is_empty(), "{function}: {problems:?}");
        }
    }
}

#[test]
fn without_any_one_of_what_must_be_set_the_configuration_has_a_fault() {
    let sessions = ["REDIS_HOST"];
    let people = ["FRONTEND_URL", "SESSION_SECRET"];
    let rows = ["DB_HOST", "DB_NAME", "DB_USER", "DB_IAM_AUTH"];
    let mail = ["SES_FROM_EMAIL"];
    let folder = tempfile::tempdir().unwrap();
    let authorities = authorities(folder.path());
    for template in templates() {
        for (name, function) in FUNCTIONS {
            let required = match function {
                "api" => {
                    [&sessions as &[_], &people, &rows, &mail, &["AWS_S3_BUCKET", "SUPPORT_EMAIL"]].concat()
                }
                "websocket" => [&sessions as &[_], &people, &rows].concat(),
                "relay" => [&sessions as &[_], &rows, &["AWS_S3_BUCKET"]].concat(),
                _ => [sessions, mail].concat(),
            };
            for without in required {
                let mut map = environment(&template, name, &authorities);
                assert!(map.remove(without).is_some(), "{function} has no {without}");
                let (problems, _) = read(function, &map);
                assert!(!problems.is_empty(), "{function} does not need {without}");
            }
        }
    }
}

#[test]
fn g081_a_function_has_the_variables_that_it_reads_and_no_others() {
    // Read by the logs, which start before anything else.
    let of_logs = ["LOG_LEVEL", "LOG_FORMAT"];
    let folder = tempfile::tempdir().unwrap();
    let authorities = authorities(folder.path());
    for template in templates() {
        let all: BTreeSet<String> =
            FUNCTIONS.iter().flat_map(|(name, _)| variables(&template, name).keys().cloned()).collect();
        for (name, function) in FUNCTIONS {
            let (_, asked) = read(function, &environment(&template, name, &authorities));
            let is_read = |name: &&String| asked.contains(name.as_str()) || of_logs.contains(&name.as_str());
            let expected: Vec<&String> = all.iter().filter(is_read).collect();
            let found: Vec<&String> = variables(&template, name).keys().collect();
            assert_eq!(found, expected, "{function}");
        }
    }
}

#[test]
fn a_secret_is_known_to_the_functions_that_use_it_and_to_no_other() {
    for template in templates() {
        let with = |secret: &str| -> Vec<&str> {
            let has = |(name, _): &&(&str, &str)| variables(&template, name).contains_key(secret);
            FUNCTIONS.iter().filter(has).map(|(_, function)| *function).collect()
        };
        assert_eq!(with("SESSION_SECRET"), ["api", "websocket"]);
        assert_eq!(with("REDIS_PASSWORD"), ["api", "websocket", "relay", "mail-events"]);
        assert_eq!(with("DB_HOST"), ["api", "websocket", "relay"]);
    }
}

#[test]
fn g127_the_example_of_names_has_every_name_that_the_stack_asks_for() {
    let folder = root().join("deploy");
    let example = fs::read_to_string(folder.join(".env.example")).unwrap();
    let offered: BTreeSet<String> = Regex::new(r"(?m)^([A-Z][A-Z_]+)=$")
        .unwrap()
        .captures_iter(&example)
        .map(|name| name[1].to_owned())
        .collect();
    let asks = Regex::new(r"\$\{env:([A-Z][A-Z_]+)").unwrap();
    let mut asked = BTreeSet::new();
    let resources = fs::read_dir(folder.join("resources")).unwrap().map(|entry| entry.unwrap().path());
    for file in resources.chain([folder.join("serverless.yml")]) {
        let text = fs::read_to_string(file).unwrap();
        asked.extend(asks.captures_iter(&text).map(|name| name[1].to_owned()));
    }
    // Said by the command itself.
    assert!(asked.remove("WAITERIX_ARCHIVES"));
    assert_eq!(offered, asked);
}

#[test]
fn no_secret_is_in_a_template() {
    let secret = Regex::new(r"(?i)(password|secret|token|api_?key|private)").unwrap();
    for template in templates() {
        for (name, value) in variables(&template, "ApiLambdaFunction") {
            if secret.is_match(name) {
                let text = shown(value);
                assert!(text.starts_with("{{resolve:secretsmanager:${"), "{name} is written out");
            }
        }
        assert!(template.all.get("Parameters").is_none(), "secrets could be handed over in parameters");
        let sessions = shown(&template.properties("Sessions")["AuthToken"]);
        assert_eq!(sessions, "{{resolve:secretsmanager:${RedisSecret}:SecretString}}");
        let database = template.properties("Database");
        assert_eq!(database["ManageMasterUserPassword"], true);
        assert!(database.get("MasterUserPassword").is_none());
        for (name, made) in template.of_type("AWS::SecretsManager::Secret") {
            assert!(made["Properties"].get("SecretString").is_none(), "{name} is written out");
            assert!(made["Properties"]["GenerateSecretString"]["PasswordLength"].as_u64().unwrap() >= 48);
            assert_eq!(shown(&made["Properties"]["KmsKeyId"]), "${Key.Arn}", "{name}");
        }
    }
}
