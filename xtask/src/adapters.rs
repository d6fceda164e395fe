//! `docs/adapters.md`: which adapter has proven which clause, from the records of a test run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{Failure, built, root};

/// The variable by which the contract suite learns where to leave its records.
pub(crate) const VARIABLE: &str = "WAITERIX_CONTRACT_RECORD";
/// The page, from the folder of the workspace.
const PAGE: &str = "docs/adapters.md";
/// The ports as they are called in records and in the documentation.
const PORTS: [(&str, &str); 5] = [
    ("store", "Store"),
    ("blob", "BlobStore"),
    ("mailer", "Mailer"),
    ("session", "SessionStore"),
    ("notifier", "Notifier"),
];
/// How often a clause was proven, or what kept it from being proven.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Proof {
    passed: usize,
    gaps: Vec<String>,
}

/// Proofs by port, adapter and clause.
type Proofs = BTreeMap<(usize, String, Clause), Proof>;

/// A clause such as `S12`, ordered by its number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Clause(u32, String);

impl Clause {
    /// The clause a case such as `s12_an_insert_of_…` proves.
    fn of(case: &str) -> Self {
        let name = case.split('_').next().unwrap_or_default().to_uppercase();
        let digits = name.trim_start_matches(char::is_alphabetic);
        let number = digits.parse().unwrap_or_default();
        // Names of cases may be padded with zeros, so that they are listed in order.
        Self(number, format!("{}{number}", &name[..name.len() - digits.len()]))
    }
}

/// Where the records of a run are.
pub(crate) fn folder() -> PathBuf {
    built("contract")
}

/// The same folder, empty.
pub(crate) fn fresh_folder() -> Result<PathBuf, Failure> {
    let folder = folder();
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Writes the page from the records of a whole run; with `strict` a page that was not up to date is a failure, and so
/// is a gap.
pub(crate) fn write(folder: &Path, strict: bool) -> Result<(), Failure> {
    let proofs = read(folder)?;
    let gaps: Vec<String> = proofs
        .iter()
        .filter(|(_, proof)| !proof.gaps.is_empty())
        .map(|((port, adapter, clause), proof)| {
            format!("{} {} {adapter}: {}", PORTS[*port].1, clause.1, proof.gaps.join(", "))
        })
        .chain(missing(&proofs))
        .collect();
    if strict && !gaps.is_empty() {
        return Err(Failure::Said(format!("clauses that an adapter has not proven:\n{}", gaps.join("\n"))));
    }
    let (page, text) = (root().join(PAGE), page(&proofs));
    if fs::read_to_string(&page).is_ok_and(|old| old == text) {
        return Ok(());
    }
    if !gaps.is_empty() {
        println!("    {PAGE} stays as it is: {} clauses were left out or failed", gaps.len());
        return Ok(());
    }
    fs::write(&page, text)?;
    if strict {
        return Err(Failure::Said(format!("{PAGE} was not up to date; it is now, so commit it")));
    }
    println!("    {PAGE} is written anew");
    Ok(())
}

fn read(folder: &Path) -> Result<Proofs, Failure> {
    let mut proofs = Proofs::new();
    for (place, (port, _)) in PORTS.iter().enumerate() {
        for (adapter, path) in entries(&folder.join(port))? {
            for (case, file) in entries(&path)? {
                let proof = proofs.entry((place, adapter.clone(), Clause::of(&case))).or_default();
                match fs::read_to_string(&file)?.as_str() {
                    "passed" => proof.passed += 1,
                    other => proof.gaps.push(format!("{case} {other}")),
                }
            }
        }
    }
    Ok(proofs)
}

fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        entries.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    entries.sort();
    Ok(entries)
}

