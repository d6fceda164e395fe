//! Typed identifiers.

use std::fmt;

/// Declares opaque text identifiers, one type per kind of row, so that they cannot be mixed up.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Wraps an identifier as it was read or received; any text is allowed.
            #[must_use]
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The identifier as an owned text.
            #[must_use]
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.to_owned())
            }
        }
    )+};
}

ids! {
    /// A user, named by the identity provider; opaque text of up to 128 characters.
    UserId,
    /// A restaurant.
    RestaurantId,
    /// A table with a QR code.
    TableId,
    /// A dish.
    MenuItemId,
    /// A translation of a dish.
    TranslationId,
    /// The extended details of a dish.
    DetailsId,
    /// What the assistant knows about a restaurant.
    KnowledgeId,
    /// An order. It is an unguessable capability: whoever knows it may see the order.
    OrderId,
    /// A line of an order.
    OrderItemId,
    /// A rating.
    RatingId,
    /// A call for a waiter.
    AssistanceId,
    /// A guest's question.
    QuestionId,
    /// A chef's answer.
    AnswerId,
    /// A learnt question and answer.
    FaqId,
    /// A recorded scan of a QR code.
    ScanId,
    /// A recorded call of an AI service.
    AiCallId,
    /// The digest of a restaurant and an `Idempotency-Key`.
    IdempotencyId,
    /// The object key of an upload.
    UploadKey,
}

/// Whether a text has the form of a UUID (any version, hyphenated): the form of every row id but users'.
#[must_use]
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}
