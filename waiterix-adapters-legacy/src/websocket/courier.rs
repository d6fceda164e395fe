//! The one task that speaks for this process and listens for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::PgNotification;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use waiterix_domain::Timestamp;
use waiterix_domain::id::RestaurantId;
use waiterix_ports::{ConnectionId, Message, Notifier};
use waiterix_postgres::connect::Database;

use super::board::{Batch, Board, Fault};
use super::call::{Answer, Call, audience};
use super::closings::Closings;
use super::heard::{Heard, Verdict};
use super::line::{CALLS, Line, channel_of};
use super::parts::{self, Assembled, Assembly};
use super::seats::Seats;
use super::settings::WebSocketSettings;
use super::token::Token;

/// The first pause after a failed attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What the courier shares with the notifier.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) own: Token,
    pub(super) settings: WebSocketSettings,
    pub(super) database: Database,
    pub(super) sockets: Arc<dyn Notifier>,
    pub(super) board: Board,
    pub(super) seats: Seats,
    pub(super) closings: Closings,
    pub(super) tally: Tally,
}

/// What was heard, in numbers.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Connections made.
    pub(super) joins: AtomicU64,
    /// Notifications that nobody here understands.
    pub(super) malformed: AtomicU64,
    /// Calls that were heard before, or too late.
    pub(super) repeated: AtomicU64,
}

/// Keeps a connection to the database, says what is on the board, and does what others say.
#[derive(Debug)]
pub(super) struct Courier {
    shared: Arc<Shared>,
    heard: Heard,
    assembly: Assembly,
    random: fastrand::Rng,
    closing: watch::Receiver<bool>,
}

