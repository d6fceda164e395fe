//! Puts adapters into the app: which ones, says the configuration, port by port.
//!
//! Reading the configuration is a pure function of variables ([`Plan::read`]); making the adapters of what was read
//! ([`Plan::open`]) opens local files and asks no server.

#[cfg(feature = "aws")]
mod aws;
#[cfg(all(feature = "aws", feature = "legacy"))]
pub mod dual;
mod emf;
pub mod environment;
mod family;
#[cfg(feature = "local")]
mod keys;
#[cfg(feature = "legacy")]
mod legacy;
#[cfg(feature = "local")]
mod local;
pub mod logging;
pub mod metrics;
mod needs;
mod selection;
mod unused;
#[cfg(any(feature = "aws", feature = "legacy"))]
mod wrapping;

use std::path::Path;
use std::sync::Arc;

use url::Url;
use waiterix_app::http::web_client::WebClient;
use waiterix_app::{App, OsRandom, Settings, Shared};
use waiterix_domain::Secret;
use waiterix_layers::Meter;
use waiterix_ports::signed_url::UrlSigner;
use waiterix_ports::vars::Vars;
use waiterix_ports::{Clock, SystemClock};

use family::Families;
use metrics::{Metrics, MetricsSettings};
pub use needs::Needs;
pub use selection::{Choice, Selection};

/// Where the program runs.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// A process that serves many requests at a time, with a folder for what local adapters keep.
    Server {
        /// The folder.
        data: &'a Path,
    },
    /// A function that mostly serves one request at a time, keeps nothing, and uses a part of the service.
    Function(Needs),
}

impl Place<'_> {
    /// What is used here: of a server everything.
    const fn needs(self) -> Needs {
        match self {
            Self::Server { .. } => Needs::EVERYTHING,
            Self::Function(needs) => needs,
        }
    }
}

/// Everything that was configured. Nothing is opened yet and no server was asked.
#[derive(Debug)]
pub struct Plan {
    /// What is not about ports.
    pub settings: Settings,
    /// Which adapter serves which port.
    pub selection: Selection,
    /// Whether and where the numbers go.
    pub metrics: MetricsSettings,
    #[cfg(feature = "local")]
    local: local::Plan,
    #[cfg(feature = "legacy")]
    legacy: legacy::Plan,
    #[cfg(feature = "aws")]
    aws: aws::Plan,
}

/// The service put together, and what must be closed when it stops.
#[derive(Debug)]
pub struct Service {
    /// The service.
    pub app: Shared,
    metrics: Option<Arc<Metrics>>,
    families: Families,
    #[cfg(all(feature = "aws", feature = "legacy"))]
    moving: Option<dual::Moving>,
}

