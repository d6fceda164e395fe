//! Events as messages: the same bytes on every transport.

use serde::Serialize;
use waiterix_domain::Event;
use waiterix_ports::{Error, ErrorKind, Message};

use crate::http::shapes::assistance::AssistanceRequestWithTable;
use crate::http::shapes::order::Order;
use crate::http::shapes::question::PendingQuestion;

/// What goes down a connection.
#[derive(Serialize)]
struct Envelope<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    data: T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewOrder<'a> {
    order_id: &'a str,
    order: Order,
    table_number: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusChanged<'a> {
    order_id: &'a str,
    status: &'a str,
    order: Order,
}

/// What a guest hears of an order: an id and a word, nothing personal (R6).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TrackedStatus<'a> {
    order_id: &'a str,
    status: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChefAnswer<'a> {
    question_id: &'a str,
    question: &'a str,
    answer: &'a str,
    language: &'a str,
}

/// The message of an event: `{"type": …, "data": …}` on one line. The id names the event and is not part of the text.
///
/// # Errors
/// `Corrupt` when the text cannot be written, which would be a fault of ours.
pub fn message(event: &Event, id: String) -> Result<Message, Error> {
    let json = match event {
        Event::NewOrder { order, table_number } => {
            let data = NewOrder {
                order_id: order.id.as_str(),
                order: order.clone().into(),
                table_number: table_number.as_deref(),
            };
            text("new-order", data)
        }
        Event::OrderStatusChanged { order } => {
            let data = StatusChanged {
                order_id: order.id.as_str(),
                status: order.status.as_str(),
                order: order.clone().into(),
            };
            text("order-status-changed", data)
        }
        Event::TrackedStatusChanged { order, status } => {
            text("order-status-changed", TrackedStatus { order_id: order.as_str(), status: status.as_str() })
        }
        Event::NewQuestion { question } => text("new-question", PendingQuestion::from(question.clone())),
        Event::ChefAnswer { question_id, question, answer, language } => {
            let question_id = question_id.as_str();
            text("chef-answer", ChefAnswer { question_id, question, answer, language })
        }
        Event::NewAssistanceRequest { request, table_number } => {
            let data = AssistanceRequestWithTable::new(request.clone(), table_number.clone());
            text("new-assistance-request", data)
        }
        Event::AssistanceRequestUpdated { request, table_number } => {
            let data = AssistanceRequestWithTable::new(request.clone(), table_number.clone());
            text("assistance-request-updated", data)
        }
    };
    let json = json.map_err(|error| Error::new(ErrorKind::Corrupt, "event.write").because(error))?;
    Ok(Message { id, json: json.into() })
}

fn text(kind: &'static str, data: impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Envelope { kind, data })
}
