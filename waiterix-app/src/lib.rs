//! The Waiterix service: use cases, HTTP and realtime over the five ports.
//!
//! [`App`] holds the ports and what the use cases need besides them; [`http::service`] makes the whole HTTP service
//! of it. The crate names no adapter: a composition root (the command line, a function, a test) puts them in.

pub mod caller;
pub mod http;
pub mod identity;
pub mod limits;
pub mod mail;
pub mod passcode;
pub mod pictures;
pub mod plate;
pub mod random;
pub mod realtime;
pub mod session;
pub mod settings;
pub mod transact;
pub mod upkeep;

use std::sync::Arc;

use http::meter::RequestMeter;
use http::web_client::WebClient;
use tokio::sync::Semaphore;
use waiterix_domain::Env;
use waiterix_ports::mailer::MailEvents;
use waiterix_ports::signed_url::UrlSigner;
use waiterix_ports::{BlobStore, Clock, Mailer, Notifier, Reads, SessionStore, Store};

pub use limits::Limits;
pub use random::{OsRandom, Random};
pub use settings::Settings;

/// The five ports.
#[derive(Debug, Clone)]
pub struct Ports {
    /// All rows.
    pub store: Arc<dyn Store>,
    /// Pictures and other objects.
    pub blobs: Arc<dyn BlobStore>,
    /// Mail.
    pub mailer: Arc<dyn Mailer>,
    /// Sessions and one-time data.
    pub sessions: Arc<dyn SessionStore>,
    /// Realtime connections.
    pub notifier: Arc<dyn Notifier>,
}

/// Everything the use cases need.
#[derive(Debug)]
pub struct App {
    /// The five ports.
    pub ports: Ports,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes, for ids, session ids and codes.
    pub random: Arc<dyn Random>,
    /// Configuration.
    pub settings: Settings,
    /// Checks identity tokens; none when sign-in is by e-mailed code.
    pub identity: Option<identity::Verifier>,
    /// Honours signed object URLs, when the blob store has no server of its own.
    pub signed_objects: Option<UrlSigner>,
    /// The built web client, when this process serves it too.
    pub web_client: Option<WebClient>,
    /// Reads what the provider of mail tells, when it tells anything.
    pub mail_events: Option<Arc<dyn MailEvents>>,
    /// Hears how requests were answered.
    pub meter: Arc<dyn RequestMeter>,
    /// Rate limits by address.
    pub limits: Limits,
    /// How many password hashes may be computed at once: each takes a core for a long moment.
    pub hashing: Semaphore,
}

/// The app as handlers share it.
pub type Shared = Arc<App>;

impl App {
    /// Puts an app together. Does no network access.
    #[must_use]
    pub fn new(ports: Ports, clock: Arc<dyn Clock>, random: Arc<dyn Random>, settings: Settings) -> Self {
        let identity = settings.oidc.clone().map(identity::Verifier::new);
        let limits = Limits::new(&settings.rate_limits);
        Self {
            ports,
            clock,
            random,
            settings,
            identity,
            signed_objects: None,
            web_client: None,
            mail_events: None,
            meter: Arc::new(()),
            limits,
            hashing: Semaphore::new(2),
        }
    }

    /// Says that this process honours signed object URLs itself.
    #[must_use]
    pub fn with_signed_objects(mut self, signer: UrlSigner) -> Self {
        self.signed_objects = Some(signer);
        self
    }

    /// Serves the built web client from the same origin.
    #[must_use]
    pub fn with_web_client(mut self, client: WebClient) -> Self {
        self.web_client = Some(client);
        self
    }

    /// Hears what the provider of mail tells of bounces and complaints.
    #[must_use]
    pub fn with_mail_events(mut self, events: Arc<dyn MailEvents>) -> Self {
        self.mail_events = Some(events);
        self
    }

    /// Tells a meter how requests were answered.
    #[must_use]
    pub fn with_meter(mut self, meter: Arc<dyn RequestMeter>) -> Self {
        self.meter = meter;
        self
    }

    /// Typed reads.
    #[must_use]
    pub fn reads(&self) -> Reads<'_> {
        Reads(&*self.ports.store)
    }

    /// Runs a decision with the current time and fresh ids.
    pub fn with_env<T>(&self, decide: impl FnOnce(&mut Env<'_>) -> T) -> T {
        let mut ids = random::FreshIds(&*self.random);
        decide(&mut Env { now: self.clock.now(), ids: &mut ids })
    }
}
