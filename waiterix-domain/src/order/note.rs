//! What is wrong with a guest's request: faults found when it was read, and those its rules find.

use crate::text::fault_of;
use crate::{FieldError, Rejection};

/// The longest note, list of allergies, message to the waiter or cancellation reason, in characters.
pub const MAX_NOTE_CHARS: usize = 1_000;

/// Faults of a request at any depth, at most one per field.
#[derive(Debug, Default)]
pub(crate) struct BodyFaults(Vec<FieldError>);

impl BodyFaults {
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
    pub(crate) fn text(&mut self, path: &[&str], text: Option<&str>, max_chars: usize) {
        if let Some(message) = text.and_then(|text| fault_of(text, 0..=max_chars)) {
            self.add(path, message);
        }
    }

    /// Ends the checks.
    pub(crate) fn refuse(self, message: &str) -> Result<(), Rejection> {
        if self.0.is_empty() { Ok(()) } else { Err(Rejection::fields(message, self.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_count_characters_and_not_bytes() {
        let mut faults = BodyFaults::default();
        faults.text(&["note"], Some(&"ü".repeat(1_000)), MAX_NOTE_CHARS);
        faults.text(&["note"], None, MAX_NOTE_CHARS);
        assert_eq!(faults.refuse("Invalid"), Ok(()));
        let mut faults = BodyFaults::default();
        faults.text(&["note"], Some(&"ü".repeat(1_001)), MAX_NOTE_CHARS);
        faults.text(&["other"], Some("a\0b"), MAX_NOTE_CHARS);
        let errors = faults.refuse("Invalid").unwrap_err().errors;
        assert_eq!(errors.iter().map(|e| e.path[0].as_str()).collect::<Vec<_>>(), ["note", "other"]);
    }

    #[test]
    fn a_field_of_the_wrong_type_has_one_fault_only() {
        let mut faults = BodyFaults::after(&[FieldError::new("total", "Expected a string")]);
        faults.add(&["total"], "not a decimal number");
        assert_eq!(faults.refuse("Invalid").unwrap_err().errors.len(), 1);
    }
}
