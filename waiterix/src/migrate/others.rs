//! The ports besides rows: objects, sessions, mail and sockets.

use std::sync::Arc;

use serde_json::{Value, json};
use waiterix_compose::dual::Apart;
use waiterix_migration::Depth;
use waiterix_migration::plan::{Budget, Drain, Ended, Nothing, Switching, set_share};
use waiterix_ports::moving::{KeyPage, Leader, LedgerEntry, MovingPort, PlanStore as _, SessionKeys, Stage};
use waiterix_ports::{BlobStore, SessionId};

use super::options::Change;

/// How many names are listed at once.
const PAGE: u32 = 500;
/// How many differences are named.
const MOST: usize = 100;

/// What was found of a port: for machines, in one line for people, and whether it is well.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) json: Value,
    pub(super) line: String,
    pub(super) is_well: bool,
}

/// The mirrors of ports without triggers, and who asks.
#[derive(Debug)]
pub(super) struct Others {
    pub(super) apart: Apart,
    pub(super) who: String,
}

fn said(error: waiterix_ports::Error) -> String {
    error.to_string()
}

impl Others {
    async fn note(&self, port: MovingPort, what: &str, evidence: Value) -> Result<(), String> {
        use waiterix_ports::moving::Ledger as _;
        let entry = LedgerEntry { who: self.who.clone(), port, what: what.to_owned(), evidence };
        self.apart.mirrors.plan.note(&entry).await.map_err(said)
    }

    /// Counts what would move, on both sides. Changes nothing.
    pub(super) async fn plan(&self, port: MovingPort) -> Result<Said, String> {
        let mirrors = &self.apart.mirrors;
        let (old, new, bytes) = match port {
            MovingPort::Sessions => {
                let Some([old, new]) = &mirrors.session_keys else { return Ok(nothing(port)) };
                (sessions_of(&**old).await?, sessions_of(&**new).await?, None)
            }
            MovingPort::Objects => {
                let Some([old, new]) = &mirrors.object_stores else { return Ok(nothing(port)) };
                let ((old, bytes), (new, _)) = (objects_of(&**old).await?, objects_of(&**new).await?);
                (old, new, Some(bytes))
            }
            MovingPort::Rows | MovingPort::Mail | MovingPort::Sockets => return Ok(nothing(port)),
        };
        let refusals: Vec<&str> = match (old, new) {
            (0, 1..) => vec!["the direction is wrong: the old provider has none and the new one has some"],
            _ => Vec::new(),
        };
        Ok(Said {
            json: json!({ "port": port.as_str(), "old": old, "new": new, "bytes": bytes, "refusals": refusals }),
            line: format!(
                "{:<9} {old} at the old provider, {new} at the new one {}",
                port.as_str(),
                refusals.concat()
            ),
            is_well: refusals.is_empty(),
        })
    }

    /// Copies everything there is; what is written meanwhile is in the journal.
    pub(super) async fn start(&self, port: MovingPort) -> Result<Said, String> {
        let mirrors = &self.apart.mirrors;
        let (json, line, failed) = match port {
            MovingPort::Sessions => {
                let Some((_, sweep)) = &mirrors.sessions else { return Ok(nothing(port)) };
                let swept = sweep.backfill(&*mirrors.plan).await.map_err(said)?;
                let json = json!({
                    "port": port.as_str(), "seen": swept.seen, "equal": swept.equal, "failed": swept.failed,
                    "unreadable": swept.unreadable,
                });
                (
                    json,
                    format!("{} sessions, of which {} are equal now", swept.seen, swept.equal),
                    swept.failed,
                )
            }
            MovingPort::Objects => {
                let Some((_, sweep)) = &mirrors.objects else { return Ok(nothing(port)) };
                let swept = sweep.copy(&*mirrors.plan).await.map_err(said)?;
                let json = json!({
                    "port": port.as_str(), "seen": swept.seen, "equal": swept.equal, "copied": swept.copied,
                    "bytes": swept.bytes, "removed": swept.removed, "extra": swept.extra, "failed": swept.failed,
                });
                let line =
                    format!("{} objects, {} copied, {} were equal", swept.seen, swept.copied, swept.equal);
                (json, line, swept.failed)
            }
            MovingPort::Rows | MovingPort::Mail | MovingPort::Sockets => return Ok(nothing(port)),
        };
        self.note(port, "copied", json.clone()).await?;
        Ok(Said { json, line: format!("{:<9} {line}", port.as_str()), is_well: failed == 0 })
    }

