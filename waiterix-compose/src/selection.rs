//! Which adapter serves which port.

use waiterix_ports::vars::Vars;

use crate::Needs;

/// A family of adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Everything in one folder and one process.
    Local,
    /// The providers the service comes from.
    Legacy,
    /// Amazon Web Services.
    Aws,
    /// None, because a function does not use the port. Nobody can choose it.
    Unused,
    /// The old provider and Amazon Web Services at once, of which one leads and the other one is made equal to it.
    Dual,
}

impl Choice {
    /// The word it is chosen by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Legacy => "legacy",
            Self::Aws => "aws",
            Self::Unused => "unused",
            Self::Dual => "dual",
        }
    }

    /// Whether the program was built with it.
    const fn is_built_in(self) -> bool {
        match self {
            Self::Local => cfg!(feature = "local"),
            Self::Legacy => cfg!(feature = "legacy"),
            Self::Aws => cfg!(feature = "aws"),
            Self::Unused => true,
            Self::Dual => cfg!(all(feature = "aws", feature = "legacy")),
        }
    }

    /// What the program must be built with.
    const fn features(self) -> &'static str {
        match self {
            Self::Dual => "aws,legacy",
            Self::Local | Self::Legacy | Self::Aws | Self::Unused => self.as_str(),
        }
    }

    /// Whether the adapters of a family are needed for it.
    #[cfg(any(feature = "aws", feature = "legacy"))]
    pub(crate) fn needs(self, family: Self) -> bool {
        self == family || (self == Self::Dual && matches!(family, Self::Legacy | Self::Aws))
    }

    fn named(name: &str) -> Option<Self> {
        match name {
            "local" => Some(Self::Local),
            "legacy" => Some(Self::Legacy),
            "aws" => Some(Self::Aws),
            "dual" => Some(Self::Dual),
            _ => None,
        }
    }
}

/// The choice for every port, so that ports can move one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    /// Rows.
    pub store: Choice,
    /// Pictures and other objects.
    pub blobs: Choice,
    /// Mail.
    pub mailer: Choice,
    /// Sessions and one-time data.
    pub sessions: Choice,
    /// Realtime connections.
    pub notifier: Choice,
}

impl Selection {
    /// Everything local, whatever the environment says.
    pub const LOCAL: Self = Self {
        store: Choice::Local,
        blobs: Choice::Local,
        mailer: Choice::Local,
        sessions: Choice::Local,
        notifier: Choice::Local,
    };

    /// Reads `WAITERIX_ADAPTERS` (the choice for all ports; `default` when unset) and one variable per port; a family the
    /// program was built without is a problem.
    pub fn read(vars: &mut Vars<'_>, default: Choice) -> Self {
        Self::read_with(vars, default, Choice::is_built_in)
    }

    fn read_with(vars: &mut Vars<'_>, default: Choice, is_built_in: impl Fn(Choice) -> bool) -> Self {
        let all = vars.text("WAITERIX_ADAPTERS");
        let all = known(vars, "WAITERIX_ADAPTERS", all).unwrap_or(default);
        let store = vars.text("WAITERIX_STORE");
        let blobs = vars.text("WAITERIX_BLOBS");
        let mailer = vars.text("WAITERIX_MAILER");
        let sessions = vars.text("WAITERIX_SESSIONS");
        let notifier = vars.text("WAITERIX_NOTIFIER");
        let selection = Self {
            store: known(vars, "WAITERIX_STORE", store).unwrap_or(all),
            blobs: known(vars, "WAITERIX_BLOBS", blobs).unwrap_or(all),
            mailer: known(vars, "WAITERIX_MAILER", mailer).unwrap_or(all),
            sessions: known(vars, "WAITERIX_SESSIONS", sessions).unwrap_or(all),
            notifier: known(vars, "WAITERIX_NOTIFIER", notifier).unwrap_or(all),
        };
        for choice in [Choice::Local, Choice::Legacy, Choice::Aws, Choice::Dual] {
            if selection.uses(choice) && !is_built_in(choice) {
                let (name, features) = (choice.as_str(), choice.features());
                vars.problem(
                    "WAITERIX_ADAPTERS",
                    format!(
                        "this program was built without the {name} adapters; build it with --features {features}"
                    ),
                );
            }
        }
        selection
    }

    /// The same for the ports that are used.
    pub(crate) fn limited_to(self, needs: Needs) -> Self {
        let limited = |choice: Choice, is_used: bool| if is_used { choice } else { Choice::Unused };
        Self {
            store: limited(self.store, needs.store),
            blobs: limited(self.blobs, needs.blobs),
            mailer: limited(self.mailer, needs.mailer),
            sessions: limited(self.sessions, needs.sessions),
            notifier: limited(self.notifier, needs.notifier),
        }
    }

    /// Whether any port is served by a family.
    pub fn uses(&self, choice: Choice) -> bool {
        [self.store, self.blobs, self.mailer, self.sessions, self.notifier].contains(&choice)
    }
}

fn known(vars: &mut Vars<'_>, name: &'static str, value: Option<String>) -> Option<Choice> {
    let value = value?;
    let choice = Choice::named(&value);
    if choice.is_none() {
        vars.problem(name, "must be local, legacy, aws or dual");
    }
    choice
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (Selection, Vec<String>) {
        let map: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut vars = Vars::new(&map);
        let selection = Selection::read_with(&mut vars, Choice::Local, |_| true);
        (selection, vars.problems().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn everything_is_local_unless_said_otherwise() {
        assert_eq!(read(&[]), (Selection::LOCAL, Vec::new()));
    }

    #[test]
    fn ports_can_move_one_by_one() {
        let (selection, _) = read(&[("WAITERIX_ADAPTERS", "aws"), ("WAITERIX_NOTIFIER", "local")]);
        assert_eq!((selection.store, selection.notifier), (Choice::Aws, Choice::Local));
        let (selection, _) = read(&[("WAITERIX_BLOBS", "aws")]);
        assert_eq!(selection, Selection { blobs: Choice::Aws, ..Selection::LOCAL });
    }

    #[test]
    fn an_unknown_family_is_a_problem() {
        let (_, problems) = read(&[("WAITERIX_STORE", "oracle"), ("WAITERIX_ADAPTERS", "cloud")]);
        assert_eq!(problems.len(), 2, "{problems:?}");
    }

    #[test]
    fn a_program_without_an_adapter_says_so() {
        let map = BTreeMap::from([("WAITERIX_SESSIONS".to_owned(), "aws".to_owned())]);
        let mut vars = Vars::new(&map);
        Selection::read_with(&mut vars, Choice::Local, |choice| choice == Choice::Local);
        assert!(vars.problems()[0].fault.contains("--features aws"), "{:?}", vars.problems());
    }
}