/// Why the courier put its line down.
enum End {
    /// The process stops.
    Closed,
    /// The connection broke, perhaps while this was said.
    Broken(Option<Batch>),
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Courier {
    pub(super) fn new(shared: Arc<Shared>, closing: watch::Receiver<bool>) -> Self {
        let random = fastrand::Rng::with_seed(shared.own.seed());
        Self { shared, heard: Heard::default(), assembly: Assembly::default(), random, closing }
    }

    /// Works until it is told to stop.
    pub(super) async fn run(mut self) {
        let mut failures = 0;
        loop {
            let shared = Arc::clone(&self.shared);
            let opening = Line::open(&shared.database, shared.own, &shared.settings);
            let opened = tokio::select! {
                opened = opening => opened,
                () = closed(&mut self.closing) => return,
            };
            match opened {
                Ok(line) => {
                    failures = 0;
                    match self.serve(line).await {
                        End::Closed => return,
                        End::Broken(unsaid) => {
                            shared.board.lost(unsaid);
                            tracing::warn!(
                                "sockets of other processes are out of reach: the connection broke"
                            );
                        }
                    }
                }
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        tracing::error!(%error, "sockets of other processes cannot be reached");
                    }
                    shared.board.apart(Fault::from(&error));
                }
            }
            let again = Instant::now() + self.pause(failures);
            tokio::select! {
                () = sleep_until(again) => {}
                () = closed(&mut self.closing) => return,
            }
        }
    }

    /// Growing with failures, and between half and all of that, so that the processes of a database that restarts do
    /// not all come back at once.
    fn pause(&mut self, failures: u32) -> Duration {
        let full = match failures {
            0 => Duration::from_millis(20),
            more => FIRST_PAUSE * 2_u32.pow((more - 1).min(10)),
        };
        full.min(self.shared.settings.longest_pause).mul_f64(0.5 + self.random.f64() / 2.0)
    }

    /// Says and hears on a connection until it breaks.
    async fn serve(&mut self, mut line: Line) -> End {
        let shared = Arc::clone(&self.shared);
        let joins = shared.tally.joins.fetch_add(1, Ordering::Relaxed);
        self.assembly = Assembly::default();
        tracing::info!(again = joins > 0, "sockets of other processes can be reached");
        shared.board.joined();
        shared.board.tell(&Call::Hello);
        for closing in shared.closings.recent(Instant::now()) {
            shared.board.tell(&closing);
        }
        let mut ping_at = Instant::now() + shared.settings.ping_every;
        loop {
            while let Some(batch) = shared.board.batch() {
                if let Err(error) = self.say(&mut line, &batch).await {
                    tracing::debug!(%error, "what was being said may be lost");
                    return End::Broken(Some(batch));
                }
                ping_at = Instant::now() + shared.settings.ping_every;
                while let Some(notification) = line.heard() {
                    self.hear(&notification).await;
                }
            }
            tokio::select! {
                heard = line.hear() => match heard {
                    Some(notification) => self.hear(&notification).await,
                    None => return End::Broken(None),
                },
                () = shared.board.work.notified() => {}
                () = sleep_until(ping_at) => {
                    // A connection can be dead without anybody being told.
                    if self.say(&mut line, &Batch::default()).await.is_err() {
                        return End::Broken(None);
                    }
                    ping_at = Instant::now() + shared.settings.ping_every;
                }
                () = closed(&mut self.closing) => {
                    line.leave().await;
                    return End::Closed;
                }
            }
        }
    }

    async fn say(&self, line: &mut Line, batch: &Batch) -> waiterix_ports::Result<()> {
        let askers: Vec<String> = batch.answers.iter().map(|(to, _)| channel_of(*to)).collect();
        let mut channels: Vec<&str> = askers.iter().map(String::as_str).collect();
        let mut payloads: Vec<&str> = batch.answers.iter().map(|(_, payload)| payload.as_str()).collect();
        for (_, parts) in &batch.calls {
            channels.extend(parts.iter().map(|_| CALLS));
            payloads.extend(parts.iter().map(String::as_str));
        }
        let others = line.say(&channels, &payloads).await?;
        if others.is_empty() {
            // Nothing was said, so nothing will come back that says where the claims stand.
            for (number, _) in &batch.calls {
                self.shared.seats.placed(*number);
            }
        }
        self.shared.board.said(batch, &others);
        Ok(())
    }

    async fn hear(&mut self, notification: &PgNotification) {
        let payload = notification.payload();
        let understood = if notification.channel() == CALLS {
            self.hear_part(payload).await
        } else {
            self.hear_answer(payload)
        };
        if !understood {
            count(&self.shared.tally.malformed);
        }
    }

    fn hear_answer(&self, payload: &str) -> bool {
        let Some((from, number, text)) = parts::read_answer(payload) else { return false };
        if from == self.shared.own {
            return true;
        }
        let Ok(answer) = serde_json::from_str::<Answer>(text) else { return false };
        self.shared.board.heard(from);
        self.shared.board.answered(from, number, answer);
        true
    }

    async fn hear_part(&mut self, payload: &str) -> bool {
        let Some(part) = parts::read(payload) else { return false };
        if part.from == self.shared.own {
            self.shared.seats.placed(part.number);
            return true;
        }
        self.shared.board.heard(part.from);
        let text = match self.assembly.add(&part) {
            Assembled::Whole(text) => text,
            Assembled::Open => return true,
            Assembled::Stray => return false,
        };
        let Ok(call) = serde_json::from_str::<Call>(&text) else { return false };
        let answer = match self.heard.judge(part.from, part.number) {
            Verdict::New => {
                let answer = self.perform(call).await;
                self.heard.answered(part.from, part.number, answer.clone());
                answer
            }
            Verdict::Repeated(known) => {
                count(&self.shared.tally.repeated);
                known.unwrap_or(Answer::Failed)
            }
        };
        self.shared.board.answer(part.from, part.number, &answer);
        true
    }

    /// Does what another process asks, with the sockets of this one. They never wait for a peer, so neither does this.
    async fn perform(&self, call: Call) -> Answer {
        let sockets = &self.shared.sockets;
        let done = match call {
            Call::Publish { restaurant, session, id, json } => {
                let message = Message { id, json: json.into() };
                sockets.publish(&audience(restaurant, session), &message).await.map(Answer::from)
            }
            Call::Send { id, text } => sockets.send(&ConnectionId::new(id), &text).await.map(Answer::Sent),
            Call::Disconnect { id } => {
                let id = ConnectionId::new(id);
                self.shared.seats.leave(&id);
                sockets.disconnect(&id).await.map(|()| Answer::Done)
            }
            Call::CloseChefs { restaurant, who, reason } => {
                let restaurant = RestaurantId::new(restaurant);
                sockets.close_chefs(&restaurant, &who.selector(), reason.into()).await.map(Answer::Count)
            }
            Call::Sweep { made_before } => match Timestamp::from_micros(made_before) {
                Some(made_before) => sockets.sweep(made_before).await.map(Answer::Count),
                None => Ok(Answer::Failed),
            },
            Call::Claim { id, seat } => {
                let (taken, count) = self.shared.seats.weigh(&ConnectionId::new(id), seat.as_ref());
                Ok(Answer::Seats { taken, count })
            }
            Call::Hello => {
                for closing in self.shared.closings.recent(Instant::now()) {
                    self.shared.board.tell(&closing);
                }
                Ok(Answer::Done)
            }
        };
        done.unwrap_or_else(|error| {
            tracing::warn!(%error, "what another process asked could not be done");
            Answer::Failed
        })
    }
}

/// Waits until the process stops.
async fn closed(closing: &mut watch::Receiver<bool>) {
    // A sender that is gone belongs to a notifier that is.
    let _ = closing.wait_for(|closing| *closing).await;
}
