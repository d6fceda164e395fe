//! The configuration of the functions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use regex::Regex;
use serde_json::Value;
use waiterix_backends::tls::Authority;
use waiterix_compose::{Choice, Place, Plan, Selection};
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
        (_, "${WebsocketsApi}") => "abcdef1234".to_owned(),
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

#[test]
fn g081_the_configuration_of_every_function_is_whole_and_without_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let authorities = folder.path().join("authorities.pem");
    fs::write(&authorities, &Authority::new().unwrap().certificate_pem).unwrap();
    for template in templates() {
        for (name, function) in FUNCTIONS {
            let mut map: BTreeMap<String, String> = variables(&template, name)
                .iter()
                .map(|(name, value)| (name.clone(), resolved(name, value)))
                .collect();
            // This one lies beside the program in its archive.
            let bundle = map.insert("DB_SSL_ROOT_CERT".to_owned(), authorities.display().to_string());
            assert_eq!(bundle.as_deref(), Some("/var/task/rds-global-bundle.pem"));
            // Set by the platform, and nobody else may.
            assert_eq!(map.insert("AWS_REGION".to_owned(), "eu-central-1".to_owned()), None);
            let mut vars = Vars::new(&map);
            let selection = Selection::read(&mut vars, Choice::Aws);
            Plan::read(&mut vars, Place::Function, selection).unwrap();
            assert!(vars.problems().is_empty(), "{function}: {:?}", vars.problems());
        }
    }
}

#[test]
fn without_any_one_of_what_must_be_set_the_configuration_has_a_fault() {
    let required = [
        "FRONTEND_URL",
        "SESSION_SECRET",
        "SUPPORT_EMAIL",
        "SES_FROM_EMAIL",
        "AWS_S3_BUCKET",
        "REDIS_HOST",
        "DB_HOST",
        "DB_NAME",
        "DB_USER",
        "DB_IAM_AUTH",
    ];
    for template in templates() {
        for without in required {
            let map: BTreeMap<String, String> = variables(&template, "ApiLambdaFunction")
                .iter()
                .filter(|(name, _)| *name != without && *name != "DB_SSL_ROOT_CERT")
                .map(|(name, value)| (name.clone(), resolved(name, value)))
                .chain([("AWS_REGION".to_owned(), "eu-central-1".to_owned())])
                .collect();
            let mut vars = Vars::new(&map);
            let selection = Selection::read(&mut vars, Choice::Aws);
            Plan::read(&mut vars, Place::Function, selection).unwrap();
            assert!(!vars.problems().is_empty(), "{without} is not needed");
        }
    }
}

#[test]
fn g081_every_variable_of_a_function_is_one_that_the_code_reads() {
    // Compared with the code by a test of the documents.
    let page = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let row = Regex::new(r"(?m)^\| `([A-Z][A-Z0-9_]+)` \|").unwrap();
    let read: BTreeSet<&str> = row.captures_iter(&page).map(|row| row.extract::<1>().1[0]).collect();
    for template in templates() {
        let first = variables(&template, FUNCTIONS[0].0);
        for (name, function) in FUNCTIONS {
            let variables = variables(&template, name);
            assert_eq!(variables, first, "{function} is configured differently");
            let unread: Vec<_> = variables.keys().filter(|name| !read.contains(name.as_str())).collect();
            assert!(unread.is_empty(), "{function}: nothing reads {unread:?}");
        }
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
