//! What a database must hold, from the schema of the domain and what PostgreSQL adds to it.

use waiterix_domain::schema::{Column, INDEXES, OnDelete};
use waiterix_domain::value::Kind;
use waiterix_domain::{Table, UniqueRule};

/// Everything that must be there.
#[derive(Debug, Clone)]
pub struct Target {
    /// The tables, parents first.
    pub tables: Vec<TableTarget>,
    /// The indexes except those of primary keys.
    pub indexes: Vec<IndexTarget>,
}

/// A table that must be there.
#[derive(Debug, Clone)]
pub struct TableTarget {
    /// Its name.
    pub name: &'static str,
    /// Whether the old system had it from its first day. A database of the old system that lacks such a table is not
    /// completed but refused: rows are missing with it.
    pub mandatory: bool,
    /// Its columns; the first is the key.
    pub columns: Vec<ColumnTarget>,
}

/// A column that must be there.
#[derive(Debug, Clone)]
pub struct ColumnTarget {
    /// Its name.
    pub name: &'static str,
    /// Its type as `format_type` writes it.
    pub sql_type: &'static str,
    /// Other types that serve as well.
    pub also: &'static [&'static str],
    /// Whether it may be null.
    pub nullable: bool,
    /// Its default as `pg_get_expr` writes it.
    pub default: Option<&'static str>,
    /// The table whose key it names, and what happens when that row goes.
    pub references: Option<(&'static str, OnDelete)>,
    /// Whether a table that is there must have it already; others are added.
    pub mandatory: bool,
}

/// An index that must be there.
#[derive(Debug, Clone)]
pub struct IndexTarget {
    /// Its name.
    pub name: String,
    /// Its table.
    pub table: &'static str,
    /// What is indexed.
    pub keys: String,
    /// Which rows; all without one.
    pub condition: Option<&'static str>,
    /// The rule it enforces, if it is a unique one.
    pub rule: Option<UniqueRule>,
    /// Whether the old system made it, as a constraint of its table.
    pub constraint: bool,
}

impl TableTarget {
    fn column(&self, name: &str) -> Option<&ColumnTarget> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column the primary key is made of.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.columns.first().map_or("id", |column| column.name)
    }
}

impl ColumnTarget {
    const fn plain(name: &'static str, sql_type: &'static str, nullable: bool) -> Self {
        Self { name, sql_type, also: &[], nullable, default: None, references: None, mandatory: true }
    }

    const fn also(mut self, types: &'static [&'static str]) -> Self {
        self.also = types;
        self
    }
}

impl IndexTarget {
    /// Its definition as `pg_get_indexdef` writes it.
    #[must_use]
    pub fn definition(&self) -> String {
        self.statement("INDEX", "")
    }

    /// The statement that makes it without keeping anybody from writing.
    pub(super) fn concurrently(&self) -> String {
        self.statement("INDEX CONCURRENTLY", "IF NOT EXISTS ")
    }

    fn statement(&self, index: &str, unless: &str) -> String {
        let unique = if self.rule.is_some() { "UNIQUE " } else { "" };
        let condition = self.condition.map(|sql| format!(" WHERE ({sql})")).unwrap_or_default();
        let (name, table, keys) = (quoted(&self.name), self.table, &self.keys);
        format!("CREATE {unique}{index} {unless}{name} ON public.{table} USING btree ({keys}){condition}")
    }
}

impl Target {
    /// What this version of the program needs.
    #[must_use]
    pub fn current() -> Self {
        let mut tables: Vec<_> = Table::ALL.iter().copied().map(table_target).collect();
        tables.push(TableTarget {
            name: "sessions",
            // The session library of the old server made it for itself where it was not there.
            mandatory: false,
            columns: vec![
                ColumnTarget::plain("sid", VARCHAR, false),
                ColumnTarget::plain("sess", "jsonb", false).also(&["json"]),
                ColumnTarget::plain("expire", TIMESTAMP, false).also(&["timestamp(6) without time zone"]),
            ],
        });
        tables.push(TableTarget {
            name: "waiterix_commits",
            mandatory: false,
            columns: vec![
                ColumnTarget::plain("id", TEXT, false),
                ColumnTarget::plain("recorded_at", TIMESTAMP, false),
            ],
        });
        tables.push(TableTarget {
            // One-time data of sessions that are kept here; the old server does not know it.
            name: "waiterix_temp",
            mandatory: false,
            columns: vec![
                ColumnTarget::plain("key", TEXT, false),
                ColumnTarget::plain("value", TEXT, false),
                ColumnTarget::plain("ends_at", TIMESTAMP, false),
            ],
        });
        Self { tables, indexes: indexes() }
    }

