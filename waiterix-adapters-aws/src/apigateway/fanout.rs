//! Sending an event to its audience, and closing chosen connections.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

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
}

impl ApiGatewayNotifier {
    /// The chosen connections, each once, a page at a time: memory does not grow with their number.
    fn chosen<'a>(&'a self, choice: Choice<'a>) -> impl Stream<Item = Result<Seat>> + 'a {
        let room = match choice {
            Choice::Audience(audience) => Room::of(audience),
            Choice::Chefs(restaurant, _) => Room::of_chefs(restaurant),
        };
        let stage = if choice.is_nobody() { Stage::Done } else { Stage::Beginning };
        let walk = Walk { choice, room, now: self.clock.now(), unseen: BTreeSet::new(), stage };
        let pages = stream::try_unfold(walk, move |mut walk| async move {
            Ok::<_, Error>(self.step(&mut walk).await?.map(|seats| (seats, walk)))
        });
        pages.map_ok(|seats| stream::iter(seats.into_iter().map(Ok))).try_flatten()
    }

    async fn step(&self, walk: &mut Walk<'_>) -> Result<Option<Vec<Seat>>> {
        let (items, next) = match std::mem::replace(&mut walk.stage, Stage::Done) {
            Stage::Beginning => {
                let (members, page) = tokio::join!(
                    self.rooms.members(&walk.room),
                    self.register.page(walk.choice, None, walk.now)
                );
                walk.unseen = members?.into_iter().collect();
                page?
            }
            Stage::Page(from) => self.register.page(walk.choice, Some(from), walk.now).await?,
            Stage::Rest => return self.rest(walk).await.map(Some),
            Stage::Done => return Ok(None),
        };
        for id in items.iter().filter_map(|item| text_of(item, CONNECTION_ID)) {
            walk.unseen.remove(id);
        }
        walk.stage = after(next, &walk.unseen);
        Ok(Some(items.iter().filter_map(Seat::read).collect()))
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
        let (targeted, slots) = (AtomicU32::new(0), self.slots());
        let call = Call::Post(Arc::from(message.json.as_bytes()));
        let posts = self.chosen(Choice::Audience(audience)).map_ok(|seat| {
            targeted.fetch_add(1, Ordering::Relaxed);
            let (slots, call) = (&slots, &call);
            async move {
                let ended = self.gateway.call(&seat, call, slots, deadline).await;
                if matches!(ended, Ended::Gone) {
                    self.forget(&seat).await;
                }
                Ok(ended)
            }
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
                Err(_) => {
                    broken_off = broken_off.or_else(|| Some(Error::new(ErrorKind::Timeout, OPERATION)));
                    break;
                }
            }
        }
        delivery.targeted = targeted.load(Ordering::Relaxed);
        delivery.failed = delivery.targeted - delivery.delivered - delivery.gone;
        if let Some(error) = first_failure {
            tracing::warn!(failed = delivery.failed, targeted = delivery.targeted, first = %error, "not delivered");
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
        let (slots, deadline) = (&self.slots(), self.deadline());
        let closings = self.chosen(choice).map_ok(|seat| async move {
            let ended = self.gateway.call(&seat, &Call::Close, slots, deadline).await;
            self.leave(self.register.delete(&seat.id, seat.connected_at).await).await?;
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

fn after(next: Next, unseen: &BTreeSet<String>) -> Stage {
    match next {
        Some(from) => Stage::Page(from),
        None if unseen.is_empty() => Stage::Done,
        None => Stage::Rest,
    }
}
