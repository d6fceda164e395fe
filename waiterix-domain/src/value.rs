//! Column values: the common language of every adapter.

use crate::{Amount, Secret, Timestamp};

/// What a column holds, independent of any database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Unbounded text (`text`, `varchar`). Never contains U+0000.
    Text,
    /// `boolean`.
    Bool,
    /// 32-bit `integer`.
    Int,
    /// `numeric(10,2)`.
    Amount,
    /// `timestamp` without zone, holding UTC.
    Timestamp,
    /// `text[]`; null and empty are different.
    TextArray,
    /// `jsonb`.
    Json,
}

/// One value of one column.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL null.
    Null,
    /// A text.
    Text(String),
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i32),
    /// An amount of money.
    Amount(Amount),
    /// An instant.
    Timestamp(Timestamp),
    /// An array of texts.
    TextArray(Vec<String>),
    /// A JSON value.
    Json(serde_json::Value),
}

impl Value {
    /// Whether this is null.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// A value read from a store does not fit its column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: expected {expected}, found {found}")]
pub struct BadValue {
    /// The column, as `table.column`.
    pub column: String,
    /// What the schema says.
    pub expected: &'static str,
    /// What was found, by kind and never by content.
    pub found: &'static str,
}

/// A Rust type that can stand in a column.
pub trait Field: Sized {
    /// The kind of the column.
    const KIND: Kind;
    /// Whether the column may be null.
    const NULLABLE: bool = false;
    /// The value to store.
    fn to_value(&self) -> Value;
    /// Reads a stored value back; `None` when it is of another kind.
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! plain_field {
    ($rust:ty, $kind:ident) => {
        impl Field for $rust {
            const KIND: Kind = Kind::$kind;
            fn to_value(&self) -> Value {
                Value::$kind(self.clone())
            }
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::$kind(inner) => Some(inner),
                    _ => None,
                }
            }
        }
    };
}

plain_field!(String, Text);
plain_field!(bool, Bool);
plain_field!(i32, Int);
plain_field!(Amount, Amount);
plain_field!(Timestamp, Timestamp);
plain_field!(Vec<String>, TextArray);
plain_field!(serde_json::Value, Json);

impl Field for Secret {
    const KIND: Kind = Kind::Text;
    fn to_value(&self) -> Value {
        Value::Text(self.reveal().to_owned())
    }
    fn from_value(value: Value) -> Option<Self> {
        String::from_value(value).map(Self::from)
    }
}

impl<T: Field> Field for Option<T> {
    const KIND: Kind = T::KIND;
    const NULLABLE: bool = true;
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_value)
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

macro_rules! text_fields {
    ($($id:ident),+ $(,)?) => {$(
        impl Field for crate::id::$id {
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

text_fields!(
    UserId,
    RestaurantId,
    TableId,
    MenuItemId,
    TranslationId,
    DetailsId,
    KnowledgeId,
    OrderId,
    OrderItemId,
    RatingId,
    AssistanceId,
    QuestionId,
    AnswerId,
    FaqId,
    ScanId,
    AiCallId,
    IdempotencyId,
    UploadKey,
);

/// The kind of a value, for error messages.
#[must_use]
pub const fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Text(_) => "text",
        Value::Bool(_) => "boolean",
        Value::Int(_) => "integer",
        Value::Amount(_) => "amount",
        Value::Timestamp(_) => "timestamp",
        Value::TextArray(_) => "text array",
        Value::Json(_) => "json",
    }
}

impl Kind {
    /// The kind in words, for error messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bool => "boolean",
            Self::Int => "integer",
            Self::Amount => "amount",
            Self::Timestamp => "timestamp",
            Self::TextArray => "text array",
            Self::Json => "json",
        }
    }
}
