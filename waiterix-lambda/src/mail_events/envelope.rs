//! How a message of SES arrives: through SNS, through a queue, or through EventBridge.

use serde_json::Value;

use crate::Failure;

/// One message of SES, and the name its bearer has for it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Envelope {
    pub(super) id: String,
    /// What SES says; `Null` where it says nothing that can be read.
    pub(super) content: Value,
}

/// All messages of an event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Batch {
    pub(super) envelopes: Vec<Envelope>,
    /// Whether the bearer is a queue, which can be told of each message whether it was heeded.
    pub(super) is_queue: bool,
}

impl Batch {
    /// Unpacks an event.
    ///
    /// # Errors
    /// When it comes from something that bears no messages of SES.
    pub(super) fn read(mut event: Value) -> Result<Self, Failure> {
        if let Some(Value::Array(records)) = event.get_mut("Records").map(Value::take) {
            let is_queue = records.first().is_some_and(|record| record["eventSource"] == "aws:sqs");
            let read = if is_queue { of_queue } else { of_topic };
            let envelopes: Option<Vec<Envelope>> = records.iter().map(read).collect();
            return envelopes.map(|envelopes| Self { envelopes, is_queue }).ok_or_else(unknown);
        }
        if event["source"] == "aws.ses" && event["detail"].is_object() {
            let id = text(&event["id"]);
            return Ok(Self {
                envelopes: vec![Envelope { id, content: event["detail"].take() }],
                is_queue: false,
            });
        }
        Err(unknown())
    }
}

fn unknown() -> Failure {
    Failure::unknown_event("a message of SES by way of SNS, SQS or EventBridge")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A notification of a topic. SES sends sentences, too, when it is connected with a topic.
fn of_topic(record: &Value) -> Option<Envelope> {
    let notification = record.get("Sns")?;
    Some(Envelope { id: text(&notification["MessageId"]), content: parsed(&notification["Message"]) })
}

/// A message of a queue: what SES says, or the notification of a topic that holds it.
fn of_queue(record: &Value) -> Option<Envelope> {
    let id = record.get("messageId")?.as_str()?.to_owned();
    let mut content = parsed(&record["body"]);
    if content["Type"] == "Notification" && content["Message"].is_string() {
        content = parsed(&content["Message"]);
    }
    if content["source"] == "aws.ses" && content["detail"].is_object() {
        content = content["detail"].take();
    }
    Some(Envelope { id, content })
}

/// JSON within a text.
fn parsed(text: &Value) -> Value {
    text.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn contents(event: Value) -> (Vec<Value>, bool) {
        let batch = Batch::read(event).unwrap();
        (batch.envelopes.into_iter().map(|envelope| envelope.content).collect(), batch.is_queue)
    }

    #[test]
    fn the_same_message_is_found_in_every_envelope() {
        let said = json!({"eventType": "Bounce"});
        let topic = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"MessageId": "1", "Message": said.to_string()}}]});
        let notification = json!({"Type": "Notification", "Message": said.to_string()}).to_string();
        let queue =
            |body: String| json!({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": body}]});
        let bus = json!({"source": "aws.ses", "detail-type": "Email Bounced", "id": "1", "detail": said});
        for (event, is_queue) in [
            (topic, false),
            (queue(notification), true),
            (queue(said.to_string()), true),
            (queue(bus.to_string()), true),
            (bus, false),
        ] {
            assert_eq!(contents(event.clone()), (vec![said.clone()], is_queue), "{event}");
        }
    }

    #[test]
    fn sentences_and_nonsense_are_messages_without_content() {
        for message in [
            json!("Successfully validated SNS topic for Amazon SES event publishing."),
            json!("{"),
            json!(null),
            json!(7),
        ] {
            let event = json!({"Records": [{"Sns": {"MessageId": "1", "Message": message}}]});
            assert_eq!(contents(event), (vec![Value::Null], false));
        }
    }

    #[test]
    fn an_event_of_something_else_is_a_failure() {
        for event in [json!({}), json!([]), json!({"Records": [{"s3": {}}]}), json!({"source": "aws.events"})]
        {
            assert_eq!(Batch::read(event.clone()).unwrap_err().kind, "UnknownEvent", "{event}");
        }
    }
}