/// Clauses of a port that some adapter has proven and another has no record of.
fn missing(proofs: &Proofs) -> Vec<String> {
    let mut missing = Vec::new();
    for (place, (_, port)) in PORTS.iter().enumerate() {
        let of_port = || proofs.keys().filter(|(port, ..)| *port == place);
        let clauses: BTreeSet<_> = of_port().map(|(_, _, clause)| clause).collect();
        let adapters: BTreeSet<_> = of_port().map(|(_, adapter, _)| adapter).collect();
        for adapter in adapters {
            let lacks = clauses
                .iter()
                .filter(|clause| !proofs.contains_key(&(place, adapter.clone(), (***clause).clone())));
            missing.extend(lacks.map(|clause| format!("{port} {} {adapter}: no record", clause.1)));
        }
    }
    missing
}

fn page(proofs: &Proofs) -> String {
    let mut text = String::from(
        "# Adapters and the clauses they have proven\n\n\
         Written by `cargo xtask test` from the records of the contract suite (`waiterix-contract`); do not edit.\n\
         A clause is a numbered promise in the documentation of its port (`waiterix-ports`); a case is one test of it.\n\
         PostgreSQL, PgBouncer and Redis are the real servers. AWS is MiniStack and dynalite, with scripted servers where these lack\n\
         something: the suppression list of SES, the callbacks of API Gateway, and s3s-fs for URLs that were changed after they\n\
         were signed. Google Cloud Storage is gcp-storage-emulator behind a front that does what it lacks: tokens, signatures,\n\
         conditions and pages. Resend is a scripted server that remembers keys as it does. All of it goes over real sockets; nothing\n\
         here ran against AWS, Google, Neon or Resend. A wrapper is named with what it wraps.\n\n\
         | port | adapter | clauses | cases |\n|---|---|---|---|\n",
    );
    let mut totals: BTreeMap<(usize, &str), (usize, usize)> = BTreeMap::new();
    for ((port, adapter, _), proof) in proofs {
        let total = totals.entry((*port, adapter)).or_default();
        *total = (total.0 + 1, total.1 + proof.passed);
    }
    for ((port, adapter), (clauses, cases)) in &totals {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "| {} | {adapter} | {clauses} | {cases} |", PORTS[*port].1);
    }
    text.push_str("\n## Every clause\n\n| port | clause | adapter | pass |\n|---|---|---|---|\n");
    let mut rows: Vec<_> = proofs.iter().collect();
    rows.sort_by_key(|((port, adapter, clause), _)| (*port, clause.clone(), adapter.clone()));
    for ((port, adapter, clause), proof) in rows {
        let cases = if proof.passed == 1 { "case" } else { "cases" };
        let _ = writeln!(
            text,
            "| {} | {} | {adapter} | yes, {} {cases} |",
            PORTS[*port].1, clause.1, proof.passed
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(folder: &Path, port: &str, adapter: &str, case: &str, how: &str) {
        let folder = folder.join(port).join(adapter);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(case), how).unwrap();
    }

    #[test]
    fn rows_are_in_the_order_of_clauses_and_gaps_are_named() {
        let dir = tempfile::tempdir().unwrap();
        for (adapter, case, how) in [
            ("memory", "s10_changes_are_visible", "passed"),
            ("memory", "s02_unknown_ids", "passed"),
            ("memory", "s2_more", "passed"),
            ("SQLite", "s2_unknown_ids", "failed"),
        ] {
            record(dir.path(), "store", adapter, case, how);
        }
        let proofs = read(dir.path()).unwrap();
        let text = page(&proofs);
        let rows: Vec<_> = text.lines().filter(|line| line.contains("memory | yes")).collect();
        assert_eq!(
            rows,
            ["| Store | S2 | memory | yes, 2 cases |", "| Store | S10 | memory | yes, 1 case |"]
        );
        assert_eq!(missing(&proofs), ["Store S10 SQLite: no record"]);
        let failure = write(dir.path(), true).unwrap_err().to_string();
        assert!(failure.contains("Store S2 SQLite: s2_unknown_ids failed"), "{failure}");
    }
}
