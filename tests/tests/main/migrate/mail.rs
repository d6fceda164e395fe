//! Mail moves by share of recipients, and what it remembers goes with the sessions.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream::{self, StreamExt as _};
use hmac::{Hmac, Mac as _};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;
use waiterix_backends::{Backend, given};
use waiterix_contract::eventually;
use waiterix_ports::{Clock as _, SystemClock};
use waiterix_tests::client::{Client, code_in, http_client};
use waiterix_tests::cloud::Cloud;
use waiterix_tests::program::Program;
use waiterix_tests::resend::{self, Resend};

use crate::migrate::ground::{Ended, Ground};

/// How many people get mail.
const GUESTS: usize = 40;
const WEBHOOK: &[u8] = b"the secret of this very webhook";

/// Resend and PostgreSQL on the one side, SES and Redis on the other; rows stay where they are.
struct Mails {
    ground: Ground,
    cloud: Cloud,
    resend: Resend,
    data: tempfile::TempDir,
}

fn guest(number: usize) -> String {
    format!("guest{number:03}@example.org")
}

impl Mails {
    async fn prepare() -> Option<Self> {
        given(Backend::Redis)?;
        let cloud = Cloud::prepare().await?;
        let mut ground = Ground::prepare().await?;
        let resend = Resend::start().await;
        // The emulator, Redis and the sender are the cloud's; databases are those of the ground.
        let mut more = cloud.variables();
        more.retain(|(name, _)| *name != "DATABASE_URL");
        more.extend([
            ("WAITERIX_SESSIONS", "dual".to_owned()),
            ("WAITERIX_MAILER", "dual".to_owned()),
            ("RESEND_API_KEY", resend::KEY.to_owned()),
            ("RESEND_FROM_EMAIL", "waiterix@waiterix.example".to_owned()),
            ("RESEND_BASE_URL", resend.url.as_str().trim_end_matches('/').to_owned()),
            ("RESEND_WEBHOOK_SECRET", format!("whsec_{}", STANDARD.encode(WEBHOOK))),
        ]);
        ground.more = more;
        Some(Self { ground, cloud, resend, data: tempfile::tempdir().unwrap() })
    }

    /// The service with sessions and mail of this choice.
    fn serve(&self, choice: &str) -> Program {
        self.serve_at(self.data.path(), choice)
    }

    /// The same with rows in this folder.
    fn serve_at(&self, data: &Path, choice: &str) -> Program {
        let more = [("WAITERIX_SESSIONS", choice), ("WAITERIX_MAILER", choice)];
        self.ground.serve_with(data, &more)
    }

    async fn migrate(&self, arguments: &[&str]) -> Ended {
        self.ground.migrate(arguments).await
    }

    /// Gives the new provider so many of a hundred recipients.
    async fn share(&self, share: &str) -> Ended {
        self.migrate(&["cutover", "--yes", "--port", "mail", "--share", share]).await
    }

    async fn status(&self, port: &str) -> Value {
        let said = self.migrate(&["status", "--json", "--port", port]).await.output();
        serde_json::from_str(&said).unwrap()
    }

    /// How many mails somebody got through Resend, and through SES.
    async fn got(&self, address: &str) -> (usize, usize) {
        (self.resend.letters_to(address).len(), self.cloud.mails_to(address).await.len())
    }

    /// How many mails each guest got through either.
    async fn counts(&self) -> Vec<(usize, usize)> {
        let by_new = self.cloud.mails().await;
        let by_new = |address: &str| by_new.iter().filter(|mail| mail["To"] == json!([address])).count();
        let addresses = (0..GUESTS).map(guest);
        addresses.map(|address| (self.resend.letters_to(&address).len(), by_new(&address))).collect()
    }

    /// Mails a code to every guest; answers whose came through SES. Each gets one, and one only.
    async fn mail_everybody(&self, base: &Url) -> BTreeSet<usize> {
        let before = self.counts().await;
        let asked = (0..GUESTS).map(|number| async move {
            Client::new(base).post("/api/auth/code", &json!({ "email": guest(number) })).await;
        });
        stream::iter(asked).buffer_unordered(8).collect::<Vec<()>>().await;
        let after = self.counts().await;
        let mut by_new = BTreeSet::new();
        for (number, (before, after)) in before.into_iter().zip(after).enumerate() {
            let got = (after.0 - before.0, after.1 - before.1);
            assert!(got == (1, 0) || got == (0, 1), "guest {number} got {got:?} mails");
            if got == (0, 1) {
                by_new.insert(number);
            }
        }
        by_new
    }

