//! What may be written where.

use regex::Regex;
use waiterix_tests::tree::{SourceFile, sources, texts};

/// This file names what it forbids.
const OWN: &str = "tests/tests/main/architecture/sources.rs";

/// Lines of product and test code, outside `allowed` paths, in which a pattern is found.
fn lines_with(pattern: &str, allowed: impl Fn(&SourceFile) -> bool) -> Vec<String> {
    let pattern = Regex::new(pattern).unwrap();
    sources()
        .iter()
        .filter(|file| file.path != OWN && !allowed(file))
        .flat_map(|file| file.lines_with(|line| pattern.is_match(line)).collect::<Vec<_>>())
        .collect()
}

/// That a pattern is found in one product file and in no other.
fn only_in(home: &str, pattern: &str) {
    let at_home = lines_with(pattern, |file| file.path != home);
    assert!(!at_home.is_empty(), "{home} no longer does what it is the place for, or the pattern is wrong");
    assert_eq!(lines_with(pattern, |file| file.path == home || is_tool(file)), NONE);
}

/// Tools and tests read the environment of the developer; the service has one place for that.
fn is_tool(file: &SourceFile) -> bool {
    matches!(file.crate_folder(), "tests" | "waiterix-backends" | "waiterix-contract" | "xtask")
        || file.product_code().is_empty()
}

const NONE: [String; 0] = [];

#[test]
fn sql_is_written_in_adapters_only() {
    let sql = r"\b(SELECT\s+[\w*(][^;]*\bFROM\b|INSERT\s+(OR\s+\w+\s+)?INTO\s+\w|DELETE\s+FROM\s+\w|UPDATE\s+\w+\s+SET\b|CREATE\s+(UNIQUE\s+)?(TABLE|INDEX)\b)";
    // Tools check what adapters wrote by SQL of their own, or the check would share the fault.
    let adapter = |file: &SourceFile| {
        file.crate_folder().starts_with("waiterix-adapters-")
            || file.crate_folder() == "waiterix-postgres"
            || is_tool(file)
    };
    assert_eq!(lines_with(sql, adapter), NONE);
    let found = sources().iter().any(|file| adapter(file) && Regex::new(sql).unwrap().is_match(&file.text));
    assert!(found, "the pattern recognises the SQL there is");
}

#[test]
fn databases_are_known_to_their_own_rooms_only() {
    let rooms = [
        "waiterix-adapters-local/src/sqlite/",
        "waiterix-adapters-local/src/folder/",
        "waiterix-adapters-local/tests/main/sqlite_",
    ];
    let at_home = |file: &SourceFile| rooms.iter().any(|room| file.path.starts_with(room));
    assert_eq!(lines_with(r"\b(sqlx::sqlite|rusqlite)::", at_home), NONE);
    let postgres = |file: &SourceFile| {
        matches!(
            file.crate_folder(),
            "waiterix-postgres" | "waiterix-adapters-aws" | "waiterix-adapters-legacy"
        )
    };
    assert_eq!(lines_with(r"\bsqlx::", |file| at_home(file) || postgres(file)), NONE);
}

#[test]
fn the_clock_is_read_in_one_place() {
    only_in("waiterix-ports/src/clock.rs", r"\b(SystemTime::now|OffsetDateTime::now|Utc::now|Local::now)\b");
}

#[test]
fn randomness_is_drawn_in_one_place() {
    let random = r"\b(new_v4|new_v7|now_v7|getrandom::fill|OsRng|thread_rng|rand::rng)\b";
    only_in("waiterix-app/src/random.rs", random);
}

#[test]
fn the_environment_is_read_in_one_place() {
    only_in("waiterix-compose/src/environment.rs", r"\benv::(var|vars)(_os)?\b");
}

