//! Databases as the old system left them, and what can be said about any database without trusting the code under test.

use std::collections::BTreeMap;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use url::Url;
use waiterix_postgres::testing::Scratch;

pub(crate) const BASE: &str = include_str!("../../states/base.sql");
pub(crate) const ROWS: &str = include_str!("../../states/rows.sql");

/// Run by hand, outside of the journal of migrations. The foreign key got the name that PostgreSQL chose.
const HAND_WRITTEN_0001: &str = "\
    ALTER TABLE pending_questions ADD COLUMN table_id varchar REFERENCES restaurant_tables (id) ON DELETE SET NULL";
/// In the journal; knows nothing of the file above.
const GENERATED_0001: &str = "\
    ALTER TABLE order_items ADD COLUMN allergies text; \
    ALTER TABLE orders ADD COLUMN allergies text; \
    ALTER TABLE pending_questions ADD COLUMN table_number text; \
    ALTER TABLE restaurants ADD COLUMN state text";
/// Run by hand as well, careful about what might be there.
const HAND_WRITTEN_0002: &str = "\
    ALTER TABLE restaurants ADD COLUMN IF NOT EXISTS state text; \
    ALTER TABLE pending_questions ADD COLUMN IF NOT EXISTS table_id varchar; \
    ALTER TABLE pending_questions ADD COLUMN IF NOT EXISTS table_number text; \
    ALTER TABLE pending_questions DROP CONSTRAINT IF EXISTS pending_questions_table_id_fkey; \
    ALTER TABLE pending_questions ADD CONSTRAINT pending_questions_table_id_restaurant_tables_id_fk \
        FOREIGN KEY (table_id) REFERENCES restaurant_tables (id) ON DELETE SET NULL";

/// The states a database of the old system may be in.
pub(crate) const STATES: [(&str, &[&str]); 5] = [
    ("base", &[]),
    ("base and the hand-written 0001", &[HAND_WRITTEN_0001]),
    ("base and the generated 0001", &[GENERATED_0001]),
    ("base and the hand-written 0002", &[HAND_WRITTEN_0002]),
    ("all", &[HAND_WRITTEN_0001, GENERATED_0001, HAND_WRITTEN_0002]),
];

pub(crate) async fn connect(url: &Url) -> PgConnection {
    PgConnection::connect(url.as_str()).await.unwrap()
}

pub(crate) async fn execute(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// A database in a state, with rows.
pub(crate) async fn left_behind(server: &Url, migrations: &[&str]) -> Scratch {
    let scratch = Scratch::empty(server).await.unwrap();
    let mut connection = connect(&scratch.url()).await;
    for sql in [BASE].iter().chain(migrations).chain(&[ROWS]) {
        execute(&mut connection, sql).await;
    }
    connection.close().await.unwrap();
    scratch
}

/// Everything about the schema of a database, a line each, in an order of its own: columns without their places, because
/// those depend on history, and foreign keys without their names, for the same reason.
pub(crate) async fn catalog(url: &Url) -> Vec<String> {
    const SQL: &str = "\
        SELECT format('column %s.%s %s %s %s', table_name, column_name, format_type(a.atttypid, a.atttypmod), \
                      is_nullable, coalesce(column_default, '-')) AS line \
        FROM information_schema.columns JOIN pg_attribute a \
          ON a.attrelid = format('public.%I', table_name)::regclass AND a.attname = column_name \
        WHERE table_schema = 'public' \
        UNION ALL SELECT format('constraint %s %s %s %s', conrelid::regclass, \
                                CASE contype WHEN 'f' THEN '' ELSE conname END, pg_get_constraintdef(oid), convalidated) \
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace \
        UNION ALL SELECT format('index %s %s %s', indexrelid::regclass, pg_get_indexdef(indexrelid), indisvalid) \
        FROM pg_index WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace) \
        UNION ALL SELECT format('relation %s %s', relname, relkind) FROM pg_class \
        WHERE relnamespace = 'public'::regnamespace \
        UNION ALL SELECT format('trigger %s of %s, %s', tgname, tgrelid::regclass, tgenabled) FROM pg_trigger WHERE NOT tgisinternal \
        ORDER BY line";
    let mut connection = connect(url).await;
    let lines = sqlx::query_scalar(SQL).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    lines
}

/// A digest of the rows of every table that has any. A column that is null or not there makes no difference.
pub(crate) async fn rows(url: &Url) -> BTreeMap<String, (i64, String)> {
    let mut connection = connect(url).await;
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let mut found = BTreeMap::new();
    for table in tables {
        let sql = format!(
            "SELECT count(*), coalesce(md5(string_agg(r, ' ' ORDER BY r)), '') \
             FROM (SELECT jsonb_strip_nulls(to_jsonb(t))::text AS r FROM {table} t) s"
        );
        let digest: (i64, String) =
            sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
        if digest.0 > 0 {
            found.insert(table, digest);
        }
    }
    connection.close().await.unwrap();
    found
}