impl Plan {
    /// Reads the configuration of what is used; problems are noted in `vars`. The keys of the data folder are read or made
    /// only if something needs them.
    ///
    /// # Errors
    /// A text for people when the data folder cannot be used.
    #[cfg_attr(
        not(feature = "local"),
        allow(unused_variables, clippy::unnecessary_wraps, reason = "only local adapters keep anything")
    )]
    pub fn read(vars: &mut Vars<'_>, place: Place<'_>, selection: Selection) -> Result<Self, String> {
        let needs = place.needs();
        let selection = selection.limited_to(needs);
        if needs.people {
            require_what_serves_people(vars, selection);
        }
        #[cfg(feature = "local")]
        let (local, cookies) = local::Plan::read(place, selection)?;
        #[cfg(not(feature = "local"))]
        let cookies = None;
        let mut settings = Settings::embedded(cookies.unwrap_or_else(|| Secret::new("")));
        if needs.people {
            settings = Settings::read(vars, settings);
        } else {
            // What nobody has configured signs nothing.
            settings.cookie.secrets.clear();
        }
        let metrics = MetricsSettings::read(vars, place);
        #[cfg(feature = "legacy")]
        let legacy = legacy::Plan::read(vars, selection, &mut settings);
        #[cfg(feature = "aws")]
        let aws = aws::Plan::read(vars, place, selection, &mut settings);
        #[cfg(all(feature = "aws", feature = "legacy"))]
        if selection.uses(Choice::Dual) {
            vars.required("LEGACY_DATABASE_URL", "with two providers both databases must be named");
            if matches!(place, Place::Function(_)) {
                // Nothing goes on in it between two events, so it could neither keep up nor make anything equal.
                vars.problem(
                    "WAITERIX_ADAPTERS",
                    "a function cannot be dual; functions serve when the move is over",
                );
            }
            if let (Some(old), Some(new)) = (legacy.database(), aws.database()) {
                dual::compare(vars, old, new);
            }
        }
        Ok(Self {
            settings,
            selection,
            metrics,
            #[cfg(feature = "local")]
            local,
            #[cfg(feature = "legacy")]
            legacy,
            #[cfg(feature = "aws")]
            aws,
        })
    }

    /// Opens what is local and prepares what is not; servers are asked when they are first needed. `base` is the public
    /// address of the service.
    ///
    /// # Errors
    /// A text for people when something local cannot be opened.
    #[cfg_attr(
        not(feature = "local"),
        allow(unused_variables, reason = "only local objects have URLs of the service")
    )]
    pub async fn open(self, base: &Url, web: Option<WebClient>) -> Result<Service, String> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let metrics = Metrics::to_stdout(&self.metrics, &clock);
        let meter: Arc<dyn Meter> = match &metrics {
            Some(metrics) => metrics.clone(),
            None => Arc::new(()),
        };
        #[cfg(feature = "local")]
        let (local, local_signer) = self.local.prepare(base, &clock, &meter);
        #[cfg(not(feature = "local"))]
        let (local, local_signer) = (family::Absent, None);
        #[cfg(feature = "legacy")]
        let (legacy, legacy_signer) = self.legacy.prepare(base, &clock, &meter);
        #[cfg(not(feature = "legacy"))]
        let (legacy, legacy_signer) = (family::Absent, None);
        #[cfg(feature = "aws")]
        let aws = self.aws.prepare(&clock, &meter).await;
        #[cfg(not(feature = "aws"))]
        let aws = family::Absent;
        let mut families = Families::new(local, legacy, aws);
        let selection = self.selection;
        #[cfg(all(feature = "aws", feature = "legacy"))]
        let (ports, moving) = dual::ports(&mut families, selection, &clock, metrics.as_ref()).await?;
        #[cfg(not(all(feature = "aws", feature = "legacy")))]
        let ports = family::plain(&mut families, selection).await?;
        let mut app = App::new(ports, clock, Arc::new(OsRandom), self.settings);
        // Of two providers the old one sends its news over HTTP.
        let tells = if selection.mailer == Choice::Dual { Choice::Legacy } else { selection.mailer };
        if let Some(events) = families.of(tells).mail_events() {
            app = app.with_mail_events(events);
        }
        let signer: Option<UrlSigner> = match selection.blobs {
            Choice::Local => local_signer,
            Choice::Legacy | Choice::Dual => legacy_signer,
            Choice::Aws | Choice::Unused => None,
        };
        if let Some(signer) = signer {
            app = app.with_signed_objects(signer);
        }
        if let Some(metrics) = &metrics {
            app = app.with_meter(metrics.clone());
        }
        if let Some(client) = web {
            app = app.with_web_client(client);
        }
        Ok(Service {
            app: Arc::new(app),
            metrics,
            families,
            #[cfg(all(feature = "aws", feature = "legacy"))]
            moving,
        })
    }
}

/// What a process must be told if others share what it keeps.
fn require_what_serves_people(vars: &mut Vars<'_>, selection: Selection) {
    let is_elsewhere = |choice: Choice| matches!(choice, Choice::Legacy | Choice::Aws | Choice::Dual);
    if is_elsewhere(selection.sessions) {
        vars.required("SESSION_SECRET", "every process that shares the sessions must sign cookies alike");
    }
    if [Choice::Aws, Choice::Legacy, Choice::Dual].into_iter().any(|choice| selection.uses(choice)) {
        vars.required("FRONTEND_URL", "browsers may come only from the origins it names");
    }
    if is_elsewhere(selection.mailer) {
        vars.required("SUPPORT_EMAIL", "support requests must go to somebody");
    }
}

impl Service {
    /// Says goodbye to the sockets of this process and takes no more; those a gateway holds stay.
    pub fn dismiss_sockets(&self) {
        self.families.dismiss_sockets();
    }

    /// The rows of the old provider and of the new one, where both are served.
    #[cfg(all(feature = "aws", feature = "legacy"))]
    #[must_use]
    pub fn both_stores(&self) -> Option<&[Arc<dyn waiterix_ports::Store>; 2]> {
        self.moving.as_ref().and_then(dual::Moving::stores)
    }

    /// The mirrors of the other ports, where any port is served by two providers.
    #[cfg(all(feature = "aws", feature = "legacy"))]
    #[must_use]
    pub fn mirrors(&self) -> Option<&dual::Mirrors> {
        self.moving.as_ref().map(dual::Moving::mirrors)
    }

    /// Writes the numbers that have gathered, if anybody wants them: a function does so after every event, because it may be
    /// frozen or ended then; a server every [`metrics::EVERY`].
    pub fn write_metrics(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.write();
        }
    }

    /// Finishes what was queued, writes the last numbers, and lets go of files and connections.
    pub async fn close(&self) {
        #[cfg(all(feature = "aws", feature = "legacy"))]
        if let Some(moving) = &self.moving {
            moving.close().await;
        }
        self.families.close().await;
        self.write_metrics();
    }
}
