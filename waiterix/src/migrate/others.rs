//! The ports besides rows: objects, sessions, mail and sockets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use waiterix_compose::dual::Apart;
use waiterix_compose::dual::sockets::{DRAIN, PER_SECOND};
use waiterix_migration::MAIL_MEMORY;
use waiterix_migration::plan::{Budget, Ended, Switching};
use waiterix_migration::rows::{Progress, SILENCE, Stop};
use waiterix_ports::moving::{
    KeyPage, Leader, LedgerEntry, MovingPort, PlanStore as _, SessionKeys, Stage, Watcher,
};
use waiterix_ports::vars::Vars;
use waiterix_ports::{BlobStore, Clock, SessionId, SystemClock};

use super::databases::Move;
use super::objects::HOW_OBJECTS;
use super::options::{Change, Port};
use super::sessions::HOW_SESSIONS;
use super::show::Shown;
use super::start::heed;

/// How many names are listed at once.
const PAGE: u32 = 500;
/// How many differences are named in JSON, and to people.
const MOST: usize = 100;
const EXAMPLES: usize = 5;
/// How often sessions are compared before a change is refused, and how long people are left alone in between.
const LOOKS: u32 = 3;
const MOMENT: Duration = Duration::from_secs(1);

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

#[allow(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
pub(super) fn said(error: waiterix_ports::Error) -> String {
    error.to_string()
}

