//! The entities of the service and the schema they are kept in, declared once.
//!
//! Every table is a struct declared with the `tables!` macro: its fields are the columns, in order, and the first is the
//! key. From that one declaration come [`Table`], [`Row`], the column list, the foreign keys and the
//! conversion to and from [`Value`]s, so that adapters need no knowledge of single columns.

mod account;
mod analytics;
mod assistance;
mod menu;
mod order;
mod question;
mod restaurant;
mod rules;
mod service;
mod words;

use std::fmt;

pub use account::{Upload, User};
pub use analytics::{AiCallEvent, TableScanEvent};
pub use assistance::{AssistanceRequest, Rating};
pub use menu::{ExtendedDetails, MenuItem, MenuItemTranslation};
pub use order::{Order, OrderItem};
pub use question::{ChefAnswer, Faq, PendingQuestion};
pub use restaurant::{Restaurant, RestaurantKnowledge, RestaurantTable};
pub use rules::{INDEXES, Index, UniqueRule};
pub use service::IdempotencyKey;
pub use words::{
    AssistanceStatus, OrderStatus, PaymentMethod, PaymentStatus, QuestionStatus, RequestType,
    SubscriptionStatus,
};

use crate::value::{BadValue, Field, Kind, Value, kind_name};

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The SQL name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be null.
    pub nullable: bool,
    /// The table whose key it names, if it is a foreign key.
    pub references: Option<Reference>,
}

/// A foreign key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// The table referred to (always its key).
    pub table: Table,
    /// What happens to this row when that one is deleted.
    pub on_delete: OnDelete,
}

/// What a deleted parent does to its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    /// The child is deleted too.
    Cascade,
    /// The child's column becomes null.
    SetNull,
}

