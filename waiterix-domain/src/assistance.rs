//! Calls for a waiter.

use crate::event::{Audience, Event};
use crate::facts::{AssistanceAccess, AssistanceFacts};
use crate::id::{OrderId, RestaurantId};
use crate::order::named_table;
use crate::order::note::{BodyFaults, MAX_NOTE_CHARS};
use crate::schema::{AssistanceRequest, AssistanceStatus, RequestType};
use crate::{Decision, Env, FieldError, Rejection};

/// A call for a waiter as the guest sent it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallWaiter {
    /// The restaurant; empty when none was named.
    pub restaurant: String,
    /// A table id or label. One that is not known means no table.
    pub table: Option<String>,
    /// The guest's order. One that is not known, or not of this restaurant, means no order.
    pub order: Option<String>,
    /// Free text.
    pub message: Option<String>,
    /// `call_waiter` or `help_needed`; nothing means the former.
    pub request_type: Option<String>,
    /// Fields of the wrong type, found when the request was read.
    pub faults: Vec<FieldError>,
}

/// A call for a waiter whose form is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaiterCall {
    /// The restaurant.
    pub restaurant: RestaurantId,
    /// A table id or label.
    pub table: Option<String>,
    /// The guest's order.
    pub order: Option<OrderId>,
    /// Free text.
    pub message: Option<String>,
    /// What is wanted.
    pub request_type: RequestType,
}

impl CallWaiter {
    /// Checks the form of the request, which needs no facts.
    ///
    /// # Errors
    /// `Invalid` with all faults.
    pub fn check(self) -> Result<WaiterCall, Rejection> {
        let mut faults = BodyFaults::after(&self.faults);
        if self.restaurant.is_empty() {
            faults.add(&["restaurantId"], "Required");
        }
        faults.text(&["customerMessage"], self.message.as_deref(), MAX_NOTE_CHARS);
        let request_type = match self.request_type.as_deref().map(RequestType::known) {
            None => RequestType::CallWaiter,
            Some(Some(known)) => known,
            Some(None) => {
                faults.add(&["requestType"], "must be call_waiter or help_needed");
                RequestType::CallWaiter
            }
        };
        faults.refuse("Invalid assistance request")?;
        Ok(WaiterCall {
            restaurant: self.restaurant.into(),
            table: self.table.filter(|table| !table.is_empty()),
            order: self.order.filter(|order| !order.is_empty()).map(OrderId::from),
            message: self.message,
            request_type,
        })
    }
}

/// Calls a waiter: stores the request and tells the chefs.
pub fn call(facts: &AssistanceFacts, command: &WaiterCall, env: &mut Env<'_>) -> Decision<AssistanceRequest> {
    let table = named_table(&facts.tables, command.table.as_deref());
    let order = facts.order.as_ref().filter(|order| order.restaurant_id == facts.restaurant.id);
    let request = AssistanceRequest {
        id: env.id(),
        restaurant_id: facts.restaurant.id.clone(),
        table_id: table.map(|table| table.id.clone()),
        order_id: order.map(|order| order.id.clone()),
        customer_message: command.message.clone(),
        request_type: command.request_type.clone(),
        status: AssistanceStatus::Pending,
        created_at: env.now,
        updated_at: env.now,
    };
    let event = Event::NewAssistanceRequest {
        request: request.clone(),
        table_number: table.map(|table| table.table_number.clone()),
    };
    Decision::new(env.changes().insert(request.clone()), request)
        .publish(Audience::Chefs(facts.restaurant.id.clone()), event)
}

/// Which requests a list shall hold: nothing, the empty text and `all` mean all of them (D66).
///
/// # Errors
/// `Invalid` for any other word that is no status.
pub fn filter(word: Option<&str>) -> Result<Option<AssistanceStatus>, Rejection> {
    match word {
        None | Some("" | "all") => Ok(None),
        Some(word) => known(word).map(Some),
    }
}

/// Says how far a request is. Any status may follow any other: the list offers them all, and a mis-tap must be repairable.
///
/// # Errors
/// `Invalid` for a missing or unknown word.
pub fn change_status(
    access: &AssistanceAccess,
    wanted: Option<&str>,
    env: &mut Env<'_>,
) -> Result<Decision<AssistanceRequest>, Rejection> {
    let status = known(wanted.unwrap_or_default())?;
    let before = access.request.clone();
    let after = AssistanceRequest { status, updated_at: env.now, ..before.clone() };
    let event = Event::AssistanceRequestUpdated {
        request: after.clone(),
        table_number: access.table.as_ref().map(|table| table.table_number.clone()),
    };
    let audience = Audience::Chefs(after.restaurant_id.clone());
    Ok(Decision::new(env.changes().update(before, after.clone()), after).publish(audience, event))
}