impl Others {
    /// Reads the settings of both sides of these ports; no server is asked yet.
    pub(super) async fn open(
        map: &BTreeMap<String, String>,
        sessions: bool,
        objects: bool,
        who: &str,
    ) -> Result<Self, String> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let apart = Apart::open(&mut Vars::new(map), sessions, objects, &clock).await?;
        Ok(Self { apart, who: who.to_owned() })
    }

    pub(super) async fn note(&self, port: MovingPort, what: &str, evidence: Value) -> Result<(), String> {
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

    /// Whether everything there was has been walked over in each of these ports that has anything to walk over.
    pub(super) async fn was_walked(&self, ports: &[Port]) -> Result<bool, String> {
        for port in ports.iter().filter(|port| matches!(port, Port::Objects | Port::Sessions)) {
            if self.apart.mirrors.plan.last(port.moving(), &["copied"]).await.map_err(said)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Copies everything there is; what is written meanwhile is in the journal. Pauses, goes on and ends as it is told.
    pub(super) async fn start(&self, port: MovingPort, rows: &Move, stop: &Stop) -> Result<Said, String> {
        let walking = async {
            match port {
                MovingPort::Sessions => self.start_sessions(stop).await,
                MovingPort::Objects => self.start_objects(stop).await,
                MovingPort::Rows | MovingPort::Mail | MovingPort::Sockets => Ok(nothing(port)),
            }
        };
        tokio::select! {
            said = walking => said,
            () = heed(rows, stop) => Ok(nothing(port)),
        }
    }

    /// Compares both sides; `exact` reads every byte again.
    pub(super) async fn verify(&self, port: MovingPort, exact: bool, repairs: bool) -> Result<Said, String> {
        let compared = self.compared(port, exact, repairs).await?;
        Ok(compared.map_or_else(|| nothing(port), |compared| compared.said()))
    }

    /// The same; nothing of a port that has nothing to compare.
    async fn compared(
        &self,
        port: MovingPort,
        exact: bool,
        repairs: bool,
    ) -> Result<Option<Compared>, String> {
        let (found, how) = match port {
            MovingPort::Sessions => (self.compared_sessions(repairs).await?, HOW_SESSIONS),
            MovingPort::Objects => (self.compared_objects(exact, repairs).await?, HOW_OBJECTS),
            MovingPort::Rows | MovingPort::Mail | MovingPort::Sockets => return Ok(None),
        };
        let Some((compared, differences)) = found else { return Ok(None) };
        let found = Compared { port, compared, how, differences };
        self.note(port, if repairs { "repair" } else { "comparison" }, found.summary()).await?;
        Ok(Some(found))
    }

    /// Gives the lead to a side. When it is to end, what is not changed yet is turned back.
    pub(super) async fn change(
        &self,
        port: MovingPort,
        to: Leader,
        options: &Change,
        stop: &Stop,
    ) -> Result<Said, String> {
        if !self.apart.mirrors.plan.is_there().await.map_err(said)? {
            return Err(
                "there is nothing to lead: the move was not begun (`waiterix migrate start`), or is finished"
                    .to_owned(),
            );
        }
        if port == MovingPort::Mail {
            return self.share_mail(if to == Leader::New { 100 } else { 0 }, options, stop).await;
        }
        let compared = match self.compared_before_change(port).await? {
            Some(compared) if !compared.is_clean() => return Err(compared.refusal()),
            compared => compared.map_or_else(|| nothing(port), |compared| compared.said()),
        };
        if port == MovingPort::Sockets && to == Leader::New {
            // Before the change, so that whoever sees it knows how fast the old sockets may go.
            self.note(port, DRAIN, json!({ PER_SECOND: options.sockets_per_second })).await?;
        }
        let ended = self.switched(port, to, options, &compared.json, stop).await?;
        let memory = match (port, &ended) {
            (MovingPort::Sessions, Ended::Changed { .. } | Ended::Already) => self.carried(to).await?,
            _ => Value::Null,
        };
        let (json, line, is_well) = match ended {
            Ended::Changed { pause, all_follow } => {
                let ms = pause.as_secs_f64() * 1_000.0;
                let mut line = format!("the {} provider leads; writes were held for {ms:.1} ms", to.as_str());
                if port == MovingPort::Sockets && to == Leader::New {
                    line.push_str(&format!(
                        "; the servers close the old sockets now, {} a second",
                        options.sockets_per_second
                    ));
                }
                (json!({ "moved": true, "pausedMs": ms, "allFollow": all_follow }), line, true)
            }
            Ended::Already => (
                json!({ "moved": false, "leads": true }),
                format!("the {} provider leads already", to.as_str()),
                true,
            ),
            Ended::TurnedBack { why, waited_for } => {
                let mut line = format!("given up, and nothing has changed: {why} {}", waited_for.join(", "));
                if !waited_for.is_empty() {
                    line.push_str("; of one that is dead say so by `waiterix migrate forget ID`");
                }
                (json!({ "moved": false, "reason": why, "waitedFor": waited_for }), line, false)
            }
        };
        let what = if to == Leader::New { "cutover" } else { "rollback" };
        let mut json = json;
        if !memory.is_null() {
            json["mail"] = memory;
        }
        self.note(port, if is_well { what } else { "given up" }, json.clone()).await?;
        json["port"] = json!(port.as_str());
        Ok(Said { json, line: format!("{:<9} {line}", port.as_str()), is_well })
    }

    /// Compares both sides before the lead changes. What people do meanwhile is no reason to refuse, so sessions that differ are
    /// looked at again a moment later; and what mail remembers is carried first, in case it was written while the lead last changed.
    async fn compared_before_change(&self, port: MovingPort) -> Result<Option<Compared>, String> {
        let mut looks = 1;
        loop {
            if let (MovingPort::Sessions, Some((_, sweep))) = (port, &self.apart.mirrors.sessions) {
                sweep.carry(&MAIL_MEMORY).await.map_err(said)?;
            }
            let compared = self.compared(port, false, false).await?;
            let is_clean = compared.as_ref().is_none_or(Compared::is_clean);
            if is_clean || port != MovingPort::Sessions || looks == LOOKS {
                return Ok(compared);
            }
            looks += 1;
            tokio::time::sleep(MOMENT).await;
        }
    }

    /// Gives the lead to a side as far as the plan goes.
    pub(super) async fn switched(
        &self,
        port: MovingPort,
        to: Leader,
        options: &Change,
        evidence: &Value,
        stop: &Stop,
    ) -> Result<Ended, String> {
        let mirrors = &self.apart.mirrors;
        let steps: Arc<dyn Progress> = Arc::new(Shown::steps(!options.look.json));
        let (plan, sides) = (mirrors.plan.clone(), mirrors.drain(port));
        let switching = Switching::new(plan, port, sides, self.who.clone(), budget(options)).telling(steps);
        switching.until(stop).run(to, evidence).await.map_err(said)
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
        let mut instances = mirrors.plan.instances().await.map_err(said)?;
        instances.retain(|one| one.id != self.apart.instance() && one.may_serve(SILENCE));
        let seen = |one: &&Watcher| one.turns.get(port.as_str()).is_some_and(|turn| *turn >= standing.turn);
        let seen = instances.iter().filter(seen).count();
        let last = mirrors.plan.last(port, &["comparison", "repair"]).await.map_err(said)?;
        let last = last.map(|last| json!({ "at": last.at.to_string(), "evidence": last.entry.evidence }));
        let changed = mirrors.plan.last(port, &["cutover", "rollback", "given up"]).await.map_err(said)?;
        let changed = changed.map(|last| {
            json!({
                "at": last.at.to_string(), "who": last.entry.who, "what": last.entry.what,
                "evidence": last.entry.evidence,
            })
        });
        let json = json!({
            "port": port.as_str(), "leader": standing.leader.as_str(), "stage": standing.stage.as_str(),
            "mirroring": standing.mirroring.as_str(), "share": standing.share, "turn": standing.turn,
            "journal": entries, "oldestMs": oldest.and_then(|oldest| u64::try_from(oldest).ok()),
            "instances": instances.len(), "seen": seen, "lastComparison": last, "lastChange": changed,
            "endsBy": left_behind(standing.stage),
        });
        let change = left_behind(standing.stage)
            .map(|how| format!(", and that is changing; if whoever began it is dead, {how}"))
            .unwrap_or_default();
        let journal = entries.map(|entries| format!(", {entries} keys in the journal")).unwrap_or_default();
        let share = if port == MovingPort::Mail {
            let (share, all) = (standing.share, instances.len());
            format!(", {share} % of recipients are the new one's, which {seen} of {all} servers have seen")
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

/// Who ends a change of the leader whose coordinator died, and when.
const fn left_behind(stage: Stage) -> Option<&'static str> {
    match stage {
        Stage::Steady => None,
        Stage::Announced => {
            Some("a server turns it back after five minutes, and the same command said again does at once")
        }
        Stage::Held => Some(
            "a write that has waited for five seconds turns it back, a server does after five minutes, and the same command said \
             again does at once",
        ),
    }
}

/// How long each part of a change of the leader may take.
pub(super) fn budget(options: &Change) -> Budget {
    Budget { pause: std::time::Duration::from_millis(options.pause_ms), ..Budget::default() }
}

/// Keys that differ, as they may be named, and in which way.
pub(super) type Differences = Vec<(String, String)>;

/// What a comparison found.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) port: MovingPort,
    pub(super) compared: u64,
    pub(super) how: &'static str,
    pub(super) differences: Differences,
}

impl Compared {
    pub(super) fn is_clean(&self) -> bool {
        self.differences.is_empty()
    }

    /// The first that differ, each in a line of its own.
    fn examples(&self) -> String {
        let named = self.differences.iter().take(EXAMPLES).map(|(key, what)| format!("\n  {key}: {what}"));
        let more = self.differences.len().saturating_sub(EXAMPLES);
        let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
        named.chain([more]).collect()
    }

    /// Why the lead is not changed.
    fn refusal(&self) -> String {
        format!(
            "{}: the two sides are not equal, {} of {} differ; `waiterix migrate repair` makes them so, `waiterix migrate verify --json` \
             names more of them{}",
            self.port.as_str(),
            self.differences.len(),
            self.compared,
            self.examples()
        )
    }

    /// For the ledger.
    pub(super) fn summary(&self) -> Value {
        json!({
            "clean": self.is_clean(), "compared": self.compared, "how": self.how,
            "differences": self.differences.len(),
        })
    }

    pub(super) fn said(&self) -> Said {
        let named = self.differences.iter().take(MOST);
        let named: Vec<Value> = named.map(|(key, what)| json!({ "key": key, "what": what })).collect();
        let mut json = self.summary();
        (json["port"], json["named"]) = (json!(self.port.as_str()), json!(named));
        let (port, differ) = (self.port.as_str(), self.differences.len());
        let line = format!("{port:<9} {} compared, {differ} differ{}", self.compared, self.examples());
        Said { json, line, is_well: self.is_clean() }
    }
}

/// A port of which nothing is copied or compared.
pub(super) fn nothing(port: MovingPort) -> Said {
    let json = json!({ "port": port.as_str(), "clean": true, "compared": 0, "refusals": [] });
    Said { json, line: format!("{:<9} nothing to copy or to compare", port.as_str()), is_well: true }
}

pub(super) async fn sessions_of(keys: &dyn SessionKeys) -> Result<u64, String> {
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
pub(super) async fn objects_of(store: &dyn BlobStore) -> Result<(u64, u64), String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_counted_and_the_first_of_it_named() {
        let of = |count: u32| Compared {
            port: MovingPort::Objects,
            compared: 40,
            how: HOW_OBJECTS,
            differences: (0..count).map(|number| (format!("key-{number}"), "Missing".to_owned())).collect(),
        };
        assert_eq!(of(0).said().line, "objects   40 compared, 0 differ");
        assert_eq!(of(1).said().line, "objects   40 compared, 1 differ\n  key-0: Missing");
        let refusal = of(7).refusal();
        assert!(refusal.contains("the two sides are not equal, 7 of 40 differ"), "{refusal}");
        assert!(
            refusal.ends_with("\n  key-4: Missing\n  and 2 more") && refusal.contains("key-0"),
            "{refusal}"
        );
        assert!(of(5).refusal().ends_with("\n  key-4: Missing"));
    }
}