/// A struct that is a row of a table.
pub trait Entity: Sized + Clone + PartialEq + fmt::Debug + Into<Row> {
    /// Its table.
    const TABLE: Table;
    /// Its columns, key first.
    const COLUMNS: &'static [Column];
    /// The key.
    fn key(&self) -> &str;
    /// The values in column order.
    fn to_values(&self) -> Vec<Value>;
    /// Reads values in column order.
    ///
    /// # Errors
    /// [`BadValue`] for a value of another kind than its column, or a wrong number of values.
    fn from_values(values: Vec<Value>) -> Result<Self, BadValue> {
        let mut values = values.into_iter();
        Self::from_columns(|column| values.next().ok_or_else(|| bad(Self::TABLE, column, "nothing")))
    }
    /// Reads the value of every column, one after the other in their order, as `next` answers it.
    ///
    /// # Errors
    /// Whatever `next` says, and [`BadValue`] for a value of another kind than its column.
    fn from_columns<E: From<BadValue>>(
        next: impl FnMut(&'static Column) -> Result<Value, E>,
    ) -> Result<Self, E>;
    /// Takes the row out of the sum type, if it is of this table.
    fn from_row(row: Row) -> Option<Self>;
    /// Looks at the row as this type, if it is of this table.
    fn of_row(row: &Row) -> Option<&Self>;
}

fn bad(table: Table, column: &Column, found: &'static str) -> BadValue {
    BadValue { column: format!("{}.{}", table.name(), column.name), expected: column.kind.name(), found }
}

/// Reads one field for the macro below.
pub(crate) fn field<T: Field>(table: Table, column: &Column, value: Value) -> Result<T, BadValue> {
    let found = kind_name(&value);
    T::from_value(value).ok_or_else(|| bad(table, column, found))
}

/// Declares one table: the struct, its columns and foreign keys, and the conversions.
macro_rules! entity {
    (
        $(#[$doc:meta])*
        $name:ident in $table:ident {
            $(
                $(#[$field_doc:meta])*
                $field:ident $(as $sql:literal)? : $type:ty $(=> $parent:ident $action:ident)?
            ),+ $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)+
        }

        impl $crate::schema::Entity for $name {
            const TABLE: $crate::schema::Table = $crate::schema::Table::$table;
            const COLUMNS: &'static [$crate::schema::Column] = &[$(
                $crate::schema::Column {
                    name: $crate::schema::entity!(@name $field $($sql)?),
                    kind: <$type as $crate::value::Field>::KIND,
                    nullable: <$type as $crate::value::Field>::NULLABLE,
                    references: $crate::schema::entity!(@ref $($parent $action)?),
                }
            ),+];

            fn key(&self) -> &str {
                $crate::schema::entity!(@first self $($field)+).as_ref()
            }

            fn to_values(&self) -> Vec<$crate::value::Value> {
                vec![$($crate::value::Field::to_value(&self.$field)),+]
            }

            fn from_columns<E: From<$crate::value::BadValue>>(
                mut next: impl FnMut(&'static $crate::schema::Column) -> Result<$crate::value::Value, E>,
            ) -> Result<Self, E> {
                let mut columns = Self::COLUMNS.iter();
                // The struct has as many fields as columns, so the column iterator cannot run dry.
                $(
                    let column = columns.next().unwrap_or(&Self::COLUMNS[0]);
                    let $field = $crate::schema::field(Self::TABLE, column, next(column)?)?;
                )+
                Ok(Self { $($field),+ })
            }

            fn from_row(row: $crate::schema::Row) -> Option<Self> {
                match row {
                    $crate::schema::Row::$name(row) => Some(*row),
                    _ => None,
                }
            }

            fn of_row(row: &$crate::schema::Row) -> Option<&Self> {
                match row {
                    $crate::schema::Row::$name(row) => Some(row),
                    _ => None,
                }
            }
        }

        impl From<$name> for $crate::schema::Row {
            fn from(row: $name) -> Self {
                Self::$name(Box::new(row))
            }
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $sql:literal) => { $sql };
    (@ref) => { None };
    (@ref $parent:ident $action:ident) => {
        Some($crate::schema::Reference {
            table: $crate::schema::Table::$parent,
            on_delete: $crate::schema::OnDelete::$action,
        })
    };
    (@first $self:ident $first:ident $($rest:ident)*) => { $self.$first };
}
pub(crate) use entity;

/// Lists all tables once: the enums and the dispatch over them.
macro_rules! tables {
    ($($(#[$doc:meta])* $table:ident $name:literal $row:ident),+ $(,)?) => {
        /// A table of the store, in an order in which parents come before their children.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Table {
            $($(#[$doc])* $table,)+
        }

        impl Table {
            /// Every table, parents before children.
            pub const ALL: &'static [Self] = &[$(Self::$table),+];

            /// The SQL name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$table => $name),+ }
            }

            /// The table of an SQL name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$table),)+ _ => None }
            }

            /// The columns, key first.
            #[must_use]
            pub const fn columns(self) -> &'static [Column] {
                match self { $(Self::$table => <$row as Entity>::COLUMNS),+ }
            }

            /// Reads a row of this table from values in column order.
            ///
            /// # Errors
            /// [`BadValue`] for a value of another kind than its column, or a wrong number of values.
            pub fn row_from_values(self, values: Vec<Value>) -> Result<Row, BadValue> {
                match self { $(Self::$table => $row::from_values(values).map(Row::from)),+ }
            }

            /// Reads a row of this table, column by column as `next` answers them.
            ///
            /// # Errors
            /// As [`Entity::from_columns`].
            pub fn row_from_columns<E: From<BadValue>>(
                self,
                next: impl FnMut(&'static Column) -> Result<Value, E>,
            ) -> Result<Row, E> {
                match self { $(Self::$table => $row::from_columns(next).map(Row::from)),+ }
            }
        }

        /// A row of any table. In a box, because a restaurant is four times as large as what is moved around by the hundred.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Row {
            $($(#[$doc])* $row(Box<$row>),)+
        }

        impl Row {
            /// The table the row belongs to.
            #[must_use]
            pub const fn table(&self) -> Table {
                match self { $(Self::$row(_) => Table::$table),+ }
            }

            /// The key within the table.
            #[must_use]
            pub fn key(&self) -> &str {
                match self { $(Self::$row(row) => row.key()),+ }
            }

            /// The values in column order.
            #[must_use]
            pub fn to_values(&self) -> Vec<Value> {
                match self { $(Self::$row(row) => row.to_values()),+ }
            }
        }
    };
}

tables! {
    /// Accounts of restaurant owners.
    Users "users" User,
    /// Restaurants: the tenants.
    Restaurants "restaurants" Restaurant,
    /// Tables with QR codes.
    RestaurantTables "restaurant_tables" RestaurantTable,
    /// Dishes.
    MenuItems "menu_items" MenuItem,
    /// Translations of dishes.
    MenuItemTranslations "menu_item_translations" MenuItemTranslation,
    /// Extended details of dishes.
    ExtendedMenuDetails "extended_menu_details" ExtendedDetails,
    /// What the assistant knows about a restaurant.
    RestaurantKnowledge "restaurant_knowledge" RestaurantKnowledge,
    /// Order headers.
    Orders "orders" Order,
    /// Order lines.
    OrderItems "order_items" OrderItem,
    /// Ratings.
    Ratings "ratings" Rating,
    /// Calls for a waiter.
    AssistanceRequests "assistance_requests" AssistanceRequest,
    /// Guests' questions.
    PendingQuestions "pending_questions" PendingQuestion,
    /// Chefs' answers.
    ChefAnswers "chef_answers" ChefAnswer,
    /// Learnt questions and answers.
    Faqs "faq_knowledge_base" Faq,
    /// Scans of QR codes.
    TableScanEvents "table_scan_events" TableScanEvent,
    /// Calls of AI services.
    AiCallEvents "ai_api_call_events" AiCallEvent,
    /// Remembered `Idempotency-Key`s of orders (new system only).
    IdempotencyKeys "idempotency_keys" IdempotencyKey,
    /// Upload grants (new system only).
    Uploads "uploads" Upload,
}

/// Names one row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// The table.
    pub table: Table,
    /// The key within it.
    pub id: String,
}

impl RowKey {
    /// Names a row.
    #[must_use]
    pub fn new(table: Table, id: impl Into<String>) -> Self {
        Self { table, id: id.into() }
    }
}

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.table.name(), self.id)
    }
}

