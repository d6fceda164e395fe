//! `waiterix migrate`: moves a live service from its old providers to the new ones. Decision 32 has the reasons.

mod cancel;
mod checks;
mod confirm;
mod cutover;
mod databases;
mod evidence;
mod finish;
mod forget;
mod guests;
mod mail;
mod objects;
mod options;
mod others;
mod plan;
mod rehearse;
mod serving;
mod sessions;
mod several;
mod show;
mod start;
mod status;
mod verify;

use std::collections::BTreeMap;
use std::future::Future;

use databases::Move;
pub(crate) use options::Migrate;
use options::{Look, Port};
use others::{Others, Said};
use serde_json::json;
use waiterix_compose::{Choice, Selection, environment, logging};
use waiterix_migration::rows::Stop;
use waiterix_ports::moving::{Leader, MovingPort};
use waiterix_ports::vars::Vars;

use crate::banner;
use crate::serve::runtime;

/// In which order the ports change their leader: what is quickest to take back first, the rows last, because everything else
/// is found from them on either side. The way back is the other way round.
const ORDER: [Port; 5] = [Port::Mail, Port::Sockets, Port::Objects, Port::Sessions, Port::Rows];

/// What one command works on.
struct Work {
    ports: Vec<Port>,
    rows: Move,
    others: Option<Others>,
}

pub(crate) fn run(what: Migrate) -> Result<(), String> {
    runtime()?.block_on(async {
        let map = environment::read();
        let mut vars = Vars::new(&map);
        logging::start(&mut vars);
        let work = match what {
            Migrate::Finish(_) => Work::of_all_that_was_begun(&map).await?,
            _ => Work::prepare(&map, what.ports()).await?,
        };
        let outcome = work.perform(what).await;
        if let Some(others) = &work.others {
            others.apart.close().await;
        }
        work.rows.close().await;
        outcome
    })
}

/// The ports that are meant: those that are named, else those that are dual by the environment, else the rows.
fn chosen(map: &BTreeMap<String, String>, named: &[Port]) -> Vec<Port> {
    let selection = Selection::read(&mut Vars::new(map), Choice::Local);
    let choice = |port: Port| match port {
        Port::Rows => selection.store,
        Port::Objects => selection.blobs,
        Port::Sessions => selection.sessions,
        Port::Mail => selection.mailer,
        Port::Sockets => selection.notifier,
    };
    let mut ports: Vec<Port> = ORDER
        .into_iter()
        .filter(|port| if named.is_empty() { choice(*port) == Choice::Dual } else { named.contains(port) })
        .collect();
    if ports.is_empty() {
        ports.push(Port::Rows);
    }
    ports
}

impl Work {
    async fn prepare(map: &BTreeMap<String, String>, named: &[Port]) -> Result<Self, String> {
        let ports = chosen(map, named);
        let rows = Move::prepare(map).await?;
        let others = if ports.iter().all(|port| *port == Port::Rows) {
            None
        } else {
            // What mail remembers is with the sessions.
            let is_in_both = Selection::read(&mut Vars::new(map), Choice::Local).sessions == Choice::Dual;
            let sessions = ports.contains(&Port::Sessions) || (ports.contains(&Port::Mail) && is_in_both);
            Some(Others::open(map, sessions, ports.contains(&Port::Objects), &rows.who).await?)
        };
        Ok(Self { ports, rows, others })
    }

    /// For the end of the move: every port besides rows that was begun, however the environment chooses by now.
    async fn of_all_that_was_begun(map: &BTreeMap<String, String>) -> Result<Self, String> {
        let rows = Move::prepare(map).await?;
        let ports = finish::begun(&rows).await?;
        let others = if ports.is_empty() {
            None
        } else {
            let (sessions, objects) = (ports.contains(&Port::Sessions), ports.contains(&Port::Objects));
            let others = Others::open(map, sessions, objects, &rows.who).await;
            Some(others.map_err(|fault| {
                format!(
                    "refused: what was moved is compared before the way back is taken away, which needs the settings of both \
                     providers:\n{fault}"
                )
            })?)
        };
        Ok(Self { ports, rows, others })
    }

    fn has_rows(&self) -> bool {
        self.ports.contains(&Port::Rows)
    }

