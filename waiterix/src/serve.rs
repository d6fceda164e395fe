//! `waiterix serve`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use url::Url;
use waiterix_app::http::web_client::WebClient;
use waiterix_app::{Shared, http, upkeep};
use waiterix_compose::environment::{self, complaint};
use waiterix_compose::{Choice, Place, Plan, Selection, Service, logging, metrics};
use waiterix_ports::vars::Vars;

use crate::banner;
use crate::command::Serve;

/// How long running requests may take to finish after the signal to stop.
const GRACE: Duration = Duration::from_secs(20);

pub(crate) fn run(options: &Serve) -> Result<(), String> {
    let plan = configured(&options.data, |vars| Selection::read(vars, Choice::Local))?;
    runtime()?.block_on(serve(options, plan))
}

/// The runtime every command uses.
pub(crate) fn runtime() -> Result<Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))
}

/// The data folder opened as configured, with nothing but local adapters, for commands that do not serve.
pub(crate) async fn opened(data: &Path, site: &Url) -> Result<Service, String> {
    configured(data, |_| Selection::LOCAL)?.open(site, None).await
}

/// Reads the environment and what is kept in the data folder; every problem is reported at once.
pub(crate) fn configured(
    data: &Path,
    select: impl FnOnce(&mut Vars<'_>) -> Selection,
) -> Result<Plan, String> {
    let map = environment::read();
    let mut vars = Vars::new(&map);
    logging::start(&mut vars);
    let selection = select(&mut vars);
    let plan = Plan::read(&mut vars, Place::Server { data }, selection)?;
    complaint(&vars).map(|()| plan)
}

async fn serve(options: &Serve, mut plan: Plan) -> Result<(), String> {
    // Before anything else: whoever is told that the service runs may also ask it to stop, and must be heard.
    let stop_signal = stop_signal()?;
    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", options.listen))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let base = match &plan.settings.api_base_url {
        Some(base) => base.clone(),
        None => Url::parse(&format!("http://{address}")).map_err(|error| error.to_string())?,
    };
    plan.settings.locations.own_hosts.extend(base.host_str().map(|host| match base.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }));
    let by_code = plan.settings.oidc.is_none();
    let web = options.web.as_deref().map(WebClient::open).transpose()?;
    let service = Arc::new(plan.open(&base, web).await?);
    banner::say(&banner::greeting(&base, &options.data, by_code));
    let (stop, stopped) = watch::channel(false);
    let metrics = tokio::spawn(keep_writing(service.clone(), stopped.clone()));
    let upkeep = tokio::spawn(keep_up(service.app.clone(), stopped.clone()));
    let answering = http::service(service.app.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let listener = listener.tap_io(|socket| {
        // Small answers must not wait for more; a socket that refuses is merely slower.
        let _ = socket.set_nodelay(true);
    });
    let stopping = service.clone();
    let mut until_stop = stopped.clone();
    let server = axum::serve(listener, answering).with_graceful_shutdown(async move {
        let _ = until_stop.wait_for(|stop| *stop).await;
        // Sockets would keep the server waiting for ever.
        stopping.dismiss_sockets();
    });
    let mut server = tokio::spawn(async move { server.await });
    tokio::select! {
        ended = &mut server => {
            return ended.map_err(|error| error.to_string())?.map_err(|error| format!("serving failed: {error}"));
        }
        () = stop_signal => {}
    }
    banner::say("Stopping: finishing running requests");
    // The receivers live in this function, so sending cannot fail.
    let _ = stop.send(true);
    if tokio::time::timeout(GRACE, &mut server).await.is_err() {
        tracing::warn!("some requests did not finish in time");
        server.abort();
    }
    let _ = upkeep.await;
    let _ = metrics.await;
    service.close().await;
    banner::say("Stopped");
    Ok(())
}

/// Does a pass of upkeep at the start and every quarter of an hour.
async fn keep_up(app: Shared, mut stopped: watch::Receiver<bool>) {
    loop {
        match app.upkeep().await {
            Ok(removed) => tracing::debug!(?removed, "upkeep done"),
            Err(error) => tracing::warn!(%error, "upkeep failed; it will be tried again"),
        }
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(upkeep::EVERY) => {}
        }
    }
}

/// Writes the numbers that have gathered, again and again; the last ones are written when the service is closed.
async fn keep_writing(service: Arc<Service>, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(metrics::EVERY) => service.write_metrics(),
        }
    }
}

/// Hears Ctrl-C and SIGTERM from now on; what is answered waits for the first of them.
#[cfg(unix)]
pub(crate) fn stop_signal() -> Result<impl Future<Output = ()>, String> {
    use tokio::signal::unix::{SignalKind, signal};
    let hear = |kind| signal(kind).map_err(|error| format!("cannot hear signals: {error}"));
    let (mut interrupt, mut terminate) = (hear(SignalKind::interrupt())?, hear(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// What is answered waits for Ctrl-C.
#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "hearing signals can fail elsewhere")]
pub(crate) fn stop_signal() -> Result<impl Future<Output = ()>, String> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
