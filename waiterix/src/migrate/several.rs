//! The lead of several ports, one after the other.

use serde_json::{Value, json};
use waiterix_migration::rows::{Signal, Stop};
use waiterix_ports::moving::Leader;

use super::options::{Change, Port};
use super::others::Others;
use super::{ORDER, Work, cutover, evidence};
use crate::banner;
use crate::serve::stop_signal;

/// What became of each port: those that lead where they should, the one that does not and why, and those that were not tried.
#[derive(Debug, Default)]
struct Outcome {
    lead: Vec<Port>,
    failed: Option<(Port, String)>,
    not_tried: Vec<Port>,
}

/// Gives the lead to a side, port by port. The first one that fails is the last one that is tried; those before it stay as they are.
pub(super) async fn change(work: &Work, to: Leader, options: &Change, compares: bool) -> Result<(), String> {
    let forth = ORDER.into_iter().filter(|port| work.ports.contains(port));
    let order: Vec<Port> = match to {
        Leader::New => forth.collect(),
        Leader::Old => forth.rev().collect(),
    };
    let interrupted = stop_signal()?;
    let stop = Stop::default();
    let mut outcome = Outcome::default();
    let changing = async {
        for port in &order {
            if outcome.failed.is_some() {
                outcome.not_tried.push(*port);
                continue;
            }
            let changed = match (port, &work.others) {
                (Port::Rows, _) => cutover::change(&work.rows, to, options, compares, &stop).await,
                (_, Some(others)) => other(work, others, *port, to, options, &stop).await,
                (_, None) => Err("it is not among the ports of this command".to_owned()),
            };
            match changed {
                Ok(()) => outcome.lead.push(*port),
                Err(why) => outcome.failed = Some((*port, why)),
            }
        }
    };
    let hearing = async {
        interrupted.await;
        banner::complain("stopping: what is not decided is turned back");
        stop.set(Signal::Stop);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = changing => {}
        () = hearing => {}
    }
    outcome.told(to, order.len() > 1, options)
}

/// One that has no triggers.
async fn other(
    work: &Work,
    others: &Others,
    port: Port,
    to: Leader,
    options: &Change,
    stop: &Stop,
) -> Result<(), String> {
    let said = others.change(port.moving(), to, options, stop).await?;
    work.tell(what(to), Some(&options.look), port, &said)?;
    if said.is_well { Ok(()) } else { Err(said.line) }
}

const fn what(to: Leader) -> &'static str {
    match to {
        Leader::New => "cutover",
        Leader::Old => "rollback",
    }
}

fn names(ports: &[Port]) -> Vec<&'static str> {
    ports.iter().map(|port| port.moving().as_str()).collect()
}

fn listed(ports: &[Port]) -> String {
    if ports.is_empty() { "none".to_owned() } else { names(ports).join(", ") }
}

impl Outcome {
    fn json(&self, to: Leader) -> Value {
        let (failed, why) = self.failed.as_ref().map(|(port, why)| (port.moving().as_str(), why)).unzip();
        json!({
            "to": to.as_str(), "lead": names(&self.lead), "failed": failed, "why": why,
            "notTried": names(&self.not_tried),
        })
    }

    /// Says which ports lead where they should and which do not, where it is about several.
    fn told(self, to: Leader, are_several: bool, options: &Change) -> Result<(), String> {
        if are_several {
            let json = self.json(to);
            if options.look.json {
                banner::say(&json.to_string());
            } else if self.failed.is_none() {
                banner::say(&format!("the {} side leads in all of: {}", to.as_str(), listed(&self.lead)));
            }
            if let Some(folder) = &options.look.report {
                evidence::write(folder, &format!("{}-ports", what(to)), &json)?;
            }
        }
        match self.failed {
            None => Ok(()),
            Some((_, why)) if !are_several => Err(why),
            Some((port, why)) => Err(format!(
                "{}: {why}\nthe {} side leads in: {}; not tried: {}. When that is mended, say the command again: what leads already is \
                 passed over",
                port.moving().as_str(),
                to.as_str(),
                listed(&self.lead),
                listed(&self.not_tried)
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_what_does_not_and_what_was_not_tried_is_said() {
        let outcome = Outcome {
            lead: vec![Port::Mail],
            failed: Some((Port::Objects, "two sides".to_owned())),
            not_tried: vec![Port::Sessions, Port::Rows],
        };
        let json = outcome.json(Leader::New);
        assert_eq!(json["lead"], json!(["mail"]));
        assert_eq!((&json["failed"], &json["why"]), (&json!("objects"), &json!("two sides")));
        assert_eq!(json["notTried"], json!(["sessions", "rows"]));
        assert_eq!(Outcome::default().json(Leader::Old)["failed"], Value::Null);
    }
}
