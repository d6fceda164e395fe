//! How mail is sent through SES.

use waiterix_ports::mailer::is_address;
use waiterix_ports::vars::Vars;

/// The longest name SES allows for a configuration set.
const MAX_SET_CHARS: usize = 64;

/// How mail is sent through SES. The region and the credentials are those of every AWS adapter, see
/// [`AwsSettings`](crate::sdk::AwsSettings).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SesSettings {
    /// The sender: a verified address, or any address of a verified domain.
    pub from: String,
    /// The configuration set that publishes bounces and complaints; without one nobody hears of them.
    pub configuration_set: Option<String>,
}

impl SesSettings {
    /// Reads `SES_FROM_EMAIL` and `SES_CONFIGURATION_SET`; problems are noted in `vars`.
    #[must_use]
    pub fn read(vars: &mut Vars<'_>) -> Self {
        let from = vars.required("SES_FROM_EMAIL", "SES sends from a verified address");
        if !from.is_empty() && !(is_address(&from) && from.is_ascii()) {
            vars.problem("SES_FROM_EMAIL", "must be an address of ASCII characters and nothing around it");
        }
        let configuration_set = vars.text("SES_CONFIGURATION_SET");
        if configuration_set.as_deref().is_some_and(|name| !is_set_name(name)) {
            vars.problem("SES_CONFIGURATION_SET", "must be 1 to 64 letters, digits, dashes and underscores");
        }
        Self { from, configuration_set }
    }
}

fn is_set_name(name: &str) -> bool {
    name.len() <= MAX_SET_CHARS && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> (SesSettings, Vec<String>) {
        let map: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut vars = Vars::new(&map);
        let settings = SesSettings::read(&mut vars);
        (settings, vars.problems().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_missing_or_malformed_sender_is_a_problem_of_the_start() {
        let (_, problems) = read(&[]);
        assert_eq!(problems, ["SES_FROM_EMAIL: is not set: SES sends from a verified address"]);
        for bad in ["nobody", "Waiterix <a@b.example>", "a@b.example,c@d.example", "ü@b.example", "a@b"] {
            let (_, problems) = read(&[("SES_FROM_EMAIL", bad)]);
            assert_eq!(problems.len(), 1, "{bad}");
            assert!(!problems[0].contains(bad), "no value in {problems:?}");
        }
    }

    #[test]
    fn the_configuration_set_is_optional_and_its_name_is_checked() {
        let (settings, problems) = read(&[("SES_FROM_EMAIL", " mail@waiterix.example ")]);
        assert_eq!((settings.from.as_str(), settings.configuration_set), ("mail@waiterix.example", None));
        assert!(problems.is_empty());
        for (name, problems) in
            [("waiterix-events_1", 0), ("a b", 1), ("a/b", 1), (&"x".repeat(64), 0), (&"x".repeat(65), 1)]
        {
            let answer = read(&[("SES_FROM_EMAIL", "a@b.example"), ("SES_CONFIGURATION_SET", name)]);
            assert_eq!(answer.0.configuration_set.as_deref(), Some(name));
            assert_eq!(answer.1.len(), problems, "{name}");
        }
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        assert_eq!(read(&[("SES_FROM_EMAIL", "x"), ("SES_CONFIGURATION_SET", "a b")]).1.len(), 2);
    }
}
