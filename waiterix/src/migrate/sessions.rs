//! Sessions, and what mail remembers beside them.

use serde_json::{Value, json};
use tokio::time::Instant;
use waiterix_migration::rows::Stop;
use waiterix_migration::{Carried, MAIL_MEMORY, MemoryCompared, SessionDifference, SessionsSwept};
use waiterix_ports::moving::{Leader, MovingPort};

use super::others::{Compared, Differences, Others, Said, nothing, said, sessions_of};
use super::show::{Shown, Walk};
use crate::banner;

/// How sessions are compared, for evidence.
pub(super) const HOW_SESSIONS: &str =
    "what they say, and when they end, to the second; and that the leader knows what mail remembers";

/// How many differences are named on a terminal.
const NAMED: usize = 20;

impl Others {
    /// Copies all sessions; said again after it was interrupted, it goes on.
    pub(super) async fn start_sessions(&self, stop: &Stop) -> Result<Said, String> {
        const PORT: MovingPort = MovingPort::Sessions;
        let mirrors = &self.apart.mirrors;
        let (Some((_, sweep)), Some([old, _])) = (&mirrors.sessions, &mirrors.session_keys) else {
            return Ok(nothing(PORT));
        };
        let of = sessions_of(&**old).await?;
        self.note(PORT, "start", json!({ "sessions": of })).await?;
        let shown = Shown::copy(of);
        let begun = Instant::now();
        let told = |swept: &SessionsSwept, done: u64| {
            shown.walked("sessions", Walk { done, of, by_this: swept.seen, since: begun.elapsed() });
        };
        let swept = sweep.backfill_until(&*mirrors.plan, stop, &told).await;
        shown.done();
        let swept = swept.map_err(|error| {
            format!("{error}\nwhat was copied stays; run `waiterix migrate start` again and it goes on")
        })?;
        let json = json!({
            "port": PORT.as_str(), "seen": swept.seen, "equal": swept.equal, "failed": swept.failed,
            "unreadable": swept.unreadable, "complete": !swept.interrupted,
        });
        self.note(PORT, if swept.interrupted { "interrupted" } else { "copied" }, json.clone()).await?;
        let mut line =
            format!("{:<9} {} sessions, of which {} are equal now", PORT.as_str(), swept.seen, swept.equal);
        if swept.unreadable > 0 {
            line.push_str(&format!(", and {} that nobody can understand", swept.unreadable));
        }
        if swept.interrupted {
            line.push_str("; stopped: `waiterix migrate start` goes on from here");
        }
        Ok(Said { json, line, is_well: swept.failed == 0 })
    }

    /// Compares sessions and what mail remembers, or makes them equal and compares again: how many there were, and which differ.
    pub(super) async fn compared_sessions(
        &self,
        repairs: bool,
    ) -> Result<Option<(u64, Differences)>, String> {
        let Some((_, sweep)) = &self.apart.mirrors.sessions else { return Ok(None) };
        let mut found = sweep.verify().await.map_err(said)?;
        if repairs {
            found.differences = sweep.repair(&found).await.map_err(said)?;
            sweep.carry_again(&MAIL_MEMORY).await.map_err(said)?;
        }
        let memory = sweep.compare_memory(&MAIL_MEMORY).await.map_err(said)?;
        Ok(Some((found.compared + memory.compared, named(&found.differences, &memory))))
    }

    /// Carries to the leader what mail remembers in the store that led: who gets none, and what was sent.
    pub(super) async fn carried(&self, to: Leader) -> Result<Value, String> {
        let Some((_, sweep)) = &self.apart.mirrors.sessions else { return Ok(Value::Null) };
        let carried = sweep.carry(&MAIL_MEMORY).await.map_err(|error| {
            format!(
                "the {} provider leads, but what mail remembers was not carried there: {error}\nnothing is lost as long as \
                 both stores are read; say the same command again",
                to.as_str()
            )
        })?;
        Ok(told(&carried))
    }

    /// Compares sessions for the last time, and carries over what mail remembers; answers what was found, or refuses.
    pub(super) async fn part_with_sessions(&self) -> Result<Said, String> {
        const PORT: MovingPort = MovingPort::Sessions;
        let Some((_, sweep)) = &self.apart.mirrors.sessions else { return Ok(nothing(PORT)) };
        let found = sweep.part().await.map_err(said)?;
        let carried = sweep.carry(&MAIL_MEMORY).await.map_err(said)?;
        let memory = sweep.compare_memory(&MAIL_MEMORY).await.map_err(said)?;
        let differences = named(&found.differences, &memory);
        let compared = Compared {
            port: PORT,
            compared: found.compared + memory.compared,
            how: HOW_SESSIONS,
            differences,
        };
        self.note(PORT, "last comparison", compared.summary()).await?;
        if !compared.differences.is_empty() {
            let named = compared.differences.iter().take(NAMED);
            let named: Vec<String> = named.map(|(key, what)| format!("\n  {key}: {what}")).collect();
            return Err(format!(
                "refused: {} sessions, or things that mail remembers, are not in the new store as they are in the old one: somebody still \
                 writes there, or did. Stop who does, then `waiterix migrate repair --port sessions`, and finish again{}",
                compared.differences.len(),
                named.concat()
            ));
        }
        let mut said = compared.said();
        said.json["mail"] = told(&carried);
        if let Some(until) = carried.left_until {
            banner::complain(&format!(
                "{} one-time codes and tickets in the old store end with this, the last of them at {until}",
                carried.left
            ));
        }
        Ok(said)
    }
}

/// What carrying came to, for evidence.
fn told(carried: &Carried) -> Value {
    json!({
        "carried": carried.carried, "known": carried.known, "left": carried.left,
        "leftUntil": carried.left_until.map(|until| until.to_string()),
    })
}

/// What differs, by digests.
fn named(sessions: &[SessionDifference], memory: &MemoryCompared) -> Differences {
    let sessions = sessions.iter().map(|one| (one.name(), format!("{:?}", one.fault)));
    let memory = memory.differences.iter().map(|(key, fault)| (key.clone(), format!("{fault:?}")));
    sessions.chain(memory).collect()
}
