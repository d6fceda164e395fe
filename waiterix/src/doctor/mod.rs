//! `waiterix doctor`: asks every configured dependency whether it works, and says what is wrong and how to mend it.

mod remedy;

use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use url::Url;
use waiterix_compose::{Choice, Place, Plan, Selection, Service, environment, logging};
use waiterix_ports::vars::Vars;
use waiterix_ports::{Error, ErrorKind, Result as PortResult};

use crate::banner;
use crate::command::Doctor;
use crate::serve::runtime;
use remedy::{Port, remedy};

/// How long a dependency may take to answer. A database that sleeps when nobody asks wakes up within this.
const PATIENCE: Duration = Duration::from_secs(15);

/// What was found about one thing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    /// What was looked at.
    what: String,
    /// Which adapter it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    adapter: Option<&'static str>,
    /// Whether all is well.
    ok: bool,
    /// How long it took in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u128>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

pub(crate) fn run(options: &Doctor) -> Result<(), String> {
    let findings = runtime()?.block_on(examine(&options.data));
    if options.json {
        banner::say(&serde_json::to_string_pretty(&findings).map_err(|error| error.to_string())?);
    } else {
        for finding in &findings {
            banner::say(&line(finding));
        }
    }
    match findings.iter().filter(|finding| !finding.ok).count() {
        0 => Ok(()),
        1 => Err("one thing needs mending".to_owned()),
        count => Err(format!("{count} things need mending")),
    }
}

async fn examine(data: &Path) -> Vec<Finding> {
    let map = environment::read();
    let mut vars = Vars::new(&map);
    logging::start(&mut vars);
    let selection = Selection::read(&mut vars, Choice::Local);
    let plan = Plan::read(&mut vars, Place::Server { data }, selection);
    let mut findings: Vec<Finding> = vars
        .problems()
        .iter()
        .map(|problem| Finding {
            what: problem.name.to_owned(),
            adapter: None,
            ok: false,
            duration_ms: None,
            fault: Some(problem.fault.clone()),
            remedy: Some("see docs/configuration.md".to_owned()),
        })
        .collect();
    let plan = match plan {
        Ok(plan) if findings.is_empty() => plan,
        Ok(_) => return findings,
        Err(fault) => {
            findings.push(failed("data folder", fault, "make it writable for the user of the service"));
            return findings;
        }
    };
    findings.push(Finding {
        what: "configuration".to_owned(),
        adapter: None,
        ok: true,
        duration_ms: None,
        fault: None,
        remedy: None,
    });
    let base = Url::parse("http://127.0.0.1").map_err(|error| error.to_string());
    let opened = match base {
        Ok(base) => plan.open(&base, None).await,
        Err(fault) => Err(fault),
    };
    match opened {
        Ok(service) => {
            findings.extend(ask(&service, selection).await);
            service.close().await;
        }
        Err(fault) => {
            findings.push(failed("data folder", fault, "make it writable, or name another with --data"));
        }
    }
    findings
}

/// Asks all ports at once.
async fn ask(service: &Service, selection: Selection) -> Vec<Finding> {
    let ports = &service.app.ports;
    let (store, blobs, mailer, sessions, notifier) = tokio::join!(
        asked(Port::Store, selection.store, ports.store.check()),
        asked(Port::Blobs, selection.blobs, ports.blobs.check()),
        asked(Port::Mailer, selection.mailer, ports.mailer.check()),
        asked(Port::Sessions, selection.sessions, ports.sessions.check()),
        asked(Port::Notifier, selection.notifier, ports.notifier.check()),
    );
    let mut findings = vec![store, blobs, mailer, sessions, notifier];
    findings.extend(both_databases(service).await);
    findings
}

/// Where rows are on two sides, each of them: the one that does not lead now may lead in a moment.
#[cfg(all(feature = "aws", feature = "legacy"))]
async fn both_databases(service: &Service) -> Vec<Finding> {
    let Some([old, new]) = service.both_stores() else { return Vec::new() };
    let (old, new) = tokio::join!(
        asked(Port::Store, Choice::Legacy, old.check()),
        asked(Port::Store, Choice::Aws, new.check()),
    );
    vec![old, new]
}

#[cfg(not(all(feature = "aws", feature = "legacy")))]
async fn both_databases(_service: &Service) -> Vec<Finding> {
    std::future::ready(Vec::new()).await
}

async fn asked(port: Port, choice: Choice, check: impl Future<Output = PortResult<()>>) -> Finding {
    let begun = Instant::now();
    let outcome = tokio::time::timeout(PATIENCE, check).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Timeout, "doctor").with("waited_s", PATIENCE.as_secs()))
    });
    let duration_ms = Some(begun.elapsed().as_millis());
    let (what, adapter) = (port.name().to_owned(), Some(choice.as_str()));
    match outcome {
        Ok(()) => Finding { what, adapter, ok: true, duration_ms, fault: None, remedy: None },
        Err(error) => Finding {
            what,
            adapter,
            ok: false,
            duration_ms,
            remedy: Some(remedy(port, choice, error.kind()).to_owned()),
            fault: Some(error.to_string()),
        },
    }
}

fn failed(what: &str, fault: String, remedy: &str) -> Finding {
    Finding {
        what: what.to_owned(),
        adapter: None,
        ok: false,
        duration_ms: None,
        fault: Some(fault),
        remedy: Some(remedy.to_owned()),
    }
}

/// A finding for people.
fn line(finding: &Finding) -> String {
    let sign = if finding.ok { "ok  " } else { "BAD " };
    let adapter = finding.adapter.map(|adapter| format!(" ({adapter})")).unwrap_or_default();
    let time = finding.duration_ms.map(|ms| format!(", {ms} ms")).unwrap_or_default();
    let mut text = format!("{sign} {}{adapter}{time}", finding.what);
    if let Some(fault) = &finding.fault {
        text.push_str(&format!("\n       {fault}"));
    }
    if let Some(remedy) = &finding.remedy {
        text.push_str(&format!("\n       to mend it: {remedy}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dependency_that_fails_is_named_with_its_remedy() {
        let refused = async { Err(Error::new(ErrorKind::Denied, "blob.check")) };
        let finding = asked(Port::Blobs, Choice::Aws, refused).await;
        let text = line(&finding);
        assert!(text.starts_with("BAD  objects (aws)"), "{text}");
        assert!(text.contains("blob.check: denied") && text.contains("to mend it: "), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_dependency_that_never_answers_is_given_up() {
        let finding = asked(Port::Store, Choice::Aws, std::future::pending()).await;
        assert!(!finding.ok);
        assert!(finding.fault.is_some_and(|fault| fault.contains("timeout")));
    }
}
