//! Puts adapters into the app: which ones, says the configuration, port by port.

#[cfg(feature = "aws")]
mod aws;
mod keys;
mod local;
mod selection;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use url::Url;
use waiterix_adapters_local::sockets::SocketNotifier;
use waiterix_adapters_local::sqlite::{SqliteSessionStore, SqliteStore};
use waiterix_app::http::web_client::WebClient;
use waiterix_app::{App, OsRandom, Ports, Settings, Shared};
use waiterix_domain::Secret;
use waiterix_ports::signed_url::UrlSigner;
use waiterix_ports::vars::Vars;
use waiterix_ports::{BlobStore, Clock, Mailer, Notifier, SessionStore, Store, SystemClock};

use keys::Keys;
use local::Folder;
pub(crate) use selection::{Choice, Selection};

/// Everything that was configured. Nothing is opened yet and no server was asked.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) selection: Selection,
    data: PathBuf,
    /// Signs object URLs of the local store.
    objects_key: Option<Secret>,
    #[cfg(feature = "aws")]
    aws: aws::Plan,
}

/// The service put together, and what must be closed when it stops.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) app: Shared,
    /// The sockets of this process, unless a gateway holds the connections.
    pub(crate) sockets: Option<Arc<SocketNotifier>>,
    open: Open,
}

/// What was opened.
#[derive(Debug, Default)]
struct Open {
    store: Option<Arc<SqliteStore>>,
    sessions: Option<Arc<SqliteSessionStore>>,
    #[cfg(feature = "aws")]
    aws: aws::Open,
}

impl Plan {
    /// Reads the configuration; problems are noted in `vars`. The keys of the data folder are read or made only if
    /// something needs them.
    pub(crate) fn read(vars: &mut Vars<'_>, data: &Path, selection: Selection) -> Result<Self, String> {
        let keeps_keys = selection.sessions == Choice::Local || selection.blobs == Choice::Local;
        let keys = if keeps_keys { Some(Keys::open(data)?) } else { None };
        let (cookies, objects_key) = keys.map(|keys| (keys.cookies, keys.objects)).unzip();
        if selection.sessions != Choice::Local {
            vars.required("SESSION_SECRET", "every process that shares the sessions must sign cookies alike");
        }
        if selection.uses(Choice::Aws) {
            vars.required("FRONTEND_URL", "browsers may come only from the origins it names");
        }
        if selection.mailer != Choice::Local {
            vars.required("SUPPORT_EMAIL", "support requests must go to somebody");
        }
        let settings = Settings::embedded(cookies.unwrap_or_else(|| Secret::new("")));
        #[allow(unused_mut, reason = "the places of objects are known to adapters that may not be built in")]
        let mut settings = Settings::read(vars, settings);
        #[cfg(feature = "aws")]
        let aws = aws::Plan::read(vars, selection, &mut settings);
        Ok(Self {
            settings,
            selection,
            data: data.to_owned(),
            objects_key,
            #[cfg(feature = "aws")]
            aws,
        })
    }

    /// Opens what is local and prepares what is not; servers are asked when they are first needed. `base` is the public
    /// address of the service.
    pub(crate) async fn open(self, base: &Url, web: Option<WebClient>) -> Result<Service, String> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut opening = Opening {
            folder: Folder { path: &self.data, clock: clock.clone() },
            open: Open::default(),
            #[cfg(feature = "aws")]
            aws: self.aws.prepare(&clock).await,
        };
        let selection = self.selection;
        let signer = self.objects_key.map(|key| UrlSigner::new(base.clone(), key));
        let sockets = (selection.notifier == Choice::Local).then(|| Arc::new(SocketNotifier::new()));
        let sessions = opening.sessions(selection.sessions).await?;
        let ports = Ports {
            store: opening.store(selection.store).await?,
            blobs: opening.blobs(selection.blobs, signer.as_ref()).await?,
            mailer: opening.mailer(selection.mailer, &sessions).await?,
            notifier: opening.notifier(sockets.as_ref())?,
            sessions,
        };
        let mut app = App::new(ports, clock, Arc::new(OsRandom), self.settings);
        if let Some(signer) = signer.filter(|_| selection.blobs == Choice::Local) {
            app = app.with_signed_objects(signer);
        }
        if let Some(client) = web {
            app = app.with_web_client(client);
        }
        Ok(Service { app: Arc::new(app), sockets, open: opening.open })
    }
}

impl Service {
    /// Finishes what was queued and lets go of files and connections.
    pub(crate) async fn close(&self) {
        if let Some(store) = &self.open.store {
            store.close().await;
        }
        if let Some(sessions) = &self.open.sessions {
            sessions.close().await;
        }
        #[cfg(feature = "aws")]
        self.open.aws.close().await;
    }
}

/// Opens one port after the other.
struct Opening<'a> {
    folder: Folder<'a>,
    open: Open,
    #[cfg(feature = "aws")]
    aws: aws::Prepared,
}

/// What a program without an adapter says; the configuration said so before, so nobody should see it.
#[cfg(not(feature = "aws"))]
fn not_built<T>() -> Result<T, String> {
    Err("this program was built without the AWS adapters; build it with --features aws".to_owned())
}

impl Opening<'_> {
    async fn store(&mut self, choice: Choice) -> Result<Arc<dyn Store>, String> {
        match choice {
            Choice::Local => {
                let store = self.folder.store().await?;
                self.open.store = Some(store.clone());
                Ok(store)
            }
            #[cfg(feature = "aws")]
            Choice::Aws => self.aws.store(&mut self.open.aws),
            #[cfg(not(feature = "aws"))]
            Choice::Aws => not_built(),
        }
    }

    async fn sessions(&mut self, choice: Choice) -> Result<Arc<dyn SessionStore>, String> {
        match choice {
            Choice::Local => {
                let sessions = self.folder.sessions().await?;
                self.open.sessions = Some(sessions.clone());
                Ok(sessions)
            }
            #[cfg(feature = "aws")]
            Choice::Aws => self.aws.sessions(),
            #[cfg(not(feature = "aws"))]
            Choice::Aws => not_built(),
        }
    }

    async fn blobs(&self, choice: Choice, signer: Option<&UrlSigner>) -> Result<Arc<dyn BlobStore>, String> {
        match (choice, signer) {
            (Choice::Local, Some(signer)) => Ok(self.folder.blobs(signer.clone()).await?),
            (Choice::Local, None) => Err("the key of object URLs is missing".to_owned()),
            #[cfg(feature = "aws")]
            (Choice::Aws, _) => self.aws.blobs(),
            #[cfg(not(feature = "aws"))]
            (Choice::Aws, _) => not_built(),
        }
    }

    #[cfg_attr(not(feature = "aws"), allow(unused_variables, reason = "local mail needs no ledger"))]
    async fn mailer(
        &self,
        choice: Choice,
        ledger: &Arc<dyn SessionStore>,
    ) -> Result<Arc<dyn Mailer>, String> {
        match choice {
            Choice::Local => self.folder.mailer().await,
            #[cfg(feature = "aws")]
            Choice::Aws => self.aws.mailer(ledger),
            #[cfg(not(feature = "aws"))]
            Choice::Aws => not_built(),
        }
    }

    fn notifier(&self, sockets: Option<&Arc<SocketNotifier>>) -> Result<Arc<dyn Notifier>, String> {
        match sockets {
            Some(sockets) => Ok(sockets.clone()),
            #[cfg(feature = "aws")]
            None => self.aws.notifier(),
            #[cfg(not(feature = "aws"))]
            None => not_built(),
        }
    }
}
