//! Whether two rows differ, and still differ once they should not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::value::RawValue;
use waiterix_ports::moving::{Image, MovingKey, RowSide, Wanted};
use waiterix_ports::{Error, ErrorKind, Result};

use super::converge::{Converger, LARGEST};
use super::sides::Direction;

/// How a row of the side that follows is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The leader has the row, and the other side has not.
    Missing,
    /// The other side has a row that the leader has not.
    Extra,
    /// Both have it, and these columns are not the same. What is in them is not told: it may be of a person.
    Differs {
        /// The names, in order.
        columns: Vec<String>,
    },
}

/// A row that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its key.
    pub key: MovingKey,
    /// What is wrong.
    pub found: Found,
}

/// The columns of an image, each exactly as it is written: numbers keep every digit.
fn columns(image: &Image) -> Result<BTreeMap<String, Box<RawValue>>> {
    let corrupt = || Error::new(ErrorKind::Corrupt, "moving.verify").with("fault", "an image is no object");
    // What the parser says may repeat values.
    serde_json::from_str(&image.0).map_err(|_| corrupt())
}

/// How the other side's row differs from the leader's, whatever the order of columns.
pub(super) fn difference(leader: Option<&Image>, other: Option<&Image>) -> Result<Option<Found>> {
    let (leader, other) = match (leader, other) {
        (None, None) => return Ok(None),
        (Some(_), None) => return Ok(Some(Found::Missing)),
        (None, Some(_)) => return Ok(Some(Found::Extra)),
        (Some(leader), Some(other)) if leader.0 == other.0 => return Ok(None),
        (Some(leader), Some(other)) => (columns(leader)?, columns(other)?),
    };
    let names: BTreeSet<&String> = leader.keys().chain(other.keys()).collect();
    let text =
        |row: &BTreeMap<String, Box<RawValue>>, name: &String| row.get(name).map(|raw| raw.get().to_owned());
    let differing = names.into_iter().filter(|name| text(&leader, name) != text(&other, name));
    let columns: Vec<String> = differing.cloned().collect();
    Ok((!columns.is_empty()).then_some(Found::Differs { columns }))
}

/// Differences between the rows of some keys, as both sides are now.
pub(super) async fn compare(
    from: &dyn RowSide,
    to: &dyn RowSide,
    keys: &[MovingKey],
) -> Result<Vec<Difference>> {
    let mut differences = Vec::new();
    for keys in keys.chunks(LARGEST) {
        let (leader, other) = futures_util::future::try_join(from.images(keys), to.images(keys)).await?;
        for (leader, other) in leader.into_iter().zip(other) {
            if let Some(found) = difference(leader.image.as_ref(), other.image.as_ref())? {
                differences.push(Difference { key: leader.key, found });
            }
        }
    }
    Ok(differences)
}

/// What is left of suspicions.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// What is wrong for sure.
    pub(super) differences: Vec<Difference>,
    /// Keys that were written all the time, so that nothing can be said.
    pub(super) restless: Vec<MovingKey>,
}

/// How suspicions are looked into.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) rounds: u32,
    pub(super) pause: Duration,
}

/// Looks into keys that seemed to differ while others write. A difference counts when the key is not dirty, neither before nor
/// after both rows were read, the leader's row is the same before and after, and all that twice.
///
/// Entries go only after the row was made, so a key without any is equal, up to what was written since; and that would have
/// left an entry, or another row of the leader. Nothing is repaired here: a dirty key is converged because it must be anyway.
pub(super) async fn judge(
    converger: &Converger,
    direction: Direction,
    mut suspects: Vec<MovingKey>,
    patience: Patience,
) -> Result<Judged> {
    let (from, to) = (converger.sides().of(direction.leader), converger.sides().of(direction.leader.other()));
    let (mut judged, mut seen) = (Judged::default(), BTreeMap::<MovingKey, Found>::new());
    for round in 0..patience.rounds {
        if suspects.is_empty() {
            break;
        }
        if round > 0 {
            tokio::time::sleep(patience.pause).await;
        }
        let mut open = Vec::new();
        for keys in suspects.chunks(LARGEST) {
            let dirty = from.dirty(keys).await?;
            if !dirty.is_empty() {
                converger.keys(direction, dirty).await?;
            }
            let still: BTreeSet<MovingKey> = from.dirty(keys).await?.into_iter().collect();
            let before = from.images(keys).await?;
            let other = to.images(keys).await?;
            let after = from.images(keys).await?;
            let again: BTreeSet<MovingKey> = from.dirty(keys).await?.into_iter().collect();
            for ((before, other), after) in before.into_iter().zip(other).zip(after) {
                let Wanted { key, image } = before;
                let Some(found) = difference(image.as_ref(), other.image.as_ref())? else {
                    seen.remove(&key);
                    continue;
                };
                let is_quiet = !still.contains(&key) && !again.contains(&key) && image == after.image;
                if is_quiet && seen.insert(key.clone(), found.clone()).is_some() {
                    seen.remove(&key);
                    judged.differences.push(Difference { key, found });
                    continue;
                }
                if !is_quiet {
                    seen.remove(&key);
                }
                open.push(key);
            }
        }
        suspects = open;
    }
    judged.restless = suspects;
    judged.differences.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(judged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(leader: Option<&str>, other: Option<&str>) -> Option<Found> {
        let image = |text: &str| Image(text.to_owned());
        difference(leader.map(image).as_ref(), other.map(image).as_ref()).unwrap()
    }

    fn differs(columns: &[&str]) -> Option<Found> {
        Some(Found::Differs { columns: columns.iter().map(|&name| name.to_owned()).collect() })
    }

    #[test]
    fn columns_are_named_and_their_order_is_nothing() {
        let row = r#"{"id":"a","price":12.10,"note":null,"tags":["x","y"]}"#;
        assert_eq!(found(Some(row), Some(row)), None);
        assert_eq!(found(Some(row), Some(r#"{"note":null,"tags":["x","y"],"price":12.10,"id":"a"}"#)), None);
        let cases: [(&str, &[&str]); 6] = [
            (r#"{"id":"a","price":12.1,"note":null,"tags":["x","y"]}"#, &["price"]),
            (r#"{"id":"a","price":12.10,"note":"","tags":["x","y"]}"#, &["note"]),
            (r#"{"id":"a","price":12.10,"note":null,"tags":["y","x"]}"#, &["tags"]),
            (r#"{"id":"a","price":12.10,"tags":["x","y"]}"#, &["note"]),
            (r#"{"id":"a","price":12.11,"note":null,"tags":[]}"#, &["price", "tags"]),
            (r#"{"id":"a","price":12.10,"note":null,"tags":["x","y"],"more":1}"#, &["more"]),
        ];
        for (other, columns) in cases {
            assert_eq!(found(Some(row), Some(other)), differs(columns), "{other}");
        }
    }

    #[test]
    fn numbers_beyond_what_a_float_holds_are_told_apart() {
        let (one, other) = (r#"{"n":9007199254740993}"#, r#"{"n":9007199254740992}"#);
        assert_eq!(found(Some(one), Some(other)), differs(&["n"]));
        assert_eq!(found(Some(r#"{"n":1.0}"#), Some(r#"{"n":1.00}"#)), differs(&["n"]));
    }

    #[test]
    fn a_row_of_one_side_only_is_missing_or_too_many() {
        assert_eq!(found(Some("{}"), None), Some(Found::Missing));
        assert_eq!(found(None, Some("{}")), Some(Found::Extra));
        assert_eq!(found(None, None), None);
    }
}
