//! What the guide of the old service promised, and the evidence that it holds: every reference leads somewhere. And the new
//! guide names only what there is.

use std::collections::BTreeSet;
use std::fs;

use regex::Regex;
use waiterix_tests::tree::{root, sources};

const NONE: [String; 0] = [];

/// A row of the checklist.
struct Row {
    id: String,
    kind: String,
    evidence: Vec<String>,
}

fn rows() -> Vec<Row> {
    let page = text("docs/checklist.md").unwrap();
    let row = Regex::new(r"(?m)^\| (\S+) \| (\S+) \| ([^|]{8,}) \| ([^|]+) \|$").unwrap();
    row.captures_iter(&page)
        .filter(|row| row[1].starts_with('G'))
        .map(|row| Row {
            id: row[1].to_owned(),
            kind: row[2].to_owned(),
            evidence: row[4].split("<br>").map(|one| one.trim().to_owned()).collect(),
        })
        .collect()
}

fn text(path: &str) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

fn matches(text: &str, pattern: &str) -> BTreeSet<String> {
    Regex::new(pattern).unwrap().captures_iter(text).map(|found| found[1].to_owned()).collect()
}

/// What is wrong with a piece of evidence: a test or command in backticks, or a link to a file or a chapter.
fn fault(evidence: &str) -> Option<String> {
    let told = |what: &str| Some(format!("{evidence}: {what}"));
    if let Some(link) = Regex::new(r"^\[([^\]]+)\]\(([^)]+)\)$").unwrap().captures(evidence) {
        let (shown, target) = (&link[1], &link[2]);
        let path = target.strip_prefix("../").map_or_else(|| format!("docs/{target}"), str::to_owned);
        if shown != path {
            return told("shows another place than it leads to");
        }
        return place(&path).and_then(|what| told(&what));
    }
    let Some(quoted) = evidence.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) else {
        return told("is neither a test, a command nor a link");
    };
    if let Some((path, name)) = quoted.split_once("::") {
        return (!is_test(path, name)).then(|| told("no such test")).flatten();
    }
    command(quoted).and_then(|what| told(&what))
}

/// What is wrong with a path, with or without a chapter.
fn place(path: &str) -> Option<String> {
    let (file, chapter) = path.split_once('#').map_or((path, None), |(file, chapter)| (file, Some(chapter)));
    if !root().join(file).exists() {
        return Some("no such file".to_owned());
    }
    let chapter = chapter?;
    (!chapters(&text(file).unwrap()).contains(chapter)).then(|| "no such chapter".to_owned())
}

/// Headings as links name them.
fn chapters(page: &str) -> BTreeSet<String> {
    let names = matches(page, r"(?m)^#{2,4} (.+)$").into_iter();
    names
        .map(|name| name.to_lowercase().replace(' ', "-"))
        .map(|name| name.chars().filter(|c| c.is_alphanumeric() || *c == '-').collect())
        .collect()
}

/// Whether a function is a test, or a case of the suites that are run for each adapter or composition.
fn is_test(path: &str, name: &str) -> bool {
    let Some(code) = text(path).filter(|_| path.ends_with(".rs")) else { return false };
    let marked = format!(r"#\[(?:tokio::)?test\b[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:async )?fn {name}\(");
    let case = format!(r"pub(?:\(\w+\))? async fn {name}(?:<[^>]*>)?\(");
    let suites = ["waiterix-contract/src/", "tests/tests/main/service/"];
    let is_suite = suites.iter().any(|suite| path.starts_with(suite));
    Regex::new(&marked).unwrap().is_match(&code) || (is_suite && Regex::new(&case).unwrap().is_match(&code))
}

/// The subcommands that an enum of the command line makes.
fn subcommands(path: &str, name: &str) -> BTreeSet<String> {
    let code = text(path).unwrap();
    let (_, body) = code.split_once(&format!("enum {name} {{")).expect(name);
    let (body, _) = body.split_once("\n}").expect("its end");
    let variants = matches(body, r"(?m)^    ([A-Z]\w+)").into_iter();
    let capital = Regex::new("(.)([A-Z])").unwrap();
    variants.map(|one| capital.replace_all(&one, "$1-$2").to_lowercase()).collect()
}

