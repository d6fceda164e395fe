//! Free text of guests: how long it may be, and the list of what is wrong with a request.

use crate::{FieldError, Rejection};

/// The longest note, list of allergies, message to the waiter or cancellation reason, in characters.
pub const MAX_NOTE_CHARS: usize = 1_000;

/// What is wrong with a request, at most one fault per field.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<FieldError>);

impl Faults {
    /// Starts with the faults that were found when the request was read.
    pub(crate) fn after(found: &[FieldError]) -> Self {
        Self(found.to_vec())
    }

    /// Notes a fault. A field that has one already keeps it: a field of the wrong type was read as an empty one, and
    /// what is wrong with the empty one is of no interest.
    pub(crate) fn add(&mut self, path: &[&str], message: impl Into<String>) {
        let path: Vec<String> = path.iter().map(|&step| step.to_owned()).collect();
        if !self.0.iter().any(|fault| fault.path == path) {
            self.0.push(FieldError { path, message: message.into() });
        }
    }

    /// Checks a free text.
    pub(crate) fn check_text(&mut self, path: &[&str], text: Option<&str>, max_chars: usize) {
        let text = text.unwrap_or_default();
        if text.contains('\0') {
            self.add(path, "Must not contain null characters");
        } else if text.chars().count() > max_chars {
            self.add(path, format!("Must be at most {max_chars} characters"));
        }
    }

    /// Ends the checks.
    pub(crate) fn finish(self, message: &str) -> Result<(), Rejection> {
        if self.0.is_empty() { Ok(()) } else { Err(Rejection::fields(message, self.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_count_characters_and_not_bytes() {
        let mut faults = Faults::default();
        faults.check_text(&["note"], Some(&"ü".repeat(1_000)), MAX_NOTE_CHARS);
        faults.check_text(&["note"], None, MAX_NOTE_CHARS);
        assert_eq!(faults.finish("Invalid"), Ok(()));
        let mut faults = Faults::default();
        faults.check_text(&["note"], Some(&"ü".repeat(1_001)), MAX_NOTE_CHARS);
        faults.check_text(&["other"], Some("a\0b"), MAX_NOTE_CHARS);
        let errors = faults.finish("Invalid").unwrap_err().errors;
        assert_eq!(errors.iter().map(|e| e.path[0].as_str()).collect::<Vec<_>>(), ["note", "other"]);
    }

    #[test]
    fn a_field_of_the_wrong_type_has_one_fault_only() {
        let mut faults = Faults::after(&[FieldError::new("total", "Expected a string")]);
        faults.add(&["total"], "Expected a decimal number");
        assert_eq!(faults.finish("Invalid").unwrap_err().errors.len(), 1);
    }
}
