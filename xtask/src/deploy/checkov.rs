//! What checkov finds, compared with what is meant.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::command::Failure;

/// A check and a resource that fails it.
type Finding = (String, String);

/// Fails when the template fails a check that is not on the list, and when something on the list is not failed any more.
pub(super) fn run(program: &Path, template: &Path, list: &Path) -> Result<(), Failure> {
    println!("\n==> Rules of checkov");
    let mut command = Command::new(program);
    command.args(["--framework", "cloudformation", "--output", "json", "--quiet", "--compact"]);
    // Without it a server of its makers would be asked.
    command.args(["--skip-download", "--file"]).arg(template).stderr(Stdio::inherit());
    // Its exit code says that something was found, which is what is looked at here.
    let said = command.output()?.stdout;
    let found = findings(&said).map_err(|why| Failure::Said(format!("checkov: {why}")))?;
    let meant = skips(&fs::read_to_string(list)?).map_err(Failure::Said)?;
    let named = |findings: BTreeSet<&Finding>| {
        findings.iter().map(|(check, resource)| format!("\n  {check} {resource}")).collect::<String>()
    };
    let (more, fewer) =
        (named(found.difference(&meant).collect()), named(meant.difference(&found).collect()));
    if more.is_empty() && fewer.is_empty() {
        println!("    {} findings, all of them meant", found.len());
        return Ok(());
    }
    Err(Failure::Said(format!(
        "checkov and {} differ\nfound, but not on the list:{more}\non the list, but not found:{fewer}",
        list.display()
    )))
}

/// What failed. A report about nothing is none: then checkov did not understand the template.
fn findings(report: &[u8]) -> Result<BTreeSet<Finding>, String> {
    let report: Value = serde_json::from_slice(report).map_err(|error| error.to_string())?;
    let summary = &report["summary"];
    if summary["parsing_errors"] != 0 || summary["passed"].as_u64().unwrap_or_default() < 100 {
        return Err(format!("it has not read the template: {summary}"));
    }
    let failed = report["results"]["failed_checks"].as_array().cloned().unwrap_or_default();
    let finding = |failed: &Value| {
        let check = failed["check_id"].as_str()?.to_owned();
        // The resource is said as TYPE.NAME.
        let (_, resource) = failed["resource"].as_str()?.rsplit_once('.')?;
        Some((check, resource.to_owned()))
    };
    failed.iter().map(|failed| finding(failed).ok_or_else(|| format!("what is meant by {failed}?"))).collect()
}

/// Lines of a check, resources and a reason, two blanks between them.
fn skips(text: &str) -> Result<BTreeSet<Finding>, String> {
    let mut skips = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let parts: Vec<&str> = line.splitn(3, "  ").collect();
        let [check, resources, reason] = parts[..] else { return Err(format!("no reason is given: {line}")) };
        if reason.split_whitespace().count() < 5 {
            return Err(format!("that is no reason: {line}"));
        }
        skips.extend(resources.split(' ').map(|resource| (check.to_owned(), resource.to_owned())));
    }
    Ok(skips)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_needs_a_reason() {
        assert!(skips("CKV_1  Bucket  Because it is what we want.").is_ok_and(|skips| skips.len() == 1));
        assert!(skips("CKV_1  Bucket").is_err());
        assert!(skips("CKV_1  Bucket  why not").is_err());
    }

    #[test]
    fn a_report_about_nothing_is_a_failure() {
        let nothing = br#"{"summary": {"passed": 0, "failed": 0, "parsing_errors": 0}, "results": {"failed_checks": []}}"#;
        assert!(findings(nothing).is_err());
        let unread = br#"{"summary": {"passed": 200, "failed": 0, "parsing_errors": 1}, "results": {}}"#;
        assert!(findings(unread).is_err());
        assert!(findings(b"").is_err());
    }
}
