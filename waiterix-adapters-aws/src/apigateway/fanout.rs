//! Sending an event to its audience, and closing chosen connections.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use futures_util::future::join;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use tokio::time::timeout_at;
use waiterix_domain::{Audience, Timestamp};
use waiterix_ports::{Delivery, Error, ErrorKind, Message, Result, Retry};

use super::ApiGatewayNotifier;
use super::gateway::{Call, Ended};
use super::item::{self, CONNECTION_ID, Choice, Item, Seat, text_of};
use super::register::Next;
use super::room::Room;

/// How far a walk through the chosen connections has come.
enum Stage {
    Beginning,
    Page(Item),
    /// Members of the room that the index did not show.
    Rest,
    Done,
}

struct Walk<'a> {
    choice: Choice<'a>,
    room: Room,
    now: Timestamp,
    unseen: BTreeSet<String>,
    stage: Stage,
    found: &'a Found,
}

impl Walk<'_> {
    /// Takes what is on a page and decides what comes next.
    fn turn(&mut self, (items, next): (Vec<Item>, Next)) -> Vec<Seat> {
        for id in items.iter().filter_map(|item| text_of(item, CONNECTION_ID)) {
            self.unseen.remove(id);
        }
        self.stage = match next {
            Some(from) => Stage::Page(from),
            None if self.unseen.is_empty() => Stage::Done,
            None => Stage::Rest,
        };
        items.iter().filter_map(Seat::read).collect()
    }
}

/// What a walk has found so far.
#[derive(Debug, Default)]
struct Found {
    connections: AtomicU32,
    /// Whether there are no more.
    all: AtomicBool,
}

impl Found {
    fn add(&self, seats: &[Seat], all: bool) {
        self.connections.fetch_add(u32::try_from(seats.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.all.store(all, Ordering::Relaxed);
    }
}

impl ApiGatewayNotifier {
    /// The chosen connections, each once, a page at a time: memory does not grow with their number.
    fn chosen<'a>(&'a self, choice: Choice<'a>, found: &'a Found) -> impl Stream<Item = Result<Seat>> + 'a {
        let room = match choice {
            Choice::Audience(audience) => Room::of(audience),
            Choice::Chefs(restaurant, _) => Room::of_chefs(restaurant),
        };
        let stage = if choice.is_nobody() { Stage::Done } else { Stage::Beginning };
        let walk = Walk { choice, room, now: self.clock.now(), unseen: BTreeSet::new(), stage, found };
        let pages = stream::try_unfold(walk, move |mut walk| async move {
            Ok::<_, Error>(self.step(&mut walk).await?.map(|seats| (seats, walk)))
        });
        pages.map_ok(|seats| stream::iter(seats.into_iter().map(Ok))).try_flatten()
    }

    async fn step(&self, walk: &mut Walk<'_>) -> Result<Option<Vec<Seat>>> {
        let seats = match std::mem::replace(&mut walk.stage, Stage::Done) {
            Stage::Beginning => {
                let members = self.rooms.members(&walk.room);
                let page = self.register.page(walk.choice, None, walk.now);
                let (members, page) = join(members, page).await;
                walk.unseen = members?.into_iter().collect();
                walk.turn(page?)
            }
            Stage::Page(from) => walk.turn(self.register.page(walk.choice, Some(from), walk.now).await?),
            Stage::Rest => self.rest(walk).await?,
            Stage::Done => return Ok(None),
        };
        walk.found.add(&seats, matches!(walk.stage, Stage::Done));
        Ok(Some(seats))
    }

    /// The members of the room that the index does not know yet, read from the table. Who is not there any more is
    /// taken out of the room.
    async fn rest(&self, walk: &mut Walk<'_>) -> Result<Vec<Seat>> {
        let ids: Vec<String> = std::mem::take(&mut walk.unseen).into_iter().collect();
        let items = self.register.get_all(&ids).await?;
        let there: BTreeSet<&str> = items.iter().filter_map(|item| text_of(item, CONNECTION_ID)).collect();
        let absent = ids.iter().filter(|id| !there.contains(id.as_str())).cloned().collect();
        if let Err(error) = self.rooms.leave(&walk.room, absent).await {
            tracing::debug!(%error, "a room still holds who has left");
        }
        let chosen = |item: &&Item| walk.choice.includes(item) && item::is_current(item, walk.now);
        Ok(items.iter().filter(chosen).filter_map(Seat::read).collect())
    }