    /// Does something to each port besides rows, and says what came of it.
    async fn each<'a, F: Future<Output = Result<Said, String>> + 'a>(
        &'a self,
        what: &str,
        look: Option<&Look>,
        order: impl Iterator<Item = Port>,
        act: impl Fn(&'a Others, MovingPort) -> F,
    ) -> Result<(), String> {
        let Some(others) = &self.others else { return Ok(()) };
        let mut unwell = Vec::new();
        for port in order.filter(|port| *port != Port::Rows && self.ports.contains(port)) {
            let said = act(others, port.moving()).await?;
            self.tell(what, look, port, &said)?;
            if !said.is_well {
                unwell.push(format!("\n  {}", said.line));
            }
        }
        if unwell.is_empty() { Ok(()) } else { Err(format!("not everything is well:{}", unwell.concat())) }
    }

    /// Says what came of something to whoever asked, and to the folder of evidence.
    fn tell(&self, what: &str, look: Option<&Look>, port: Port, said: &Said) -> Result<(), String> {
        if look.is_some_and(|look| look.json) {
            banner::say(&said.json.to_string());
        } else {
            banner::say(&said.line);
        }
        let Some(folder) = look.and_then(|look| look.report.as_ref()) else { return Ok(()) };
        evidence::write(folder, &format!("{what}-{}", port.moving().as_str()), &said.json)
    }

    async fn perform(&self, what: Migrate) -> Result<(), String> {
        let rows = &self.rows;
        match what {
            Migrate::Plan(options) => {
                if self.has_rows() {
                    plan::plan(rows, &options).await?;
                }
                self.each("plan", Some(&options), ORDER.into_iter(), Others::plan).await
            }
            Migrate::Start(options) => start::all(self, &options).await,
            Migrate::Status(options) => status::status(self, &options).await,
            Migrate::Pause => pause(rows, "pause").await,
            Migrate::Resume => pause(rows, "resume").await,
            Migrate::Verify(options) => {
                if self.has_rows() {
                    verify::verify(rows, &options).await?;
                }
                let act = |others, port| Others::verify(others, port, options.exact, false);
                self.each("verify", Some(&options.look), ORDER.into_iter(), act).await
            }
            Migrate::Repair(options) => {
                if self.has_rows() {
                    verify::repair(rows, &options).await?;
                }
                let act = |others, port| Others::verify(others, port, options.exact, true);
                self.each("repair", Some(&options.look), ORDER.into_iter(), act).await
            }
            Migrate::Cutover(options::Cutover { change: options, share: Some(share) }) => {
                cutover::confirm_share(&options, &self.ports, share)?;
                let stop = Stop::default();
                let act = |others, _| Others::share_mail(others, share, &options, &stop);
                self.each("cutover", Some(&options.look), ORDER.into_iter(), act).await
            }
            Migrate::Cutover(options::Cutover { change: options, share: None }) => {
                cutover::confirm_change(&options, Leader::New)?;
                several::change(self, Leader::New, &options, true).await
            }
            Migrate::Rollback(options) => {
                cutover::confirm_change(&options.change, Leader::Old)?;
                several::change(self, Leader::Old, &options.change, !options.without_comparison).await
            }
            Migrate::Finish(options) => {
                let rest = finish::Rest { ports: &self.ports, others: self.others.as_ref() };
                finish::finish(rows, rest, &options).await
            }
            Migrate::Cancel(options) => cancel::cancel(rows, &options).await,
            Migrate::Forget(options) => forget::forget(rows, &options).await,
            Migrate::Rehearse(options) => rehearse::rehearse(rows, &options).await,
        }
    }
}

/// Tells all processes to pause or to go on; they look every second.
async fn pause(rows: &Move, what: &str) -> Result<(), String> {
    if !rows.ledger.is_there().await.map_err(|error| error.to_string())? {
        return Err("no move was begun, so there is nothing to pause".to_owned());
    }
    if rows.is_paused().await? == (what == "pause") {
        banner::say(&format!("nothing to do: {what} was said before"));
        return Ok(());
    }
    rows.note(what, json!({})).await?;
    banner::say(match what {
        "pause" => {
            "paused: within two seconds nobody copies or follows; writes are in the journal until `resume`"
        }
        _ => "resumed: within two seconds everybody goes on",
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_moved_else_what_is_dual_else_the_rows() {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(chosen(&map(&[]), &[]), [Port::Rows]);
        assert_eq!(chosen(&map(&[("WAITERIX_ADAPTERS", "dual")]), &[]), ORDER);
        let some = map(&[("WAITERIX_ADAPTERS", "legacy"), ("WAITERIX_BLOBS", "dual")]);
        assert_eq!(chosen(&some, &[]), [Port::Objects]);
        assert_eq!(chosen(&some, &[Port::Rows, Port::Mail]), [Port::Mail, Port::Rows]);
    }
}
