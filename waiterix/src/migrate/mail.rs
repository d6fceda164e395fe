//! Mail: how many recipients get theirs from the new provider.

use serde_json::{Value, json};
use waiterix_migration::plan::{Ended, await_followers, set_share};
use waiterix_migration::rows::Stop;
use waiterix_migration::{MAIL_MEMORY, SUPPRESSED};
use waiterix_ports::moving::{Leader, MovingPort, PlanStore as _, Stage};

use super::options::Change;
use super::others::{Others, Said, budget, said};

const PORT: MovingPort = MovingPort::Mail;

impl Others {
    /// Gives the new provider so many of a hundred recipients. It leads when all of them are its.
    pub(super) async fn share_mail(&self, share: u8, options: &Change, stop: &Stop) -> Result<Said, String> {
        let plan = &self.apart.mirrors.plan;
        let to = if share == 100 { Leader::New } else { Leader::Old };
        let seen = plan.plan().await.map_err(said)?.of(PORT);
        let list = if share > 0 { self.list_goes_first().await? } else { Value::Null };
        let evidence = json!({ "share": share, "list": list });
        if (seen.leader, seen.stage) != (to, Stage::Steady)
            && let Ended::TurnedBack { why, waited_for } =
                self.switched(PORT, to, options, &evidence, stop).await?
        {
            let line = format!(
                "{:<9} given up, and nothing has changed: {why} {}",
                PORT.as_str(),
                waited_for.join(", ")
            );
            let json = json!({ "moved": false, "reason": why, "waitedFor": waited_for });
            self.note(PORT, "given up", json.clone()).await?;
            return Ok(Said { json, line, is_well: false });
        }
        let mut standing = plan.plan().await.map_err(said)?.of(PORT);
        let was = standing.share;
        if was != share {
            standing = set_share(&**plan, PORT, share, &self.who).await.map_err(said)?;
        }
        let behind = await_followers(&**plan, PORT, standing.turn, &budget(options)).await.map_err(said)?;
        let json = json!({
            "port": PORT.as_str(), "moved": was != share || seen.leader != to, "leader": to.as_str(), "share": share,
            "before": was, "list": list, "allFollow": behind.is_empty(),
        });
        self.note(PORT, if share > 0 { "cutover" } else { "rollback" }, json.clone()).await?;
        let line = format!(
            "{:<9} {share} % of recipients are the new provider's, {was} % were; the {} provider leads",
            PORT.as_str(),
            to.as_str()
        );
        // One that has not seen it yet does so before it serves on, or serves no more.
        Ok(Said { json, line, is_well: true })
    }

    /// Sees to it that both stores of sessions know which addresses get no mail, before anybody gets any from another provider.
    async fn list_goes_first(&self) -> Result<Value, String> {
        let Some((_, sweep)) = &self.apart.mirrors.sessions else {
            return Ok(json!("in one store of sessions, which both providers ask"));
        };
        let carried = sweep.carry(&SUPPRESSED).await.map_err(said)?;
        let handed_on = sweep.hand_on(&SUPPRESSED).await.map_err(said)?;
        let compared = sweep.compare_memory(&MAIL_MEMORY).await.map_err(said)?;
        if let Some((key, fault)) = compared.differences.first() {
            return Err(format!(
                "mail: {} addresses that get none, or mails that were sent, are not known to the store of sessions that leads, such \
                 as {key} ({fault:?}): `waiterix migrate repair --port sessions`, and say it again",
                compared.differences.len()
            ));
        }
        Ok(json!({ "carried": carried.carried, "handedOn": handed_on }))
    }
}