#[test]
fn the_app_names_no_adapter() {
    let adapter = r"\bwaiterix_adapters|\bwaiterix-adapters|\b(Sqlite|Folder|Eml|Memory)[A-Z]\w+";
    let elsewhere = |file: &SourceFile| !file.path.starts_with("waiterix-app/src/");
    assert_eq!(lines_with(adapter, elsewhere), NONE);
}

#[test]
fn the_domain_does_not_wait() {
    let waiting = r"\basync\b|\.await\b|\bstd::(fs|net|process|thread)\b";
    let elsewhere = |file: &SourceFile| !file.path.starts_with("waiterix-domain/src/");
    let code = lines_with(waiting, elsewhere).into_iter().filter(|line| !line.contains("//"));
    assert_eq!(code.collect::<Vec<_>>(), NONE);
}

#[test]
fn no_file_is_a_hall() {
    let long: Vec<String> = sources()
        .iter()
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > 600)
        .map(|(file, lines)| format!("{} has {lines} lines; 600 is where a file is split", file.path))
        .collect();
    assert_eq!(long, NONE);
}

#[test]
fn no_room_is_named_after_nothing() {
    let nameless = ["utils", "util", "helpers", "helper", "services", "misc", "common_utils"];
    let named: Vec<String> = sources()
        .into_iter()
        .map(|file| file.path)
        .filter(|path| path.split('/').any(|part| nameless.contains(&part.trim_end_matches(".rs"))))
        .collect();
    assert_eq!(named, NONE);
}

#[test]
fn nothing_is_left_to_be_written() {
    assert_eq!(lines_with(r"\b(todo|unimplemented)!|\b(TODO|FIXME|XXX|TBD)\b", |_| false), NONE);
}

#[test]
fn every_test_runs() {
    assert_eq!(lines_with(r"#\[ignore", |_| false), NONE);
}

/// Where the modules may be declared that a file of tests is: nowhere, if it is an executable itself.
fn parents_of(path: &str) -> Option<(String, [String; 3])> {
    let (folder, file) = path.rsplit_once('/')?;
    let inside = folder.split_once("/tests")?.1;
    let is_root = inside.is_empty() || (inside.matches('/').count() == 1 && file == "main.rs");
    if is_root {
        return None;
    }
    let (above, name) =
        if file == "mod.rs" { folder.rsplit_once('/')? } else { (folder, file.trim_end_matches(".rs")) };
    Some((name.to_owned(), [format!("{above}/main.rs"), format!("{above}/mod.rs"), format!("{above}.rs")]))
}

fn test_files() -> Vec<SourceFile> {
    let mut files = sources();
    files.retain(|file| file.path.split('/').nth(1) == Some("tests"));
    files
}

/// A file that no module names is not compiled, and its tests say nothing.
#[test]
fn every_file_of_tests_is_in_an_executable() {
    let files = test_files();
    let declares = |file: &SourceFile, name: &str| {
        let declared = Regex::new(&format!(r"(?m)^(?:pub(?:\(\w+\))? )?mod {name};$")).unwrap();
        declared.is_match(&file.text)
    };
    let lost: Vec<&str> = files
        .iter()
        .filter(|file| {
            parents_of(&file.path).is_some_and(|(name, parents)| {
                !files.iter().any(|parent| parents.contains(&parent.path) && declares(parent, &name))
            })
        })
        .map(|file| file.path.as_str())
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert!(files.len() > 200, "only {} files of tests", files.len());
}

/// Each holds all libraries once more. Why, and which are executables of their own: decision 33.
#[test]
fn a_crate_has_one_executable_of_tests() {
    let own = ["tests/tests/deploy/main.rs"];
    let files = test_files();
    let roots = files.iter().map(|file| &file.path).filter(|path| parents_of(path).is_none());
    let mut roots: Vec<&str> = roots.map(String::as_str).filter(|path| !own.contains(path)).collect();
    assert!(roots.contains(&"waiterix-app/tests/main/main.rs"), "{roots:?}");
    let all = roots.len();
    roots.dedup_by_key(|path| path.split('/').next());
    assert_eq!(roots.len(), all, "a second one belongs into the first as a module");
}