    pub(super) fn table(&self, name: &str) -> Option<&TableTarget> {
        self.tables.iter().find(|table| table.name == name)
    }

    pub(super) fn column(&self, table: &str, column: &str) -> Option<&ColumnTarget> {
        self.table(table)?.column(column)
    }

    pub(super) fn index(&self, name: &str) -> Option<&IndexTarget> {
        self.indexes.iter().find(|index| index.name == name)
    }
}

const VARCHAR: &str = "character varying";
const TEXT: &str = "text";
const TIMESTAMP: &str = "timestamp without time zone";

/// Tables the old system does not know.
const NEW_TABLES: &[Table] = &[Table::IdempotencyKeys, Table::Uploads];

/// Columns that not every database has: the first five came with later migrations of the old system, which were run
/// in different orders or by hand; the others are new.
const LATER_COLUMNS: &[(Table, &str)] = &[
    (Table::Restaurants, "state"),
    (Table::Orders, "allergies"),
    (Table::OrderItems, "allergies"),
    (Table::PendingQuestions, "table_id"),
    (Table::PendingQuestions, "table_number"),
    (Table::Orders, "table_number"),
    (Table::Orders, "cancellation_reason"),
    (Table::OrderItems, "position"),
];

/// Texts that the old system declared `varchar`, besides ids and references.
const VARCHARS: &[(Table, &str)] = &[
    (Table::Users, "email"),
    (Table::Users, "first_name"),
    (Table::Users, "last_name"),
    (Table::Users, "profile_image_url"),
    (Table::PendingQuestions, "customer_session_id"),
    (Table::ChefAnswers, "answered_by"),
    (Table::AiCallEvents, "customer_session_id"),
];

/// Defaults besides those that [`default_of`] knows. The old system relies on them; this one chooses every value.
const DEFAULTS: &[(Table, &str, &str)] = &[
    (Table::Users, "accepted_terms", "false"),
    (Table::Restaurants, "default_language", "'en'::text"),
    (Table::Restaurants, "currency_code", "'USD'::text"),
    (Table::Restaurants, "ai_waiter_enabled", "true"),
    (Table::Restaurants, "auto_print_orders", "false"),
    (Table::Restaurants, "stripe_onboarding_complete", "false"),
    (Table::Restaurants, "paystack_onboarding_complete", "false"),
    (Table::Restaurants, "telr_onboarding_complete", "false"),
    (Table::Restaurants, "adyen_onboarding_complete", "false"),
    (Table::Restaurants, "subscription_status", "'trialing'::text"),
    (Table::Restaurants, "ai_usage_count", "0"),
    (Table::Restaurants, "current_month_usage", "0"),
    (Table::MenuItems, "is_vegan", "false"),
    (Table::MenuItems, "is_vegetarian", "false"),
    (Table::MenuItems, "is_halal", "false"),
    (Table::MenuItems, "is_kosher", "false"),
    (Table::MenuItems, "available", "true"),
    (Table::MenuItemTranslations, "auto_translated", "true"),
    (Table::Orders, "payment_status", "'pending'::text"),
    (Table::Orders, "tip", "'0'::numeric"),
    (Table::Orders, "status", "'new'::text"),
    (Table::AssistanceRequests, "request_type", "'call_waiter'::text"),
    (Table::AssistanceRequests, "status", "'pending'::text"),
    (Table::PendingQuestions, "language", "'en'::text"),
    (Table::PendingQuestions, "status", "'pending'::text"),
    (Table::Faqs, "usage_count", "0"),
];

fn default_of(table: Table, column: &Column) -> Option<&'static str> {
    if NEW_TABLES.contains(&table) {
        return None;
    }
    match column.name {
        "id" => Some("gen_random_uuid()"),
        "created_at" | "updated_at" | "scanned_at" | "called_at" => Some("now()"),
        name => {
            DEFAULTS.iter().find(|(of, column, _)| *of == table && *column == name).map(|(_, _, sql)| *sql)
        }
    }
}

fn column_target(table: Table, column: &Column) -> ColumnTarget {
    let is_varchar =
        column.name == "id" || column.references.is_some() || VARCHARS.contains(&(table, column.name));
    let sql_type = match column.kind {
        Kind::Text if is_varchar => VARCHAR,
        Kind::Text => TEXT,
        Kind::Bool => "boolean",
        Kind::Int => "integer",
        Kind::Amount => "numeric(10,2)",
        Kind::Timestamp => TIMESTAMP,
        Kind::TextArray => "text[]",
        Kind::Json => "jsonb",
    };
    ColumnTarget {
        name: column.name,
        sql_type,
        also: &[],
        nullable: column.nullable,
        default: default_of(table, column),
        references: column.references.map(|to| (to.table.name(), to.on_delete)),
        mandatory: !LATER_COLUMNS.contains(&(table, column.name)),
    }
}

