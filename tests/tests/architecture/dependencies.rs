//! Who may depend on whom.

use std::collections::BTreeSet;
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use waiterix_tests::tree;

/// What cargo knows of the workspace, for the machine the tests run on.
fn metadata() -> Metadata {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(rustc.stdout).unwrap();
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    MetadataCommand::new()
        .manifest_path(tree::root().join("Cargo.toml"))
        .other_options(["--filter-platform".to_owned(), host.to_owned()])
        .exec()
        .unwrap()
}

/// The crates of the workspace that a crate may use outside its tests. `None`: a crate nobody has placed yet.
fn may_use(name: &str) -> Option<Vec<&'static str>> {
    let inner = || vec!["waiterix-domain", "waiterix-ports"];
    Some(match name {
        "waiterix-domain" | "waiterix-backends" => vec![],
        "waiterix-ports" => vec!["waiterix-domain"],
        "waiterix-contract" | "waiterix-app" | "waiterix-layers" | "waiterix-migration"
        | "waiterix-postgres" => inner(),
        "waiterix-adapters-local" => inner(),
        "waiterix-adapters-aws" | "waiterix-adapters-legacy" => [inner(), vec!["waiterix-postgres"]].concat(),
        "waiterix-compose" => [
            inner(),
            vec!["waiterix-app", "waiterix-layers", "waiterix-migration", "waiterix-postgres"],
            vec!["waiterix-adapters-local", "waiterix-adapters-legacy", "waiterix-adapters-aws"],
        ]
        .concat(),
        // The adapters of AWS and of old make the connections that `schema` looks at.
        "waiterix" => [
            inner(),
            vec!["waiterix-app", "waiterix-compose", "waiterix-migration", "waiterix-postgres"],
            vec!["waiterix-adapters-legacy", "waiterix-adapters-aws"],
        ]
        .concat(),
        "waiterix-lambda" => [inner(), vec!["waiterix-app", "waiterix-compose", "waiterix-layers"]].concat(),
        "waiterix-tests" => [
            inner(),
            vec!["waiterix-app", "waiterix-backends", "waiterix-contract", "waiterix-layers"],
            vec!["waiterix-migration"],
            vec![
                "waiterix-adapters-local",
                "waiterix-adapters-legacy",
                "waiterix-adapters-aws",
                "waiterix-postgres",
            ],
        ]
        .concat(),
        "xtask" => vec!["waiterix-backends"],
        _ => return None,
    })
}