/// What is wrong with a command.
fn command(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let unknown = |what: &str| Some(format!("there is no {what}"));
    match words.as_slice() {
        ["cargo", "xtask", task, ..] => {
            (!subcommands("xtask/src/main.rs", "Task").contains(*task)).then(|| unknown(task)).flatten()
        }
        ["waiterix", "schema", what] => (!subcommands("waiterix/src/command.rs", "Schema").contains(*what))
            .then(|| unknown(what))
            .flatten(),
        ["waiterix", "migrate", what] => (!subcommands("waiterix/src/migrate/options.rs", "Migrate")
            .contains(*what))
        .then(|| unknown(what))
        .flatten(),
        ["waiterix", what] => (!subcommands("waiterix/src/command.rs", "Command").contains(*what))
            .then(|| unknown(what))
            .flatten(),
        ["cargo", "tree", "-p", package, more @ ..] => {
            let Some(manifest) = text(&format!("{package}/Cargo.toml")) else { return unknown(package) };
            let (features, crates) = match more {
                ["--features", feature, "-i", name] => (Some(*feature), *name),
                ["-i", name] => (None, *name),
                _ => return Some("is not understood".to_owned()),
            };
            let is_there = |feature: &str| manifest.contains(&format!("\n{feature} = ["));
            if features.is_some_and(|feature| !is_there(feature)) {
                return unknown(features.unwrap_or_default());
            }
            let locked = text("Cargo.lock").unwrap().contains(&format!("\nname = \"{crates}\"\n"));
            (!locked).then(|| unknown(crates)).flatten()
        }
        _ => Some("is no command of this project".to_owned()),
    }
}

#[test]
fn every_promise_has_its_row_once() {
    let rows = rows();
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let expected: Vec<String> = (1..=185).map(|number| format!("G{number:03}")).collect();
    assert_eq!(ids, expected);
    // As many of each kind as there were promises of it: library, infrastructure, documentation, operator.
    let count = |kind: &str| rows.iter().filter(|row| row.kind == kind).count();
    assert_eq!(["L", "I", "D", "O"].map(count), [103, 56, 23, 3]);
}

#[test]
fn every_promise_has_evidence_and_all_of_it_is_there() {
    let mut faults = Vec::new();
    for row in rows() {
        let wrong = row.evidence.iter().filter_map(|one| fault(one));
        faults.extend(wrong.map(|fault| format!("{}: {fault}", row.id)));
    }
    assert_eq!(faults, NONE);
}

#[test]
fn evidence_that_is_not_there_is_noticed() {
    for wrong in [
        "a sentence",
        "``",
        "`tests/tests/main/checklist.rs::every_promise_has_evidence`",
        // A function, and no test.
        "`tests/tests/main/checklist.rs::subcommands`",
        "`tests/tests/nowhere.rs::every_promise_has_its_row_once`",
        "`waiterix-contract/src/store/commit.rs::s11_a_failed_commit_changes_everything`",
        // A case is one in its suite only.
        "`waiterix-app/src/upkeep.rs::tidy`",
        "[docs/nowhere.md](nowhere.md)",
        "[docs/guide.md#nothing](guide.md#nothing)",
        "[docs/guide.md](configuration.md)",
        "[deploy/nowhere.yml](../deploy/nowhere.yml)",
        "`cargo xtask undeploy`",
        "`cargo xtask`",
        "`waiterix heal`",
        "`waiterix schema drop`",
        "`waiterix migrate everything`",
        "`cargo tree -p waiterix-nowhere -i redis`",
        "`cargo tree -p waiterix-adapters-aws --features gcs -i redis`",
        "`cargo tree -p waiterix-adapters-aws --features s3 -i resend-rs`",
        "`rm -r target`",
    ] {
        assert!(fault(wrong).is_some(), "{wrong}");
    }
    for right in [
        "`tests/tests/main/checklist.rs::every_promise_has_its_row_once`",
        "`waiterix-contract/src/store/commit.rs::s11_a_failed_commit_changes_nothing`",
        "[docs/guide.md#what-moves-where](guide.md#what-moves-where)",
        "[deploy/README.md](../deploy/README.md)",
        "`cargo xtask deploy-check`",
        "`waiterix schema check`",
        "`waiterix migrate cutover`",
    ] {
        assert_eq!(fault(right), None);
    }
}

/// What the loader reads, what the stack and the web client are told, and what the old code read.
#[test]
fn g182_the_guide_names_what_there_is() {
    let guide = [text("docs/guide.md").unwrap(), text("docs/guide-migration.md").unwrap()].concat();
    let mut known = matches(&text("docs/configuration.md").unwrap(), r"`([A-Z][A-Z0-9_]+)`");
    known.extend(matches(&text("deploy/.env.example").unwrap(), r"(?m)^([A-Z_]+)="));
    known.extend(
        ["VITE_API_BASE_URL", "VITE_WEBSOCKET_URL", "VITE_WS_URL", "AWS_SES_ENABLED"].map(str::to_owned),
    );
    let named = matches(&guide, r"\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b");
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(unknown.is_empty(), "nobody reads {unknown:?}");
    let of_the_old_guide = matches(&guide, r"(?m)^\| \[`([A-Z0-9_]+)`\]\(");
    assert_eq!(of_the_old_guide.len(), 22, "{of_the_old_guide:?}");

    let mut commands = matches(&guide, r"\b(cargo xtask [a-z-]+)");
    commands.extend(matches(&guide, r"\b(waiterix (?:(?:schema|migrate) )?[a-z]+)\b"));
    assert!(commands.len() > 18, "{commands:?}");
    let faults: Vec<String> =
        commands.iter().filter_map(|line| command(line).map(|what| format!("{line}: {what}"))).collect();
    assert_eq!(faults, NONE);
}

