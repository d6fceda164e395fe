//! Reading configuration variables: a pure function of a map of texts, which reports every problem at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use waiterix_domain::Secret;

/// Something wrong with a variable. Never holds its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable.
    pub name: &'static str,
    /// What is wrong and what would be right.
    pub fault: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.fault)
    }
}

/// Reads variables, notes problems, and remembers which names it was asked for.
///
/// An empty text counts as unset. Blanks around a value are dropped, except around secrets, where they are a problem.
#[derive(Debug)]
pub struct Vars<'a> {
    map: &'a BTreeMap<String, String>,
    problems: Vec<Problem>,
    asked: BTreeSet<&'static str>,
}

impl<'a> Vars<'a> {
    /// A reader of a map of variables.
    #[must_use]
    pub const fn new(map: &'a BTreeMap<String, String>) -> Self {
        Self { map, problems: Vec::new(), asked: BTreeSet::new() }
    }

    fn raw(&mut self, name: &'static str) -> Option<&'a str> {
        self.asked.insert(name);
        self.map.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A text.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.raw(name).map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// A secret.
    pub fn secret(&mut self, name: &'static str) -> Option<Secret> {
        let value = self.raw(name)?;
        if value.trim() != value {
            self.problem(name, "has blanks around it");
        }
        Some(Secret::new(value))
    }

    /// A value of another type; `expected` says in words what it must be.
    pub fn parsed<T: FromStr>(&mut self, name: &'static str, expected: &str) -> Option<T> {
        let parsed = self.text(name)?.parse().ok();
        if parsed.is_none() {
            self.problem(name, format!("must be {expected}"));
        }
        parsed
    }

    /// A switch: `true`, `false`, `1` or `0`.
    pub fn flag(&mut self, name: &'static str) -> Option<bool> {
        match self.text(name)?.as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => {
                self.problem(name, "must be true, false, 1 or 0");
                None
            }
        }
    }

    /// A text that must be there; a missing one is a problem and reads as empty.
    pub fn required(&mut self, name: &'static str, what_for: &str) -> String {
        self.text(name).unwrap_or_else(|| {
            self.problem(name, format!("is not set: {what_for}"));
            String::new()
        })
    }

    /// Notes a problem.
    pub fn problem(&mut self, name: &'static str, fault: impl Into<String>) {
        self.problems.push(Problem { name, fault: fault.into() });
    }

    /// The problems so far.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The names asked for so far.
    #[must_use]
    pub const fn asked(&self) -> &BTreeSet<&'static str> {
        &self.asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_counts_as_unset_and_secrets_keep_their_blanks() {
        let map = BTreeMap::from([
            ("A".to_owned(), "  ".to_owned()),
            ("B".to_owned(), " x ".to_owned()),
            ("C".to_owned(), String::new()),
        ]);
        let mut vars = Vars::new(&map);
        assert_eq!(vars.text("A"), None);
        assert_eq!(vars.text("B").as_deref(), Some("x"));
        assert_eq!(vars.secret("C"), None);
        assert!(vars.problems().is_empty());
        vars.secret("B");
        vars.required("C", "the service cannot start without it");
        let problems: Vec<_> = vars.problems().iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            ["B: has blanks around it", "C: is not set: the service cannot start without it"]
        );
    }
}