    /// Posts an event to its audience. An error after the first post is never said to be safe to repeat.
    pub(super) async fn fan_out(&self, audience: &Audience, message: &Message) -> Result<Delivery> {
        const OPERATION: &str = "apigateway.publish";
        let deadline = self.deadline();
        let (found, slots) = (Found::default(), &self.slots());
        let call = &Call::Post(Bytes::copy_from_slice(message.json.as_bytes()));
        let posts = self.chosen(Choice::Audience(audience), &found).map_ok(|seat| async move {
            let ended = self.gateway.call(&seat, call, slots, deadline).await;
            if matches!(ended, Ended::Gone) {
                self.forget(&seat).await;
            }
            Ok(ended)
        });
        let mut answers = pin!(posts.try_buffer_unordered(self.in_work()));
        let mut delivery = Delivery::default();
        let (mut first_failure, mut broken_off) = (None, None);
        loop {
            match timeout_at(deadline, answers.next()).await {
                Ok(None) => break,
                Ok(Some(Ok(Ended::Done))) => delivery.delivered += 1,
                Ok(Some(Ok(Ended::Gone))) => delivery.gone += 1,
                Ok(Some(Ok(Ended::Failed(error)))) => first_failure = first_failure.or(Some(error)),
                // The audience could not be read further; who is known is still told.
                Ok(Some(Err(error))) => broken_off = Some(error),
                // Who is known and was not reached by now, is not.
                Err(_) => {
                    if !found.all.load(Ordering::Relaxed) {
                        let late = Error::new(ErrorKind::Timeout, OPERATION).retry(Retry::Safe);
                        broken_off = broken_off.or(Some(late));
                    }
                    break;
                }
            }
        }
        delivery.targeted = found.connections.load(Ordering::Relaxed);
        delivery.failed = delivery.targeted - delivery.delivered - delivery.gone;
        if delivery.failed > 0 {
            let first = first_failure.map(tracing::field::display);
            tracing::warn!(failed = delivery.failed, targeted = delivery.targeted, first, "not delivered");
        }
        match broken_off {
            None => Ok(delivery),
            Some(error) if delivery.targeted == 0 => Err(error),
            Some(error) => Err(Error::new(error.kind(), OPERATION)
                .retry(Retry::Ambiguous)
                .with("delivered", delivery.delivered)
                .with("failed", delivery.failed)
                .because(error)),
        }
    }

    /// Closes the chosen connections and forgets them. One that cannot be closed is forgotten all the same, because its
    /// permission has ended: it hears nothing from now on, and that it is still open is the error.
    pub(super) async fn close_all(&self, choice: Choice<'_>) -> Result<u32> {
        let (slots, deadline, found) = (&self.slots(), self.deadline(), Found::default());
        let closings = self.chosen(choice, &found).map_ok(|seat| async move {
            let ended = self.gateway.call(&seat, &Call::Close, slots, deadline).await;
            self.leave(self.register.delete(&seat.id, seat.made.as_deref()).await).await?;
            match ended {
                Ended::Done | Ended::Gone => Ok(()),
                // It is not there yet, and will be nobody's when it is.
                Ended::Failed(_) if self.gateway.is_young(&seat) => Ok(()),
                Ended::Failed(error) => Err(error),
            }
        });
        let mut answers = pin!(closings.try_buffer_unordered(self.in_work()));
        let (mut closed, mut first_failure) = (0, None);
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(()) => closed += 1,
                Err(error) => first_failure = first_failure.or(Some(error)),
            }
        }
        first_failure.map_or(Ok(closed), |error| Err(error.with("closed", closed)))
    }
}
