//! Support requests of owners.

use crate::facts::Account;
use crate::id::{RestaurantId, UserId};
use crate::text::Faults;
use crate::{Rejection, Timestamp};

/// The longest subject.
pub const MAX_SUBJECT_CHARS: usize = 200;
/// The longest message.
pub const MAX_MESSAGE_CHARS: usize = 5_000;
/// How many requests a user may send within [`LIMIT_WINDOW_SECONDS`].
pub const MAX_PER_WINDOW: u64 = 5;
/// The time over which a user's requests are counted, and within which the same request is sent only once.
pub const LIMIT_WINDOW_SECONDS: i64 = 3_600;

/// What an owner wrote; anything that is no text counts as missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContactSupport {
    /// What it is about.
    pub subject: Option<String>,
    /// The message.
    pub message: Option<String>,
}

/// A support request, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportRequest {
    /// Who asks.
    pub user_id: UserId,
    /// The owner's restaurant.
    pub restaurant_id: RestaurantId,
    /// Its name.
    pub restaurant_name: String,
    /// Where the answer goes.
    pub email: String,
    /// What it is about.
    pub subject: String,
    /// The message.
    pub message: String,
}

impl SupportRequest {
    /// The number of the window an instant lies in: the same request is one mail per window.
    #[must_use]
    pub const fn window(at: Timestamp) -> i64 {
        at.as_seconds().div_euclid(LIMIT_WINDOW_SECONDS)
    }
}

/// Puts a support request together.
///
/// # Errors
/// `NotFound` without a restaurant, then without an e-mail address; then `Invalid` when a field is missing or empty, or
/// too long.
pub fn request(account: &Account, command: &ContactSupport) -> Result<SupportRequest, Rejection> {
    let restaurant =
        account.restaurant.as_ref().ok_or_else(|| Rejection::not_found("Restaurant not found"))?;
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let email = given(&account.user.email)
        .ok_or_else(|| Rejection::not_found("User not found or email not available"))?;
    let (Some(subject), Some(message)) = (given(&command.subject), given(&command.message)) else {
        return Err(Rejection::invalid("Subject and message are required"));
    };
    let mut faults = Faults::default();
    faults.text("subject", &subject, 1..=MAX_SUBJECT_CHARS);
    faults.text("message", &message, 1..=MAX_MESSAGE_CHARS);
    faults.refuse("Invalid support request")?;
    Ok(SupportRequest {
        user_id: account.user.id.clone(),
        restaurant_id: restaurant.id.clone(),
        restaurant_name: restaurant.name.clone(),
        email,
        subject,
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RejectionKind;
    use crate::sample::{at, row};
    use crate::schema::{Restaurant, User};

    fn account(with_restaurant: bool, email: Option<&str>) -> Account {
        let restaurant = Restaurant { name: "Zur Sonne".to_owned(), ..row("r") };
        let user = User { email: email.map(str::to_owned), ..row("u") };
        Account { user, restaurant: with_restaurant.then_some(restaurant) }
    }

    fn wrote(subject: &str, message: &str) -> ContactSupport {
        ContactSupport { subject: Some(subject.to_owned()), message: Some(message.to_owned()) }
    }

    #[test]
    fn a_request_says_who_asks_what() {
        let request = request(&account(true, Some("o@x.org")), &wrote("Help", "It\nburns")).unwrap();
        assert_eq!((request.restaurant_id.as_str(), request.restaurant_name.as_str()), ("r", "Zur Sonne"));
        assert_eq!((request.email.as_str(), request.user_id.as_str()), ("o@x.org", "u"));
        assert_eq!((request.subject.as_str(), request.message.as_str()), ("Help", "It\nburns"));
    }

    #[test]
    fn refusals_come_in_the_order_of_the_contract() {
        let nothing = ContactSupport::default();
        let refused = |account: Account, command: &ContactSupport| request(&account, command).unwrap_err();
        assert_eq!(refused(account(false, None), &nothing), Rejection::not_found("Restaurant not found"));
        let no_email = Rejection::not_found("User not found or email not available");
        assert_eq!(refused(account(true, None), &nothing), no_email);
        assert_eq!(refused(account(true, Some("")), &nothing), no_email);
        for command in [nothing.clone(), wrote("", "m"), wrote("s", "")] {
            let refusal = refused(account(true, Some("o@x.org")), &command);
            assert_eq!(refusal, Rejection::invalid("Subject and message are required"));
        }
    }

    #[test]
    fn d97_limits_hold_at_n_and_n_plus_one() {
        for (subject, message, fits) in [(200, 5000, true), (201, 1, false), (1, 5001, false)] {
            let answer =
                request(&account(true, Some("o@x.org")), &wrote(&"ü".repeat(subject), &"ü".repeat(message)));
            assert_eq!(answer.is_ok(), fits, "{subject} {message}");
            if let Err(refusal) = answer {
                assert_eq!((refusal.kind, refusal.errors.len()), (RejectionKind::Invalid, 1));
            }
        }
    }

    #[test]
    fn windows_are_hours() {
        let window = |text| SupportRequest::window(at(text));
        assert_eq!(window("2025-01-31T10:00:00Z"), window("2025-01-31T10:59:59Z"));
        assert_eq!(window("2025-01-31T10:59:59Z") + 1, window("2025-01-31T11:00:00Z"));
    }
}
