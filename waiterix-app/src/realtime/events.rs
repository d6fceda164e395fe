//! Events as messages.

use waiterix_domain::Event;
use waiterix_ports::Message;

/// The message of an event.
#[must_use]
pub fn message(_event: &Event, id: String) -> Message {
    Message { id, json: "{}".into() }
}
