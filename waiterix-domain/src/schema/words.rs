//! Text columns with a known vocabulary. Reading never fails: an unknown word is kept as it is.

use std::fmt;

use crate::value::{Field, Kind, Value};

/// Declares a vocabulary: known words plus `Other`.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident $word:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$word_doc])* $variant,)+
            /// A word this version does not know, kept as it was found.
            Other(String),
        }

        impl $name {
            /// The known words.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant),+];

            /// The word as stored and sent.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }

            /// Reads a known word; `None` for any other text.
            #[must_use]
            pub fn known(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                Self::known(&word).unwrap_or(Self::Other(word))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl Field for $name {
            const KIND: Kind = Kind::Text;
            fn to_value(&self) -> Value {
                Value::Text(self.as_str().to_owned())
            }
            fn from_value(value: Value) -> Option<Self> {
                String::from_value(value).map(Self::from)
            }
        }
    )+};
}

words! {
    /// How far an order is.
    OrderStatus {
        /// Just placed.
        New "new",
        /// The kitchen works on it.
        Preparing "preparing",
        /// To be picked up.
        Ready "ready",
        /// Done; final.
        Completed "completed",
        /// Cancelled; final, set only by the cancel use case.
        Cancelled "cancelled",
    }
    /// How an order is paid.
    PaymentMethod {
        /// At the table.
        Cash "cash",
        /// Through a payment provider.
        Online "online",
        /// Known to old receipts only.
        Card "card",
    }
    /// Whether an order is paid.
    PaymentStatus {
        /// Not yet.
        Pending "pending",
        /// Paid.
        Completed "completed",
        /// Paid back.
        Refunded "refunded",
        /// Checked by old code but never stored.
        Paid "paid",
    }
    /// How far a call for a waiter is.
    AssistanceStatus {
        /// Nobody has seen it.
        Pending "pending",
        /// Somebody is on the way.
        Acknowledged "acknowledged",
        /// Done.
        Resolved "resolved",
    }
    /// What a guest wants from the waiter.
    RequestType {
        /// The waiter should come.
        CallWaiter "call_waiter",
        /// The guest needs help.
        HelpNeeded "help_needed",
    }
    /// How far a guest's question is.
    QuestionStatus {
        /// Waiting for the chef.
        Pending "pending",
        /// Answered.
        Answered "answered",
    }
    /// The state of a restaurant's subscription, in the payment provider's words.
    SubscriptionStatus {
        /// In the trial period.
        Trialing "trialing",
        /// Paid.
        Active "active",
        /// A payment is late.
        PastDue "past_due",
        /// Ended.
        Canceled "canceled",
        /// Never paid.
        Unpaid "unpaid",
        /// Waiting for the first payment.
        Incomplete "incomplete",
        /// The first payment never came.
        IncompleteExpired "incomplete_expired",
        /// Paused.
        Paused "paused",
    }
}

impl SubscriptionStatus {
    /// Whether guests may order.
    #[must_use]
    pub const fn accepts_orders(&self) -> bool {
        matches!(self, Self::Trialing | Self::Active)
    }
}
