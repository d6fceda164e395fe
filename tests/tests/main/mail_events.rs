//! From a bounce to silence: the service, with mail through Resend, is told over HTTP that a mailbox is gone, and sends it
//! no mail any more, through whichever provider.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde_json::json;
use sha2::Sha256;
use tokio::net::TcpListener;
use url::Url;
use waiterix_adapters_legacy::resend::ResendMailer;
use waiterix_adapters_legacy::resend::webhook::WebhookVerifier;
use waiterix_adapters_local::memory::{
    MemoryBlobStore, MemoryMailer, MemoryNotifier, MemorySessionStore, MemoryStore,
};
use waiterix_app::{App, OsRandom, Ports, Settings, http};
use waiterix_domain::Secret;
use waiterix_layers::ledger::LedgeredMailer;
use waiterix_layers::suppression::SuppressingMailer;
use waiterix_ports::signed_url::UrlSigner;
use waiterix_ports::{Clock, Mail, MailId, MailKind, Mailer, Outcome};
use waiterix_tests::client::http_client;

use crate::resend_scripted::ScriptedResend;

const KEY: &[u8] = b"the secret of this very webhook";

fn mail(id: &str, to: &str) -> Mail {
    Mail {
        id: MailId::new(id).unwrap(),
        kind: MailKind::Receipt,
        to: to.to_owned(),
        reply_to: None,
        subject: "Order Receipt".to_owned(),
        html: "<p>Thank you</p>".to_owned(),
        text: "Thank you".to_owned(),
    }
}

/// The service on a socket, as it is composed where mail goes through Resend.
struct Scene {
    base: Url,
    resend: ScriptedResend,
    sessions: Arc<MemorySessionStore>,
    mailer: Arc<dyn Mailer>,
}

impl Scene {
    async fn set() -> Self {
        let resend = ScriptedResend::start().await;
        let clock: Arc<dyn Clock> = resend.clock.clone();
        let sessions = Arc::new(MemorySessionStore::new(clock.clone()));
        let provider = Arc::new(ResendMailer::open(resend.settings(), clock.clone()).unwrap());
        let provider = Arc::new(SuppressingMailer::new(provider, sessions.clone()));
        let mailer: Arc<dyn Mailer> =
            Arc::new(LedgeredMailer::new(provider, sessions.clone(), clock.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let signer = UrlSigner::new(base.clone(), Secret::new("object-url-secret"));
        let ports = Ports {
            store: Arc::new(MemoryStore::new(clock.clone())),
            blobs: Arc::new(MemoryBlobStore::new(clock.clone(), signer)),
            mailer: mailer.clone(),
            sessions: sessions.clone(),
            notifier: Arc::new(MemoryNotifier::new()),
        };
        let secret = Secret::new(format!("whsec_{}", STANDARD.encode(KEY)));
        let settings = Settings::embedded(Secret::new("the secret of this very test"));
        let app = App::new(ports, clock, Arc::new(OsRandom), settings)
            .with_mail_events(Arc::new(WebhookVerifier::new(&secret).unwrap()));
        let service = http::service(Arc::new(app));
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { base, resend, sessions, mailer }
    }

    /// Tells the service of a mail to somebody, signed as Svix signs; answers the status.
    async fn tell(&self, kind: &str, to: &str, key: &[u8]) -> u16 {
        let body = json!({
            "type": kind, "created_at": "2026-11-22T23:41:12.126Z",
            "data": { "email_id": "1", "to": [to], "bounce": { "type": "Permanent", "subType": "General" } },
        });
        let (body, time) = (body.to_string(), self.resend.clock.now().as_seconds());
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(format!("msg_1.{time}.{body}").as_bytes());
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let request = http_client().build().unwrap().post(self.base.join("/api/webhooks/resend").unwrap());
        let request = request
            .header("content-type", "application/json")
            .header("svix-id", "msg_1")
            .header("svix-timestamp", time)
            .header("svix-signature", signature);
        request.body(body).send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn m10_a_mailbox_that_is_gone_gets_no_mail_any_more() {
    let scene = Scene::set().await;
    let (guest, owner) = ("guest@exämple.org", "owner@example.org");
    for (id, to) in [("receipt/1", guest), ("receipt/2", owner)] {
        assert!(matches!(scene.mailer.send(&mail(id, to)).await.unwrap(), Outcome::Accepted { .. }));
    }
    // Resend tells of the address as it was sent to.
    let sent_to = scene.resend.taken()[0].request["to"][0].as_str().unwrap().to_owned();
    assert_eq!(scene.tell("email.bounced", &sent_to, b"of somebody else").await, 401);
    assert!(!scene.mailer.is_suppressed(guest).await.unwrap());
    assert_eq!(scene.tell("email.delivered", owner, KEY).await, 204);
    for _ in 0..2 {
        assert_eq!(scene.tell("email.bounced", &sent_to, KEY).await, 204);
    }
    assert_eq!(scene.mailer.send(&mail("receipt/3", guest)).await.unwrap(), Outcome::Suppressed);
    // The provider that comes after it knows as well.
    let other = SuppressingMailer::new(Arc::new(MemoryMailer::new()), scene.sessions.clone());
    assert_eq!(other.send(&mail("receipt/4", guest)).await.unwrap(), Outcome::Suppressed);
    assert!(matches!(scene.mailer.send(&mail("receipt/5", owner)).await.unwrap(), Outcome::Accepted { .. }));
    assert_eq!(scene.resend.taken().len(), 3);
}
