//! Objects.

use serde_json::json;
use tokio::time::Instant;
use waiterix_migration::rows::Stop;
use waiterix_migration::{Depth, ObjectDifference, ObjectFault, ObjectsCompared, ObjectsSwept};
use waiterix_ports::moving::{Leader, MovingPort, PlanStore as _};

use super::others::{Compared, Differences, Others, Said, nothing, objects_of, said};
use super::show::{Shown, Walk};

/// How objects are compared, for evidence.
pub(super) const HOW_OBJECTS: &str = "bytes by SHA-256, and everything known about them";

const PORT: MovingPort = MovingPort::Objects;
/// How many differences are named on a terminal.
const NAMED: usize = 20;

impl Others {
    /// Copies all objects; said again after it was interrupted, it goes on.
    pub(super) async fn start_objects(&self, stop: &Stop) -> Result<Said, String> {
        let mirrors = &self.apart.mirrors;
        let (Some((_, sweep)), Some([old, new])) = (&mirrors.objects, &mirrors.object_stores) else {
            return Ok(nothing(PORT));
        };
        let leader = mirrors.plan.plan().await.map_err(said)?.of(PORT).leader;
        let (of, _) = objects_of(if leader == Leader::Old { &**old } else { &**new }).await?;
        let (shown, begun) = (Shown::copy(of), Instant::now());
        let told = |swept: &ObjectsSwept, done: u64| {
            shown.walked("objects", Walk { done, of, by_this: swept.seen, since: begun.elapsed() });
        };
        let swept = sweep.copy_until(&*mirrors.plan, stop, &told).await;
        shown.done();
        let swept = swept.map_err(|error| {
            format!("{error}\nwhat was copied stays; run `waiterix migrate start` again and it goes on")
        })?;
        let json = json!({
            "port": PORT.as_str(), "seen": swept.seen, "equal": swept.equal, "copied": swept.copied,
            "bytes": swept.bytes, "removed": swept.removed, "extra": swept.extra, "failed": swept.failed,
            "complete": !swept.interrupted,
        });
        self.note(PORT, if swept.interrupted { "interrupted" } else { "copied" }, json.clone()).await?;
        let mut line = format!(
            "{:<9} {} objects, {} copied, {} were equal",
            PORT.as_str(),
            swept.seen,
            swept.copied,
            swept.equal
        );
        if swept.interrupted {
            line.push_str("; stopped: `waiterix migrate start` goes on from here");
        }
        Ok(Said { json, line, is_well: swept.failed == 0 })
    }

    /// Compares objects, or makes them equal and compares again: how many there were, and which differ.
    pub(super) async fn compared_objects(
        &self,
        exact: bool,
        repairs: bool,
    ) -> Result<Option<(u64, Differences)>, String> {
        let Some((_, sweep)) = &self.apart.mirrors.objects else { return Ok(None) };
        let depth = if exact { Depth::Bytes } else { Depth::Recorded };
        let mut found = sweep.verify(depth).await.map_err(said)?;
        if repairs {
            found.differences = sweep.repair(&found, false).await.map_err(said)?;
        }
        Ok(Some((found.compared, named(&found.differences))))
    }

    /// Compares objects for the last time; answers what was found, or refuses. What only the new side has is copied to the old one:
    /// servers that know the new side alone went on storing there.
    pub(super) async fn part_with_objects(&self) -> Result<Said, String> {
        let Some((_, sweep)) = &self.apart.mirrors.objects else { return Ok(nothing(PORT)) };
        let found = sweep.verify(Depth::Recorded).await.map_err(said)?;
        let (stored_since, mut differences): (Vec<_>, Vec<_>) =
            found.differences.into_iter().partition(|one| one.fault == ObjectFault::Missing);
        let copied = stored_since.len();
        let stored_since = ObjectsCompared { differences: stored_since, ..ObjectsCompared::default() };
        differences.extend(sweep.repair(&stored_since, false).await.map_err(said)?);
        let differences = named(&differences);
        let compared = Compared { port: PORT, compared: found.compared, how: HOW_OBJECTS, differences };
        self.note(PORT, "last comparison", compared.summary()).await?;
        if !compared.differences.is_empty() {
            let named = compared.differences.iter().take(NAMED);
            let named: Vec<String> = named.map(|(key, what)| format!("\n  {key}: {what}")).collect();
            return Err(format!(
                "refused: {} objects differ: somebody still writes to the old store, or deletes from one that nobody follows. \
                 `waiterix migrate repair --port objects` makes the old store what the new one is, but for what only the old one ever \
                 had (Extra): copy or delete that by hand. Then finish again{}",
                compared.differences.len(),
                named.concat()
            ));
        }
        let mut said = compared.said();
        said.json["copiedToTheOldSide"] = json!(copied);
        Ok(said)
    }
}

fn named(differences: &[ObjectDifference]) -> Differences {
    differences.iter().map(|one| (one.key.clone(), format!("{:?}", one.fault))).collect()
}
