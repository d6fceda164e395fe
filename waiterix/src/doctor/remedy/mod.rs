//! How to mend a dependency that fails.

mod aws;
mod legacy;

use waiterix_compose::Choice;
use waiterix_ports::ErrorKind;

/// A port, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    Store,
    Blobs,
    Mailer,
    Sessions,
    Notifier,
}

impl Port {
    #[cfg(test)]
    pub(super) const ALL: [Self; 5] =
        [Self::Store, Self::Blobs, Self::Mailer, Self::Sessions, Self::Notifier];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Store => "database",
            Self::Blobs => "objects",
            Self::Mailer => "mail",
            Self::Sessions => "sessions",
            Self::Notifier => "realtime",
        }
    }
}

/// What to do about a failure of a kind.
pub(super) const fn remedy(port: Port, choice: Choice, kind: ErrorKind) -> &'static str {
    match choice {
        Choice::Local => match kind {
            ErrorKind::Denied => "make the data folder writable for the user of the service",
            ErrorKind::Corrupt | ErrorKind::Unsupported => {
                "the files belong to another program or a newer version; restore them or name another folder with --data"
            }
            _ => "look at the free space and the health of the disk that holds the data folder",
        },
        Choice::Legacy => match port {
            Port::Store => legacy::database(kind),
            Port::Blobs => legacy::objects(kind),
            Port::Mailer => legacy::mail(kind),
            Port::Sessions => legacy::sessions(kind),
            Port::Notifier => legacy::realtime(kind),
        },
        // Of two providers that one is asked which leads, and its own findings stand beside.
        Choice::Aws | Choice::Dual => match port {
            Port::Store => aws::database(kind),
            Port::Blobs => aws::objects(kind),
            Port::Mailer => aws::mail(kind),
            Port::Sessions => aws::sessions(kind),
            Port::Notifier => aws::realtime(kind),
        },
        Choice::Unused => "a server uses every port; this is a defect of the program",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The variables a remedy names are variables the service reads.
    #[test]
    fn remedies_name_variables_that_are_explained() {
        let page = include_str!("../../../../docs/configuration.md");
        let kinds = [
            ErrorKind::NotFound,
            ErrorKind::Conflict,
            ErrorKind::Invalid,
            ErrorKind::Denied,
            ErrorKind::Throttled,
            ErrorKind::Unavailable,
            ErrorKind::Timeout,
            ErrorKind::Corrupt,
            ErrorKind::Unsupported,
        ];
        for port in Port::ALL {
            for kind in kinds {
                let text = remedy(port, Choice::Aws, kind);
                for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                    // Keys of the AWS SDK's own chain are not ours to read.
                    let is_variable = word.contains('_') && word.to_uppercase() == word;
                    let is_ours =
                        is_variable && !word.starts_with("AWS_ACCESS") && !word.starts_with("AWS_SECRET");
                    assert!(!is_ours || page.contains(&format!("`{word}`")), "{word} in {text}");
                }
            }
        }
    }
}