    /// Signs in with a code, through whichever provider it comes.
    async fn sign_in(&self, base: &Url, email: &str) -> Client {
        let mut client = Client::new(base);
        client.post("/api/auth/code", &json!({ "email": email })).await;
        let letters = self.resend.letters_to(email);
        let by_old = letters.iter().rev().find_map(|letter| code_in(&letter.text));
        let code = match by_old {
            Some(code) => code,
            None => self.cloud.code_for(email).await,
        };
        client.sign_in(email, &code).await;
        client
    }

    /// Tells the service that a mailbox is gone, signed as Resend signs; answers the status.
    async fn bounces(&self, base: &Url, address: &str) -> u16 {
        let body = json!({
            "type": "email.bounced", "created_at": "2026-11-22T23:41:12.126Z",
            "data": { "email_id": "1", "to": [address], "bounce": { "type": "Permanent", "subType": "General" } },
        })
        .to_string();
        let time = SystemClock.now().as_seconds();
        let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK).unwrap();
        mac.update(format!("msg_1.{time}.{body}").as_bytes());
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let request = http_client().build().unwrap().post(base.join("/api/webhooks/resend").unwrap());
        let request = request.header("content-type", "application/json").header("svix-id", "msg_1");
        let request = request.header("svix-timestamp", time).header("svix-signature", signature);
        request.body(body).send().await.unwrap().status().as_u16()
    }

    /// Asks for a code for an address that must get none.
    async fn stays_silent(&self, base: &Url, address: &str) {
        Client::new(base).post("/api/auth/code", &json!({ "email": address })).await;
        assert_eq!(self.got(address).await, (0, 0), "it is suppressed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_share_of_mail_grows_by_command_and_nobody_gets_a_mail_twice() {
    let Some(mails) = Mails::prepare().await else { return };
    mails.share("10").await.refused_with("the move was not begun");
    mails.migrate(&["start"]).await.output();
    let elsewhere = tempfile::tempdir().unwrap();
    let services = [mails.serve("dual"), mails.serve_at(elsewhere.path(), "dual")];
    let base = &services[0].base;
    assert!(mails.mail_everybody(base).await.is_empty(), "at first all of it is the old provider's");

    mails.share("101").await.refused_with("101");
    mails.migrate(&["cutover", "--yes", "--share", "10"]).await.refused_with("say --port mail");
    mails
        .migrate(&["cutover", "--yes", "--share", "10", "--port", "mail", "--port", "sessions"])
        .await
        .refused_with("--port mail");
    let mut before = BTreeSet::new();
    for share in [10_u64, 50, 100] {
        let said = mails.share(&share.to_string()).await.output();
        assert!(said.contains(&format!("{share} % of recipients")), "{said}");
        let status = mails.status("mail").await;
        let leader = if share == 100 { "new" } else { "old" };
        assert_eq!((&status["share"], &status["leader"]), (&json!(share), &json!(leader)), "{status}");
        assert_eq!((&status["instances"], &status["seen"]), (&json!(2), &json!(2)), "{status}");
        // Both servers know it by now, and no process was restarted.
        let [one, other] = [mails.mail_everybody(base).await, mails.mail_everybody(&services[1].base).await];
        assert_eq!(one, other, "whose somebody is depends on the address alone");
        assert!(one.is_superset(&before), "nobody moves back");
        assert_eq!(one.len() == GUESTS, share == 100, "{share} %: {}", one.len());
        before = one;
    }
    let text = mails.migrate(&["status", "--port", "mail"]).await.output();
    assert!(text.contains("100 % of recipients") && text.contains("2 of 2 servers"), "{text}");

    // Down again, while mail is on its way.
    let (shared, _) = tokio::join!(mails.share("50"), mails.mail_everybody(base));
    shared.output();
    assert_eq!(mails.mail_everybody(base).await.len(), mails.mail_everybody(&services[1].base).await.len());
    let status = mails.status("mail").await;
    assert_eq!((&status["share"], &status["leader"]), (&json!(50), &json!("old")), "{status}");
    mails.migrate(&["rollback", "--yes", "--port", "mail"]).await.output();
    assert!(mails.mail_everybody(base).await.is_empty());
    mails.migrate(&["cutover", "--yes", "--port", "mail"]).await.output();
    assert_eq!(mails.mail_everybody(base).await.len(), GUESTS, "without a share it is everybody");

    let folder = mails.ground.folder.path().to_str().unwrap();
    mails.share("90").await.output();
    for service in services {
        service.terminate();
    }
    let finish = ["finish", "--yes", "--report", folder];
    mails.migrate(&finish).await.refused_with("not cut over yet: mail, sessions");
    mails.share("100").await.output();
    mails.migrate(&finish).await.refused_with("not cut over yet: sessions");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mail_remembers_is_known_after_the_cutover_and_after_the_end() {
    remembers(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mail_remembers_is_known_although_the_cutover_was_killed_before_it_was_carried() {
    remembers(true).await;
}

async fn remembers(is_killed: bool) {
    let Some(mails) = Mails::prepare().await else { return };
    let report = mails.ground.folder.path().to_str().unwrap();
    let (gone, later) = ("gone@example.org", "gone-later@example.org");
    // Before the move a mailbox bounced.
    let service = mails.serve("legacy");
    assert_eq!(mails.bounces(&service.base, gone).await, 204);
    mails.stays_silent(&service.base, gone).await;
    service.terminate();
    mails.migrate(&["start"]).await.output();

    let service = mails.serve("dual");
    let base = &service.base;
    let owner = mails.sign_in(base, "owner@example.org").await;
    let restaurant = owner.post("/api/restaurant", &json!({ "name": "Casa" })).await["id"].clone();
    let dish = json!({ "restaurantId": restaurant, "name": "Soup", "description": "", "price": "10.00", "category": "Soups" });
    let dish = owner.post("/api/menu-items", &dish).await;
    let soup = json!({
        "restaurantId": restaurant, "tableId": "2", "paymentMethod": "cash",
        "items": [{ "id": dish["id"], "name": "Soup", "price": "10.00", "quantity": 1 }],
        "subtotal": "10.00", "tax": "1.00", "tip": "0.00", "total": "11.00",
    });
    let (guest, to) = (Client::new(base), json!({ "email": "guest@example.org" }));
    let mut orders = Vec::new();
    for _ in 0..2 {
        let order = guest.post("/api/orders", &soup).await;
        orders.push(format!("/api/orders/{}/email-receipt", order["id"].as_str().unwrap()));
    }
    // As many receipts as an order may have within an hour, and one of another order.
    for receipt in [&orders[0], &orders[0], &orders[0], &orders[1]] {
        guest.post(receipt, &to).await;
    }
    assert_eq!(mails.got("guest@example.org").await, (4, 0));
    // The emulator of SES has no list, which Resend is told so that it says it again; the service's own list has it by then.
    assert_eq!(mails.bounces(base, later).await, 503);

    // The list goes first, then the recipients.
    let said = mails.migrate(&["cutover", "--yes", "--json", "--port", "mail"]).await.output();
    let moved: Value = said.lines().filter_map(|line| serde_json::from_str(line).ok()).next_back().unwrap();
    assert_eq!(moved["list"]["handedOn"], 2, "{moved}");
    for address in [gone, later] {
        mails.stays_silent(base, address).await;
    }
    if is_killed {
        let cutover = ["cutover", "--yes", "--pause-ms", "3000", "--port", "sessions"];
        mails.ground.killed_at(&cutover, "change").await;
    } else {
        let cutover =
            ["cutover", "--yes", "--json", "--pause-ms", "3000", "--port", "sessions", "--report", report];
        let said = mails.migrate(&cutover).await.output();
        let moved: Value =
            said.lines().filter_map(|line| serde_json::from_str(line).ok()).next_back().unwrap();
        let remembered =
            moved["mail"]["carried"].as_u64().unwrap() + moved["mail"]["known"].as_u64().unwrap();
        assert!(remembered >= 7, "two addresses and five mails: {moved}");
    }
    assert_eq!(mails.status("sessions").await["leader"], "new");
    for address in [gone, later] {
        mails.stays_silent(base, address).await;
    }
    // The counter of receipts began anew, and the number that it gives was used: the guest gets the mail all the same.
    guest.post(&orders[1], &to).await;
    assert_eq!(mails.got("guest@example.org").await, (4, 1), "a mail for each request");
    service.terminate();

    // The old store is lost before the end: whatever was not carried is gone.
    let finish = async || mails.migrate(&["finish", "--yes", "--report", report]).await.well;
    eventually(Duration::from_secs(20), "one that was killed is known to be gone", finish).await;
    Ground::run(&mails.ground.old, "DROP TABLE waiterix_temp").await.unwrap();
    let service = mails.serve("aws");
    for address in [gone, later] {
        mails.stays_silent(&service.base, address).await;
    }
    // Of the five mails of an order three are known to have been sent, although nobody counts them any more: two are left.
    let guest = guest.moved_to(&service.base);
    for (status, sent) in [(200, 1), (200, 2), (429, 2)] {
        assert_eq!(guest.send(Method::POST, &orders[0], Some(&to)).await.status(), status);
        assert_eq!(
            mails.got("guest@example.org").await,
            (4, 1 + sent),
            "a mail for each request, and five in all"
        );
    }
    assert_eq!(mails.got("owner@example.org").await, (1, 0));
    eventually(Duration::from_secs(10), "mail goes on", async || {
        guest.post("/api/auth/code", &json!({ "email": "new@example.org" })).await;
        mails.got("new@example.org").await.1 > 0
    })
    .await;
}
