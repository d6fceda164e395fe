//! The files of the workspace, for tests of rules that hold everywhere.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that are made, not written.
const NOT_OURS: [&str; 4] = [".git", "target", "node_modules", "waiterix-data"];

/// A text file.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// From the workspace's folder, with `/`.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// The folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Every file that is UTF-8 text, by path.
pub fn texts() -> Vec<SourceFile> {
    let mut found = Vec::new();
    collect(&root(), "", &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Every Rust file, by path.
pub fn sources() -> Vec<SourceFile> {
    let mut files = texts();
    files.retain(|file| file.path.ends_with(".rs"));
    assert!(files.len() > 100, "only {} Rust files found", files.len());
    files
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<SourceFile>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().expect("a file name in Unicode");
        let path = format!("{prefix}{name}");
        if entry.file_type().unwrap().is_dir() {
            if !NOT_OURS.contains(&name.as_str()) {
                collect(&entry.path(), &format!("{path}/"), found);
            }
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            found.push(SourceFile { path, text });
        }
    }
}

impl SourceFile {
    /// The folder of the crate it belongs to.
    pub fn crate_folder(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// The part that only runs in tests: all of it, or what follows its first `#[cfg(test)]` module.
    pub fn test_code(&self) -> &str {
        let of_a_test = |part: &str| part == "tests" || part == "tests.rs" || part.ends_with("_tests.rs");
        if self.path.split('/').any(of_a_test) || self.crate_folder() == "waiterix-contract" {
            return &self.text;
        }
        let begin = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        &self.text[begin..]
    }

    /// The part that is not test code.
    pub fn product_code(&self) -> &str {
        &self.text[..self.text.len() - self.test_code().len()]
    }

    /// Numbers and texts of the lines in which a pattern is found.
    pub fn lines_with<'a>(&'a self, found: impl Fn(&str) -> bool + 'a) -> impl Iterator<Item = String> + 'a {
        let numbered = (1..).zip(self.text.lines());
        numbered
            .filter(move |(_, line)| found(line))
            .map(|(number, line)| format!("{}:{number}: {}", self.path, line.trim()))
    }
}