fn table_target(table: Table) -> TableTarget {
    let mut columns: Vec<_> = table.columns().iter().map(|column| column_target(table, column)).collect();
    // What came later stands last in the databases there are.
    columns.sort_by_key(|column| !column.mandatory);
    TableTarget { name: table.name(), mandatory: !NEW_TABLES.contains(&table), columns }
}

/// The uniqueness rules the old system had, as constraints.
const OLD_RULES: &[UniqueRule] = &[
    UniqueRule::UserEmail,
    UniqueRule::RestaurantOfUser,
    UniqueRule::DetailsOfItem,
    UniqueRule::KnowledgeOfRestaurant,
];

/// What the index of a rule is made of, in PostgreSQL's own words.
///
/// Labels of tables are folded by ASCII rules only, which is what the collation `C` does whatever the locale of the
/// database, because the rule must not depend on where a restaurant's rows happen to be.
#[must_use]
pub fn rule_keys(rule: UniqueRule) -> &'static str {
    match rule {
        UniqueRule::TableNumber => "restaurant_id, lower((table_number COLLATE \"C\"))",
        rule => rule.expressions(),
    }
}

fn indexes() -> Vec<IndexTarget> {
    let rules = UniqueRule::ALL.iter().map(|rule| IndexTarget {
        name: rule.index_name().to_owned(),
        table: rule.table().name(),
        keys: rule_keys(*rule).to_owned(),
        condition: rule.condition(),
        rule: Some(*rule),
        constraint: OLD_RULES.contains(rule),
    });
    let plain = |name: &str, table, columns: &str| IndexTarget {
        name: name.to_owned(),
        table,
        keys: columns.to_owned(),
        condition: None,
        rule: None,
        constraint: false,
    };
    let shared = INDEXES.iter().map(|index| plain(index.name, index.table.name(), index.columns));
    let own = [
        plain("IDX_session_expire", "sessions", "expire"),
        plain("idx_waiterix_commits_recorded", "waiterix_commits", "recorded_at"),
        plain("idx_waiterix_temp_ends", "waiterix_temp", "ends_at"),
    ];
    // Pages and digests go through a table in the order of its keys' bytes, which is not that of the primary key's
    // index: that is sorted by the rules of the database's locale.
    let scanned = Table::ALL.iter().map(|table| {
        let name = format!("idx_{}_scan", table.name());
        plain(&name, table.name(), "id COLLATE \"C\"")
    });
    rules.chain(shared).chain(own).chain(scanned).collect()
}

/// A name as SQL needs it.
pub(super) fn quoted(name: &str) -> String {
    if name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// The name the old system gives a foreign key.
pub(super) fn foreign_key_name(table: &str, column: &str, parent: &str) -> String {
    format!("{table}_{column}_{parent}_id_fk")
}

/// An action as SQL writes it.
pub(super) const fn action(on_delete: OnDelete) -> &'static str {
    match on_delete {
        OnDelete::Cascade => "CASCADE",
        OnDelete::SetNull => "SET NULL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exception_is_about_a_column_there_is() {
        let pairs = DEFAULTS.iter().map(|(table, column, _)| (*table, *column));
        for (table, column) in pairs.chain(LATER_COLUMNS.iter().copied()).chain(VARCHARS.iter().copied()) {
            assert!(table.columns().iter().any(|c| c.name == column), "{}.{column}", table.name());
        }
    }

    #[test]
    fn the_old_tables_have_the_columns_they_had() {
        let target = Target::current();
        let old = |table: &&TableTarget| table.mandatory || table.name == "sessions";
        assert_eq!(target.tables.iter().filter(old).count(), 17);
        let columns = target.tables.iter().filter(old).map(|table| table.columns.len()).sum::<usize>();
        // Three are new: the label and the reason of an order, and the position of its lines.
        assert_eq!(columns, 183 + 3);
    }

    #[test]
    fn no_name_is_cut_off() {
        let target = Target::current();
        let foreign_keys = target.tables.iter().flat_map(|table| {
            let names = table.columns.iter().filter_map(|column| {
                let (parent, _) = column.references?;
                Some(foreign_key_name(table.name, column.name, parent))
            });
            names.collect::<Vec<_>>()
        });
        let indexes = target.indexes.iter().map(|index| index.name.clone());
        for name in foreign_keys.chain(indexes) {
            assert!(name.len() <= 63, "{name}");
        }
    }
}