impl Row {
    /// The name of this row.
    #[must_use]
    pub fn row_key(&self) -> RowKey {
        RowKey::new(self.table(), self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_before_children() {
        for (position, table) in Table::ALL.iter().enumerate() {
            for reference in table.columns().iter().filter_map(|column| column.references) {
                let parent = Table::ALL.iter().position(|other| *other == reference.table).unwrap();
                assert!(parent < position, "{} before {}", reference.table.name(), table.name());
            }
        }
    }

    #[test]
    fn the_key_is_the_first_column_and_never_null() {
        for table in Table::ALL {
            let key = &table.columns()[0];
            assert_eq!((key.name, key.kind, key.nullable), ("id", Kind::Text, false), "{}", table.name());
            assert_eq!(Table::named(table.name()), Some(*table));
        }
    }

    /// A delete that sets a reference null must never fail for a rule about rows that merely referred to the deleted one.
    #[test]
    fn setting_a_reference_null_brings_no_row_under_a_rule() {
        for table in Table::ALL {
            for (place, column) in table.columns().iter().enumerate() {
                let Some(Reference { on_delete: OnDelete::SetNull, .. }) = column.references else {
                    continue;
                };
                let mut values: Vec<Value> = table
                    .columns()
                    .iter()
                    .map(|column| match column.kind {
                        Kind::Text => Value::Text("x".to_owned()),
                        Kind::Bool => Value::Bool(true),
                        Kind::Int => Value::Int(1),
                        Kind::Amount => Value::Amount(crate::Amount::ZERO),
                        Kind::Timestamp => Value::Timestamp(crate::Timestamp::EPOCH),
                        Kind::TextArray => Value::TextArray(Vec::new()),
                        Kind::Json => Value::Json(serde_json::json!({})),
                    })
                    .collect();
                let referring = table.row_from_values(values.clone()).unwrap();
                values[place] = Value::Null;
                let orphaned = table.row_from_values(values).unwrap();
                for rule in UniqueRule::ALL {
                    let after = rule.key_of(&orphaned);
                    assert!(
                        after.is_none() || after == rule.key_of(&referring),
                        "{rule:?} and {}",
                        column.name
                    );
                }
            }
        }
    }

    #[test]
    fn only_nullable_columns_can_be_set_null() {
        for table in Table::ALL {
            for column in table.columns() {
                if let Some(Reference { on_delete: OnDelete::SetNull, .. }) = column.references {
                    assert!(column.nullable, "{}.{}", table.name(), column.name);
                }
            }
        }
    }
}