fn known(word: &str) -> Result<AssistanceStatus, Rejection> {
    AssistanceStatus::known(word).ok_or_else(|| Rejection::invalid("Invalid status"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Effect;
    use crate::schema::Order;
    use crate::testing::{env, order, restaurant, table};
    use crate::{Change, Timestamp};

    fn facts() -> AssistanceFacts {
        AssistanceFacts {
            restaurant: restaurant(),
            tables: vec![table("t1", "5"), table("t2", "VIP-1")],
            order: None,
        }
    }

    fn command() -> CallWaiter {
        CallWaiter { restaurant: "r1".to_owned(), ..CallWaiter::default() }
    }

    fn called(facts: &AssistanceFacts, command: CallWaiter) -> Decision<AssistanceRequest> {
        call(facts, &command.check().unwrap(), &mut env(5).env())
    }

    #[test]
    fn d64_a_label_with_a_hyphen_is_no_id() {
        for (text, id, label) in [
            (Some("VIP-1"), Some("t2"), Some("VIP-1")),
            (Some("5"), Some("t1"), Some("5")),
            (Some("t1"), Some("t1"), Some("5")),
            (Some("3f0e-unknown"), None, None),
            (Some(""), None, None),
            (None, None, None),
        ] {
            let decision = called(&facts(), CallWaiter { table: text.map(String::from), ..command() });
            let request = decision.reply.clone();
            assert_eq!(request.table_id.as_ref().map(AsRef::as_ref), id, "{text:?}");
            let event = Event::NewAssistanceRequest {
                request: request.clone(),
                table_number: label.map(String::from),
            };
            let effect = Effect::Publish { audience: Audience::Chefs("r1".into()), event: Box::new(event) };
            assert_eq!(decision.effects, [effect]);
            assert_eq!(decision.changes.changes(), [Change::Insert(request.into())]);
        }
    }

    #[test]
    fn a_foreign_or_unknown_order_is_stored_as_none() {
        let mut facts = facts();
        let named = || CallWaiter { order: Some(order().id.to_string()), ..command() };
        assert_eq!(called(&facts, named()).reply.order_id, None);
        facts.order = Some(Order { restaurant_id: "r2".into(), ..order() });
        assert_eq!(called(&facts, named()).reply.order_id, None);
        facts.order = Some(order());
        assert_eq!(called(&facts, named()).reply.order_id, Some(order().id));
    }

    #[test]
    fn d65_types_and_lengths_are_limited() {
        assert_eq!(command().check().unwrap().request_type, RequestType::CallWaiter);
        let help = CallWaiter { request_type: Some("help_needed".to_owned()), ..command() };
        assert_eq!(help.check().unwrap().request_type, RequestType::HelpNeeded);
        let bad = CallWaiter {
            restaurant: String::new(),
            request_type: Some("police".to_owned()),
            message: Some("x".repeat(1_001)),
            ..command()
        };
        let refusal = bad.check().unwrap_err();
        assert_eq!(refusal.message, "Invalid assistance request");
        let fields: Vec<_> = refusal.errors.iter().map(|error| error.path.join(".")).collect();
        assert_eq!(fields, ["restaurantId", "customerMessage", "requestType"]);
    }

    #[test]
    fn d66_all_is_no_filter_and_unknown_words_are_refused() {
        for word in [None, Some(""), Some("all")] {
            assert_eq!(filter(word), Ok(None));
        }
        assert_eq!(filter(Some("resolved")), Ok(Some(AssistanceStatus::Resolved)));
        assert_eq!(filter(Some("Resolved")), Err(Rejection::invalid("Invalid status")));
    }

    #[test]
    fn d67_chefs_hear_of_every_change_of_status() {
        let request = called(&facts(), command()).reply;
        let access = AssistanceAccess {
            request: request.clone(),
            restaurant: restaurant(),
            table: Some(table("t1", "5")),
        };
        for word in ["acknowledged", "resolved", "pending"] {
            let decision = change_status(&access, Some(word), &mut env(9).env()).unwrap();
            let after = decision.reply.clone();
            assert_eq!(after.status.as_str(), word);
            assert_eq!(after.updated_at, Timestamp::from_millis(9).unwrap());
            let event =
                Event::AssistanceRequestUpdated { request: after, table_number: Some("5".to_owned()) };
            let effect = Effect::Publish { audience: Audience::Chefs("r1".into()), event: Box::new(event) };
            assert_eq!(decision.effects, [effect]);
        }
        for word in [None, Some(""), Some("done")] {
            let refusal = change_status(&access, word, &mut env(9).env()).unwrap_err();
            assert_eq!(refusal, Rejection::invalid("Invalid status"));
        }
    }
}
