//! The page that keeps the figures.

use std::fs;
use std::path::PathBuf;

use crate::command::{Failure, root};

/// Replaces what stands between the markers of a section.
pub(super) fn write(section: &str, figures: &str) -> Result<(), Failure> {
    let path: PathBuf = root().join("docs/performance.md");
    let page = fs::read_to_string(&path)?;
    let page = replaced(&page, section, figures)
        .ok_or_else(|| Failure::Said(format!("{} has no markers for {section}", path.display())))?;
    fs::write(&path, page)?;
    println!("Written to {}", path.display());
    Ok(())
}

fn replaced(page: &str, section: &str, figures: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- bench {section}: begin -->"), format!("<!-- bench {section}: end -->"));
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n\n{}\n\n{end}{after}", figures.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_section_changes() {
        let page = "top\n<!-- bench http: begin -->\nold\n<!-- bench http: end -->\n<!-- bench store: begin -->\nkept";
        let expected = "top\n<!-- bench http: begin -->\n\nnew\n\n<!-- bench http: end -->\n<!-- bench store: begin -->\nkept";
        assert_eq!(replaced(page, "http", "new\n").as_deref(), Some(expected));
        assert_eq!(replaced(page, "store", "new"), None);
    }
}