/// Code as its texts read: strings that go on in the next line are one.
fn read_through(folders: &[&str]) -> String {
    let is_meant = |path: &str| folders.iter().any(|folder| path.starts_with(folder));
    let code: String =
        sources().into_iter().filter(|file| is_meant(&file.path)).map(|file| file.text).collect();
    Regex::new(r"\\\n\s*").unwrap().replace_all(&code, "").into_owned()
}

#[test]
fn every_refusal_of_the_move_is_explained_and_every_explained_one_is_said() {
    let page = text("docs/guide-migration.md").unwrap();
    let (_, chapter) = page.split_once("\n## Refusals\n").unwrap();
    let (chapter, _) = chapter.split_once("\n## ").unwrap();
    let rows: Vec<String> = matches(chapter, r"(?m)^\| (`[^|]+) \| [^|]+ \|").into_iter().collect();
    let explained: BTreeSet<String> = rows.iter().flat_map(|row| matches(row, "`([^`]+)`")).collect();
    assert!(explained.len() > 60, "{explained:?}");
    let code = read_through(&[
        "waiterix/src/migrate/",
        "waiterix-compose/src/",
        "waiterix-migration/src/",
        "waiterix-postgres/src/moving/",
    ]);
    let unsaid: Vec<&String> = explained.iter().filter(|one| !code.contains(one.as_str())).collect();
    assert!(unsaid.is_empty(), "nobody says {unsaid:?}");

    let gates = read_through(&["waiterix-migration/src/rows/gates.rs"]);
    let mut names = matches(&gates, r#"gate\(\s*"([^"]+)""#);
    names.extend(matches(&gates, r#"\("([a-z ]+)", (?:giving|taking|&ours|&theirs)\)"#));
    assert_eq!(names.len(), 11, "{names:?}");
    let unknown: Vec<&String> = names.difference(&explained).collect();
    assert!(unknown.is_empty(), "gates that are not explained: {unknown:?}");

    let cutover = read_through(&["waiterix-migration/src/rows/cutover.rs"]);
    let mut said = matches(&cutover, r#"give_up\("([^"]+)"\)"#);
    let plan = read_through(&["waiterix-postgres/src/moving/survey.rs"]);
    said.extend(matches(&plan, r#"faults\.push\(\s*(?:format!\(\s*)?"([^"]+)""#));
    said.extend(matches(&plan, r"format\('([^']{20,})'"));
    let checks = read_through(&["waiterix/src/migrate/checks.rs"]);
    said.extend(matches(&checks, r#"refusals\.push\(\s*(?:format!\(\s*)?"([^"]+)""#));
    let finish = read_through(&["waiterix/src/migrate/finish.rs"]);
    said.extend(matches(&finish, r#""refused: ([^"]+)""#));
    // A single word is the name of a gate, or says too little.
    let texts: Vec<&String> = explained.iter().filter(|one| one.contains([' ', '_'])).collect();
    let is_explained =
        |one: &String| texts.iter().any(|known| one.contains(known.as_str()) || known.contains(one.as_str()));
    let unexplained: Vec<&String> = said.iter().filter(|one| !is_explained(one)).collect();
    assert!(said.len() > 30 && unexplained.is_empty(), "not explained: {unexplained:?}");
}

#[test]
fn g174_every_alarm_has_its_row_in_the_guide() {
    let alarms =
        matches(&text("deploy/resources/alarms.yml").unwrap(), r"AlarmName: waiterix-\$\{sls:stage\}-(\S+)");
    assert!(alarms.len() > 20, "{alarms:?}");
    let guide = text("docs/guide.md").unwrap();
    let (_, chapter) = guide.split_once("### Alarms").unwrap();
    let (chapter, _) = chapter.split_once("\n### ").unwrap();
    let explained = matches(chapter, r"(?m)^\| `([a-z-]+)` \| [^|]+ \| [^|]+ \| [^|]+ \|$");
    assert_eq!(explained, alarms);
}

#[test]
fn g185_the_guide_says_when_for_what_and_whom_to_ask() {
    let guide = text("docs/guide.md").unwrap();
    let foot = Regex::new(r"Last updated: (\d{4}-\d\d-\d\d)\. For version (\S+) of Waiterix\. Contact: \w+")
        .unwrap();
    let foot = foot.captures(&guide).expect("a foot");
    let manifest = text("Cargo.toml").unwrap();
    assert!(manifest.contains(&format!("\nversion = \"{}\"\n", &foot[2])), "{}", &foot[2]);
    // The newest change is the last update.
    let changes = matches(&guide, r"(?m)^\| (\d{4}-\d\d-\d\d) \|");
    assert_eq!(changes.last().map(String::as_str), Some(&foot[1]));
}