/// Whether anybody wants what is said at a place in the code is remembered for all threads, so a second subscriber in a process
/// takes words away from the first.
#[test]
fn no_test_has_a_subscriber_of_its_own() {
    let home = "waiterix-contract/src/kept_log.rs";
    let pattern = Regex::new(r"\bset_(?:global_)?default\(|\bwith_default\(|\btracing_subscriber\b").unwrap();
    let own: Vec<String> = sources()
        .into_iter()
        .filter(|file| file.path != home && file.path != OWN && pattern.is_match(file.test_code()))
        .map(|file| file.path)
        .collect();
    assert_eq!(own, NONE, "what is logged is kept by waiterix_contract::KeptLog");
}

#[test]
fn no_test_sleeps() {
    let sleep = Regex::new(r"\bsleep(_until)?\(").unwrap();
    // One polls for everybody; the adapters that are wrong on purpose give others time to come in between.
    let allowed = ["waiterix-contract/src/fixture.rs", "waiterix-contract/src/broken/", OWN];
    let sleepers: Vec<String> = sources()
        .into_iter()
        .filter(|file| !allowed.iter().any(|path| file.path.starts_with(path)))
        .filter(|file| sleep.is_match(file.test_code()))
        .map(|file| file.path)
        .collect();
    assert_eq!(sleepers, NONE, "move a manual clock, or poll with waiterix_contract::eventually");
}

#[test]
fn d108_nothing_that_looks_like_a_secret_is_in_the_tree() {
    let patterns = [
        r"\bA(KIA|SIA)[0-9A-Z]{16}\b",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
        r"\bsk_(live|test)_[0-9A-Za-z]{8}",
        r"\bre_[0-9A-Za-z]{8}_[0-9A-Za-z]{16}",
        r"\bAIza[0-9A-Za-z_-]{30}",
        r"\bgh[pousr]_[0-9A-Za-z]{30}",
        r"postgres(ql)?://[^\s:/@]+:[^\s@{}<>]{4,}@[^\s/]*\.(tech|com|net|dev)\b",
    ];
    let pattern = Regex::new(&patterns.join("|")).unwrap();
    let found: Vec<String> = texts()
        .iter()
        .filter(|file| file.path != OWN)
        .flat_map(|file| file.lines_with(|line| pattern.is_match(line)).collect::<Vec<_>>())
        .collect();
    assert_eq!(found, NONE);
}

/// Where everything is, is configured. A sentence may give an example ("such as eu-central-1").
#[test]
fn g169_no_region_is_written_into_code() {
    let region =
        Regex::new(r"\b(af|ap|ca|eu|il|me|mx|sa|us)-(gov-)?(north|south|east|west|central)\w*-\d\b").unwrap();
    let is_example = |line: &str| line.trim_start().starts_with("//") || line.contains("such as");
    // Metrics of CloudFront are in one region, wherever the service is.
    let is_meant = |line: &str| is_example(line) || line.contains("AWS/CloudFront");
    let is_product = |file: &SourceFile| {
        file.crate_folder().starts_with("waiterix") && file.path.contains("/src/") && !is_tool(file)
    };
    let mut files: Vec<SourceFile> = sources().into_iter().filter(is_product).collect();
    for file in &mut files {
        file.text = file.product_code().to_owned();
    }
    let is_stack = |file: &SourceFile| file.path.starts_with("deploy/") && file.path.ends_with(".yml");
    files.extend(texts().into_iter().filter(is_stack));
    assert!(files.iter().any(|file| file.text.lines().any(|line| is_example(line) && region.is_match(line))));
    let written: Vec<String> = files
        .iter()
        .flat_map(|file| file.lines_with(|line| region.is_match(line) && !is_meant(line)).collect::<Vec<_>>())
        .collect();
    assert_eq!(written, NONE);
}