#[test]
fn dependencies_point_inward() {
    let metadata = metadata();
    let members: Vec<&Package> = metadata.workspace_packages();
    let names: BTreeSet<&str> = members.iter().map(|package| package.name.as_str()).collect();
    let mut faults = Vec::new();
    for package in members {
        let Some(allowed) = may_use(&package.name) else {
            faults.push(format!("{} has no place: say in this test what it may use", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let is_normal = dependency.kind == DependencyKind::Normal;
            let name = dependency.name.as_str();
            if is_normal && names.contains(name) && !allowed.contains(&name) {
                faults.push(format!("{} uses {name}", package.name));
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

/// Every crate the domain is built with, and why it is fit for a place where nothing may wait, fail for outside
/// reasons or read a clock.
const DOMAIN_CLOSURE: &[(&str, &[&str])] = &[
    ("the domain itself", &["waiterix-domain"]),
    ("comma-separated text, from memory to memory", &["csv", "csv-core", "itoa", "memchr", "ryu", "zmij"]),
    ("currencies of the world as a table", &["iso_country", "iso_currency", "lazy_static"]),
    (
        "digests of rows, by which two stores are compared",
        &["block-buffer", "cfg-if", "crypto-common", "digest", "generic-array", "md-5", "typenum"],
    ),
    ("exact decimals", &["arrayvec", "num-traits", "rust_decimal"]),
    ("JSON values", &["serde_core", "serde_json"]),
    ("error types", &["thiserror"]),
    (
        "calendar arithmetic and formats; without the feature that reads the clock",
        &["deranged", "num-conv", "powerfmt", "time", "time-core"],
    ),
    ("text form of ids; without the feature that draws random ones", &["uuid"]),
    ("secrets are wiped when dropped", &["zeroize"]),
    (
        "URLs: parsing, percent-encoding and the Unicode tables of host names",
        &[
            "form_urlencoded",
            "icu_collections",
            "icu_locale_core",
            "icu_normalizer",
            "icu_normalizer_data",
            "icu_properties",
            "icu_properties_data",
            "icu_provider",
            "idna",
            "idna_adapter",
            "litemap",
            "percent-encoding",
            "potential_utf",
            "smallvec",
            "stable_deref_trait",
            "tinystr",
            "url",
            "utf8_iter",
            "utf_types",
            "writeable",
            "yoke",
            "zerofrom",
            "zerotrie",
            "zerovec",
        ],
    ),
];

/// The crates a crate alone is built with, itself included, as cargo would choose their features for it.
fn built_with(package: &str, edges: &str) -> BTreeSet<String> {
    built_with_features(package, edges, "")
}

/// The same with features of the crate.
fn built_with_features(package: &str, edges: &str, features: &str) -> BTreeSet<String> {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let tree = Command::new(cargo)
        .args(["tree", "--package", package, "--edges", edges, "--prefix", "none", "--format", "{p}"])
        .args(["--features", features])
        .current_dir(tree::root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).unwrap();
    let names: BTreeSet<String> =
        text.lines().filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect();
    assert!(names.contains(package), "{names:?}");
    names
}

#[test]
fn the_domain_is_built_with_what_is_listed_and_nothing_else() {
    // Macros, and what they need, run in the compiler and not in the service.
    let found = built_with("waiterix-domain", "normal,no-proc-macro");
    let allowed: BTreeSet<String> =
        DOMAIN_CLOSURE.iter().flat_map(|(_, names)| names.iter().map(|name| (*name).to_owned())).collect();
    let unlisted: Vec<_> = found.difference(&allowed).collect();
    assert!(unlisted.is_empty(), "not allowed in the domain: {unlisted:?}");
    let unused: Vec<_> = allowed.difference(&found).collect();
    assert!(unused.is_empty(), "listed, but no longer there: {unused:?}");
}

/// Prefixes of crates of the providers the service can be moved between; the embedded default has none of them.
const PROVIDERS: [&str; 12] = [
    "aws-",
    "aws_",
    "azure",
    "gcloud",
    "gcp",
    "google",
    "lambda",
    "neon",
    "redis",
    "resend",
    "rusoto",
    "sqlx-postgres",
];

#[test]
fn the_default_build_contains_no_providers_code() {
    let names = built_with("waiterix", "normal,build");
    assert!(names.contains("waiterix-adapters-local"), "{names:?}");
    let foreign: Vec<_> =
        names.iter().filter(|name| PROVIDERS.iter().any(|prefix| name.starts_with(prefix))).collect();
    assert!(foreign.is_empty(), "the default build contains {foreign:?}");
}

/// Prefixes of crates of the old providers.
const OLD_PROVIDERS: [&str; 7] =
    ["gcloud", "gcp", "google", "neon", "replit", "resend", "waiterix-adapters-legacy"];

#[test]
fn what_is_built_for_aws_contains_no_code_of_the_old_providers() {
    for (package, features) in [("waiterix-adapters-aws", ""), ("waiterix", "aws"), ("waiterix-lambda", "")] {
        let names = built_with_features(package, "normal,build", features);
        assert!(names.contains("aws-sdk-s3") && names.contains("redis"), "{package}: {names:?}");
        let foreign: Vec<_> =
            names.iter().filter(|name| OLD_PROVIDERS.iter().any(|prefix| name.starts_with(prefix))).collect();
        assert!(foreign.is_empty(), "{package} for AWS contains {foreign:?}");
    }
}

#[test]
fn what_is_built_for_the_old_providers_contains_no_code_of_aws() {
    let names = built_with_features("waiterix", "normal,build", "legacy");
    assert!(names.contains("waiterix-adapters-legacy"), "{names:?}");
    let foreign: Vec<_> =
        names.iter().filter(|name| name.starts_with("aws-sdk") || name.as_str() == "redis").collect();
    assert!(foreign.is_empty(), "the legacy build contains {foreign:?}");
}

#[test]
fn functions_contain_adapters_of_aws_and_no_others() {
    let names = built_with("waiterix-lambda", "normal,build");
    assert!(names.contains("aws-sdk-s3") && names.contains("lambda_runtime"), "{names:?}");
    let others = ["gcloud", "gcp", "google", "libsqlite3", "neon", "replit", "resend", "waiterix-adapters-l"];
    let foreign: Vec<_> =
        names.iter().filter(|name| others.iter().any(|prefix| name.starts_with(prefix))).collect();
    assert!(foreign.is_empty(), "the functions contain {foreign:?}");
}

#[test]
fn fact3_a_panic_ends_a_request_and_not_the_process() {
    let manifest = std::fs::read_to_string(tree::root().join("Cargo.toml")).unwrap();
    let (_, release) = manifest.split_once("[profile.release]").unwrap();
    let release = release.split("\n[").next().unwrap();
    assert!(
        release.contains("panic = \"unwind\""),
        "tools that build functions choose abort where nothing is said"
    );
    let (_, function) = manifest.split_once("[profile.function]").unwrap();
    assert!(function.contains("inherits = \"release\"") && !function.contains("panic"));
}

#[test]
fn cargo_run_starts_waiterix() {
    let metadata = metadata();
    let names: Vec<_> =
        metadata.workspace_default_packages().iter().map(|package| package.name.to_string()).collect();
    assert_eq!(names, ["waiterix"]);
}

#[test]
fn every_crate_is_found_by_its_name_and_keeps_the_workspaces_lints() {
    for package in metadata().workspace_packages() {
        let folder = package.manifest_path.parent().unwrap().file_name().unwrap();
        let expected = if package.name == "waiterix-tests" { "tests" } else { package.name.as_str() };
        assert_eq!(folder, expected);
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} has lints of its own", package.name);
        assert!(package.description.is_some(), "{} does not say what it is", package.name);
    }
}