    /// Compares both sides; `exact` reads every byte again.
    pub(super) async fn verify(&self, port: MovingPort, exact: bool, repairs: bool) -> Result<Said, String> {
        let mirrors = &self.apart.mirrors;
        let (compared, how, differences): (u64, _, Vec<(String, String)>) = match port {
            MovingPort::Sessions => {
                let Some((_, sweep)) = &mirrors.sessions else { return Ok(nothing(port)) };
                let mut found = sweep.verify().await.map_err(said)?;
                if repairs {
                    found.differences = sweep.repair(&found).await.map_err(said)?;
                }
                let named =
                    found.differences.iter().map(|one| (one.name(), format!("{:?}", one.fault))).collect();
                (found.compared, "what they say, and when they end, to the second", named)
            }
            MovingPort::Objects => {
                let Some((_, sweep)) = &mirrors.objects else { return Ok(nothing(port)) };
                let depth = if exact { Depth::Bytes } else { Depth::Recorded };
                let mut found = sweep.verify(depth).await.map_err(said)?;
                if repairs {
                    found.differences = sweep.repair(&found, false).await.map_err(said)?;
                }
                let named = found
                    .differences
                    .iter()
                    .map(|one| (one.key.clone(), format!("{:?}", one.fault)))
                    .collect();
                (found.compared, "bytes by SHA-256, and everything known about them", named)
            }
            MovingPort::Rows | MovingPort::Mail | MovingPort::Sockets => return Ok(nothing(port)),
        };
        let is_clean = differences.is_empty();
        let named: Vec<Value> =
            differences.iter().take(MOST).map(|(key, what)| json!({ "key": key, "what": what })).collect();
        let json = json!({
            "port": port.as_str(), "clean": is_clean, "compared": compared, "how": how,
            "differences": differences.len(), "named": named,
        });
        let summary =
            json!({ "clean": is_clean, "compared": compared, "how": how, "differences": differences.len() });
        self.note(port, if repairs { "repair" } else { "comparison" }, summary).await?;
        let line = format!("{:<9} {compared} compared, {} differ", port.as_str(), differences.len());
        Ok(Said { json, line, is_well: is_clean })
    }

    /// Gives the lead to a side.
    pub(super) async fn change(
        &self,
        port: MovingPort,
        to: Leader,
        options: &Change,
    ) -> Result<Said, String> {
        let mirrors = &self.apart.mirrors;
        let compared = self.verify(port, false, false).await?;
        if !compared.is_well {
            return Err(format!(
                "{}: the two sides are not equal; `waiterix migrate repair` makes them so",
                port.as_str()
            ));
        }
        let sides: Arc<dyn Drain> = match (port, &mirrors.sessions, &mirrors.objects) {
            (MovingPort::Sessions, Some((mirror, _)), _) => mirror.clone(),
            (MovingPort::Objects, _, Some((mirror, _))) => mirror.clone(),
            _ => Arc::new(Nothing),
        };
        let budget =
            Budget { pause: std::time::Duration::from_millis(options.pause_ms), ..Budget::default() };
        let plan = mirrors.plan.clone();
        let switching = Switching::new(plan.clone(), port, sides, self.who.clone(), budget);
        let ended = switching.run(to, &compared.json).await.map_err(said)?;
        // Who gets what is told by the share; for the others it says nothing.
        let share = if to == Leader::New { 100 } else { 0 };
        if matches!(ended, Ended::Changed { .. } | Ended::Already)
            && plan.plan().await.map_err(said)?.of(port).share != share
        {
            set_share(&*plan, port, share, &self.who).await.map_err(said)?;
        }
        let (json, line, is_well) = match ended {
            Ended::Changed { pause, all_follow } => {
                let ms = pause.as_secs_f64() * 1_000.0;
                let line = format!("the {} provider leads; writes were held for {ms:.1} ms", to.as_str());
                (json!({ "moved": true, "pausedMs": ms, "allFollow": all_follow }), line, true)
            }
            Ended::Already => (
                json!({ "moved": false, "leads": true }),
                format!("the {} provider leads already", to.as_str()),
                true,
            ),
            Ended::TurnedBack { why, waited_for } => {
                let line = format!("given up, and nothing has changed: {why} {}", waited_for.join(", "));
                (json!({ "moved": false, "reason": why, "waitedFor": waited_for }), line, false)
            }
        };
        let what = if to == Leader::New { "cutover" } else { "rollback" };
        self.note(port, if is_well { what } else { "given up" }, json.clone()).await?;
        let mut json = json;
        json["port"] = json!(port.as_str());
        Ok(Said { json, line: format!("{:<9} {line}", port.as_str()), is_well })
    }

