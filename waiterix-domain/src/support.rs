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
