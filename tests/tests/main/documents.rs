//! What the documents say of the tree is true.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use waiterix_tests::tree::{self, SourceFile, sources, texts};

const NONE: [String; 0] = [];

fn documents() -> Vec<SourceFile> {
    let mut files = texts();
    files.retain(|file| file.path.ends_with(".md"));
    assert!(files.iter().any(|file| file.path == "README.md"));
    files
}

fn document(path: &str) -> String {
    documents().into_iter().find(|file| file.path == path).expect(path).text
}

/// Everything a pattern's first group finds, with the file it stands in.
fn found<'a>(files: &'a [SourceFile], pattern: &str) -> Vec<(&'a str, String)> {
    let pattern = Regex::new(pattern).unwrap();
    let of_file = |file: &'a SourceFile| {
        let captures = pattern.captures_iter(&file.text);
        captures.map(|found| (file.path.as_str(), found[1].to_owned())).collect::<Vec<_>>()
    };
    files.iter().flat_map(of_file).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let documents = documents();
    let mut broken = Vec::new();
    for (path, target) in found(&documents, r"\]\(([^)\s]+)\)") {
        if target.starts_with("http://") || target.starts_with("https://") || target.starts_with('#') {
            continue;
        }
        let file = target.split('#').next().unwrap();
        let folder = tree::root().join(path).parent().unwrap().to_owned();
        if !folder.join(file).exists() {
            broken.push(format!("{path}: {target}"));
        }
    }
    assert_eq!(broken, NONE);
}

#[test]
fn every_document_that_code_names_is_there() {
    let sources = sources();
    let missing: Vec<String> = found(&sources, r"`(docs/[\w/.-]+\.md|ARCHITECTURE\.md|CONTRIBUTING\.md)`")
        .into_iter()
        .filter(|(_, target)| !tree::root().join(target).exists())
        .map(|(path, target)| format!("{path}: {target}"))
        .collect();
    assert_eq!(missing, NONE);
}

/// Every function that is a test, by file and name.
fn tests() -> BTreeSet<(String, String)> {
    let attribute = r"#\[(?:tokio::)?test\b[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:async )?fn (\w+)";
    let sources = sources();
    let mut all: BTreeSet<(String, String)> =
        found(&sources, attribute).into_iter().map(|(path, name)| (path.to_owned(), name)).collect();
    // A case of the contract is a test wherever an adapter plugs in; one of the whole service, on every composition.
    let suites = ["waiterix-contract/src/", "tests/tests/main/service/"];
    let cases: Vec<SourceFile> =
        sources.into_iter().filter(|file| suites.iter().any(|suite| file.path.starts_with(suite))).collect();
    let listed: BTreeSet<String> =
        found(&cases, r"\w+::(\w+_\w+),").into_iter().map(|(_, name)| name).collect();
    let written = found(&cases, r"pub(?:\(\w+\))? async fn (\w+_\w+)").into_iter();
    all.extend(written.filter(|(_, name)| listed.contains(name)).map(|(path, name)| (path.to_owned(), name)));
    all
}

#[test]
fn every_test_that_a_document_names_is_there() {
    let (documents, tests) = (documents(), tests());
    let named = found(&documents, r"`([\w/.-]+\.rs::\w+)`");
    assert!(named.len() > 150, "only {} tests are named", named.len());
    let missing: Vec<String> = named
        .into_iter()
        .filter(|(_, test)| {
            let (path, name) = test.split_once("::").unwrap();
            !tests.contains(&(path.to_owned(), name.to_owned()))
        })
        .map(|(path, test)| format!("{path}: {test}"))
        .collect();
    assert_eq!(missing, NONE);
}

#[test]
fn every_defect_of_the_old_service_is_answered() {
    let page = document("docs/defects.md");
    let row = Regex::new(r"(?m)^\| ([A-Z]\d+) \| ([^|]+) \| ([^|]+) \|$").unwrap();
    let rows: Vec<(String, String)> =
        row.captures_iter(&page).map(|row| (row[1].to_owned(), row[3].to_owned())).collect();
    let numbers = |letter: char, last: u32| (1..=last).map(move |number| format!("{letter}{number}"));
    let expected: Vec<String> =
        numbers('D', 112).chain(numbers('R', 27)).chain(numbers('S', 23)).chain(numbers('N', 21)).collect();
    let listed: Vec<&String> = rows.iter().map(|(id, _)| id).collect();
    assert_eq!(listed, expected.iter().collect::<Vec<_>>());
    let answer = Regex::new(r"^(`[\w/.-]+\.rs::\w+`|elsewhere: .{10,})$").unwrap();
    let unanswered: Vec<String> = rows
        .iter()
        .filter(|(_, answers)| !answers.split("<br>").all(|one| answer.is_match(one)))
        .map(|(id, answers)| format!("{id}: {answers}"))
        .collect();
    assert_eq!(unanswered, NONE);
}

#[test]
fn the_readme_gives_two_commands() {
    let readme = document("README.md");
    let blocks = Regex::new(r"(?s)```sh\n(.*?)```").unwrap();
    let commands: Vec<String> = blocks
        .captures_iter(&readme)
        .flat_map(|block| block[1].lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>())
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split('#').next().unwrap().trim().to_owned())
        .collect();
    assert_eq!(commands, ["cargo run", "cargo xtask test"]);
}

#[test]
fn every_variable_is_explained_and_every_explained_variable_is_read() {
    let product: Vec<SourceFile> = sources()
        .into_iter()
        .filter(|file| file.crate_folder().starts_with("waiterix"))
        .map(|file| SourceFile { text: file.product_code().to_owned(), ..file })
        .collect();
    let read = r#"vars\s*\.\s*(?:text|secret|flag|required|parsed(?:::<[^>]*>+)?)\(\s*"([A-Z][A-Z0-9_]+)""#;
    let read: BTreeSet<String> = found(&product, read).into_iter().map(|(_, name)| name).collect();
    assert!(read.contains("SESSION_SECRET") && read.contains("LOG_LEVEL"), "{read:?}");
    let page = document("docs/configuration.md");
    let row = Regex::new(r"(?m)^\| `([A-Z][A-Z0-9_]+)` \|").unwrap();
    let explained: BTreeSet<String> = row.captures_iter(&page).map(|row| row[1].to_owned()).collect();
    assert_eq!(read, explained);
}

#[test]
fn every_direct_dependency_has_a_reason() {
    let manifests: BTreeMap<String, String> = texts()
        .into_iter()
        .filter(|file| file.path.ends_with("/Cargo.toml"))
        .map(|file| (file.path, file.text))
        .collect();
    let section = Regex::new(r"(?m)^\[(?:dev-|build-)?dependencies\]\n((?:[^\[\n].*\n?)*)").unwrap();
    let name = Regex::new(r"(?m)^([a-z][\w-]*)(?:\.workspace)?\s*=").unwrap();
    let used: BTreeSet<String> = manifests
        .values()
        .flat_map(|text| section.captures_iter(text).map(|found| found[1].to_owned()).collect::<Vec<_>>())
        .flat_map(|lines| name.captures_iter(&lines).map(|found| found[1].to_owned()).collect::<Vec<_>>())
        .filter(|name| !name.starts_with("waiterix"))
        .collect();
    assert!(used.contains("axum") && used.contains("tokio"), "{used:?}");
    let page = document("docs/decisions/0005-dependencies.md");
    let row = Regex::new(r"(?m)^\| `([\w-]+)` \|").unwrap();
    let explained: BTreeSet<String> = row.captures_iter(&page).map(|row| row[1].to_owned()).collect();
    assert_eq!(used, explained);
}