    /// Where a port stands.
    pub(super) async fn status(&self, port: MovingPort) -> Result<Said, String> {
        let mirrors = &self.apart.mirrors;
        if !mirrors.plan.is_there().await.map_err(said)? {
            let json = json!({ "port": port.as_str(), "stage": "not begun" });
            return Ok(Said { json, line: format!("{:<9} not begun", port.as_str()), is_well: true });
        }
        let standing = mirrors.plan.plan().await.map_err(said)?.of(port);
        let backlog = mirrors.backlog(port).await.map_err(said)?;
        let (entries, oldest) = backlog.map(|backlog| (backlog.entries, backlog.age.as_millis())).unzip();
        let instances = mirrors.plan.instances().await.map_err(said)?;
        let last = mirrors.plan.last(port, &["comparison", "repair"]).await.map_err(said)?;
        let last = last.map(|last| json!({ "at": last.at.to_string(), "evidence": last.entry.evidence }));
        let json = json!({
            "port": port.as_str(), "leader": standing.leader.as_str(), "stage": standing.stage.as_str(),
            "mirroring": standing.mirroring.as_str(), "share": standing.share, "turn": standing.turn,
            "journal": entries, "oldestMs": oldest.and_then(|oldest| u64::try_from(oldest).ok()),
            "instances": instances.len(), "lastComparison": last,
        });
        let change = if standing.stage == Stage::Steady { "" } else { ", and that is changing" };
        let journal = entries.map(|entries| format!(", {entries} keys in the journal")).unwrap_or_default();
        let share = if port == MovingPort::Mail {
            format!(", {} % of recipients", standing.share)
        } else {
            String::new()
        };
        let line = format!(
            "{:<9} the {} provider leads{change}{share}{journal}",
            port.as_str(),
            standing.leader.as_str()
        );
        Ok(Said { json, line, is_well: true })
    }
}

/// A port of which nothing is copied or compared.
fn nothing(port: MovingPort) -> Said {
    let json = json!({ "port": port.as_str(), "clean": true, "compared": 0, "refusals": [] });
    Said { json, line: format!("{:<9} nothing to copy or to compare", port.as_str()), is_well: true }
}

async fn sessions_of(keys: &dyn SessionKeys) -> Result<u64, String> {
    let (mut count, mut at) = (0, None::<String>);
    loop {
        let KeyPage { keys: page, next }: KeyPage<SessionId> =
            keys.session_ids(at.as_deref(), PAGE).await.map_err(said)?;
        count += page.len() as u64;
        at = next;
        if at.is_none() {
            return Ok(count);
        }
    }
}

/// How many objects there are, and their bytes.
async fn objects_of(store: &dyn BlobStore) -> Result<(u64, u64), String> {
    let (mut count, mut bytes, mut at) = (0, 0, None::<String>);
    loop {
        let page = store.list("", at.as_deref(), PAGE).await.map_err(said)?;
        count += page.keys.len() as u64;
        bytes += page.keys.iter().map(|(_, size)| size).sum::<u64>();
        at = page.next;
        if at.is_none() {
            return Ok((count, bytes));
        }
    }
}
