//! What walks over stores remember.

use std::fmt::Write as _;

use async_trait::async_trait;
use sqlx::Row as _;
use waiterix_ports::Result;
use waiterix_ports::moving::{ObjectRecord, ObjectRecords, Place, Places};

use super::corrupt;
use super::intents::text;
use super::plan::{PostgresPlan, count, signed};
use crate::statement::Argument;

const PLACE: &str = "SELECT at, done, finished FROM waiterix_migration.places WHERE walk = $1";
const KEEP: &str = "INSERT INTO waiterix_migration.places AS p (walk, at, done, finished, kept_at) \
    VALUES ($1, $2, $3, $4::bigint = 1, clock_timestamp()) \
    ON CONFLICT (walk) DO UPDATE SET at = excluded.at, done = excluded.done, finished = excluded.finished, \
    kept_at = excluded.kept_at";
const RECORDS: &str = "SELECT key, size, encode(sha256, 'hex'), old_etag, new_etag FROM waiterix_migration.objects \
    WHERE key = ANY ($1)";
const KEEP_RECORDS: &str = "INSERT INTO waiterix_migration.objects AS o (key, size, sha256, old_etag, new_etag, at) \
    SELECT key, size::bigint, decode(sha256, 'hex'), old_etag, new_etag, clock_timestamp() \
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) \
        AS r (key, size, sha256, old_etag, new_etag) \
    ON CONFLICT (key) DO UPDATE SET size = excluded.size, sha256 = excluded.sha256, old_etag = excluded.old_etag, \
    new_etag = excluded.new_etag, at = excluded.at";
const FORGET: &str = "DELETE FROM waiterix_migration.objects WHERE key = ANY ($1)";

#[async_trait]
impl Places for PostgresPlan {
    async fn place(&self, walk: &str) -> Result<Place> {
        const OPERATION: &str = "plan.place";
        let rows = self.read(OPERATION, PLACE, &[Argument::Bound(Some(walk))]).await?;
        let Some(row) = rows.first() else { return Ok(Place::default()) };
        Ok(Place {
            at: row.try_get_unchecked(0).map_err(|_| corrupt(OPERATION))?,
            done: count(row, 1, OPERATION)?,
            finished: row.try_get_unchecked(2).map_err(|_| corrupt(OPERATION))?,
        })
    }

    async fn keep_place(&self, walk: &str, place: &Place) -> Result<()> {
        let arguments = [
            Argument::Bound(Some(walk)),
            Argument::Bound(place.at.as_deref()),
            Argument::Number(signed(place.done)),
            Argument::Number(place.finished.into()),
        ];
        self.write("plan.keep_place", KEEP, &arguments).await.map(drop)
    }
}

#[async_trait]
impl ObjectRecords for PostgresPlan {
    async fn keep_records(&self, records: &[ObjectRecord]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let sizes: Vec<String> = records.iter().map(|record| record.size.to_string()).collect();
        let sums: Vec<String> = records.iter().map(|record| hex(&record.sha256)).collect();
        let all = |of: fn(&ObjectRecord) -> &str| records.iter().map(of).collect::<Vec<_>>();
        let (keys, old, new) = (all(|one| &one.key), all(|one| &one.old_etag), all(|one| &one.new_etag));
        let (sizes, sums): (Vec<&str>, Vec<&str>) =
            (sizes.iter().map(String::as_str).collect(), sums.iter().map(String::as_str).collect());
        let arguments = [
            Argument::Texts(&keys),
            Argument::Texts(&sizes),
            Argument::Texts(&sums),
            Argument::Texts(&old),
            Argument::Texts(&new),
        ];
        self.write("plan.keep_records", KEEP_RECORDS, &arguments).await.map(drop)
    }

    async fn records(&self, keys: &[&str]) -> Result<Vec<ObjectRecord>> {
        const OPERATION: &str = "plan.records";
        let rows = self.read(OPERATION, RECORDS, &[Argument::Texts(keys)]).await?;
        rows.iter()
            .map(|row| {
                Ok(ObjectRecord {
                    key: text(row, 0, OPERATION)?.to_owned(),
                    size: count(row, 1, OPERATION)?,
                    sha256: of_hex(text(row, 2, OPERATION)?).ok_or_else(|| corrupt(OPERATION))?,
                    old_etag: text(row, 3, OPERATION)?.to_owned(),
                    new_etag: text(row, 4, OPERATION)?.to_owned(),
                })
            })
            .collect()
    }

    async fn forget_records(&self, keys: &[&str]) -> Result<()> {
        self.write("plan.forget_records", FORGET, &[Argument::Texts(keys)]).await.map(drop)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn of_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[place * 2..place * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}
