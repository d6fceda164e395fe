//! Events as messages, byte for byte.

use waiterix_app::realtime::events::message;
use waiterix_domain::schema::{
    AssistanceRequest, AssistanceStatus, Order, OrderStatus, PaymentMethod, PaymentStatus, PendingQuestion,
    QuestionStatus, RequestType,
};
use waiterix_domain::{Amount, Event, Timestamp};

const AT: &str = "2025-01-31T09:05:07.123456Z";

fn order() -> Order {
    let amount = |text: &str| Amount::parse(text).unwrap();
    Order {
        id: "o1".into(),
        restaurant_id: "r1".into(),
        table_id: Some("t1".into()),
        customer_note: Some("no \"onions\"\nplease".to_owned()),
        payment_method: PaymentMethod::Online,
        payment_status: PaymentStatus::Completed,
        payment_gateway: None,
        stripe_payment_intent_id: Some("pi_1".to_owned()),
        paystack_reference: None,
        telr_transaction_ref: None,
        adyen_psp_reference: None,
        subtotal: amount("25"),
        tax: amount("2.5"),
        tip: amount("0"),
        total: amount("27.5"),
        status: OrderStatus::Ready,
        allergies: Some("nuts".to_owned()),
        created_at: Timestamp::parse(AT).unwrap(),
        updated_at: Timestamp::parse(AT).unwrap(),
        table_number: Some("5".to_owned()),
        cancellation_reason: Some("inside only".to_owned()),
    }
}

const ORDER: &str = concat!(
    r#"{"id":"o1","restaurantId":"r1","tableId":"t1","customerNote":"no \"onions\"\nplease","#,
    r#""paymentMethod":"online","paymentStatus":"completed","paymentGateway":null,"#,
    r#""stripePaymentIntentId":"pi_1","paystackReference":null,"telrTransactionRef":null,"#,
    r#""adyenPspReference":null,"subtotal":"25.00","tax":"2.50","tip":"0.00","total":"27.50","#,
    r#""status":"ready","allergies":"nuts","createdAt":"2025-01-31T09:05:07.123Z","#,
    r#""updatedAt":"2025-01-31T09:05:07.123Z"}"#
);

fn question() -> PendingQuestion {
    PendingQuestion {
        id: "q1".into(),
        restaurant_id: "r1".into(),
        customer_session_id: "customer-1-abcdefghi".to_owned(),
        question: "¿Sin gluten?".to_owned(),
        menu_item_context: None,
        language: "es".to_owned(),
        status: QuestionStatus::Pending,
        table_number: Some("5".to_owned()),
        created_at: Timestamp::parse(AT).unwrap(),
        table_id: Some("inside only".into()),
    }
}

fn request() -> AssistanceRequest {
    AssistanceRequest {
        id: "a1".into(),
        restaurant_id: "r1".into(),
        table_id: None,
        order_id: Some("o1".into()),
        customer_message: None,
        request_type: RequestType::CallWaiter,
        status: AssistanceStatus::Pending,
        created_at: Timestamp::parse(AT).unwrap(),
        updated_at: Timestamp::parse(AT).unwrap(),
    }
}

const REQUEST: &str = concat!(
    r#"{"id":"a1","restaurantId":"r1","tableId":null,"orderId":"o1","customerMessage":null,"#,
    r#""requestType":"call_waiter","status":"pending","createdAt":"2025-01-31T09:05:07.123Z","#,
    r#""updatedAt":"2025-01-31T09:05:07.123Z","tableNumber":"5"}"#
);

fn every_event() -> Vec<(Event, String)> {
    let label = || Some("5".to_owned());
    vec![
        (
            Event::NewOrder { order: order(), table_number: label() },
            format!(r#"{{"type":"new-order","data":{{"orderId":"o1","order":{ORDER},"tableNumber":"5"}}}}"#),
        ),
        (
            Event::NewOrder { order: order(), table_number: None },
            format!(r#"{{"type":"new-order","data":{{"orderId":"o1","order":{ORDER},"tableNumber":null}}}}"#),
        ),
        (
            Event::OrderStatusChanged { order: order() },
            format!(
                r#"{{"type":"order-status-changed","data":{{"orderId":"o1","status":"ready","order":{ORDER}}}}}"#
            ),
        ),
        (
            Event::TrackedStatusChanged { order: "o1".into(), status: OrderStatus::Ready },
            r#"{"type":"order-status-changed","data":{"orderId":"o1","status":"ready"}}"#.to_owned(),
        ),
        (
            Event::NewQuestion { question: question() },
            concat!(
                r#"{"type":"new-question","data":{"id":"q1","restaurantId":"r1","#,
                r#""customerSessionId":"customer-1-abcdefghi","question":"¿Sin gluten?","menuItemContext":null,"#,
                r#""language":"es","status":"pending","tableNumber":"5","createdAt":"2025-01-31T09:05:07.123Z"}}"#
            )
            .to_owned(),
        ),
        (
            Event::ChefAnswer {
                question_id: "q1".into(),
                question: "¿Sin gluten?".to_owned(),
                answer: "Sí".to_owned(),
                language: "es".to_owned(),
            },
            concat!(
                r#"{"type":"chef-answer","data":{"questionId":"q1","question":"¿Sin gluten?","#,
                r#""answer":"Sí","language":"es"}}"#
            )
            .to_owned(),
        ),
        (
            Event::NewAssistanceRequest { request: request(), table_number: label() },
            format!(r#"{{"type":"new-assistance-request","data":{REQUEST}}}"#),
        ),
        (
            Event::AssistanceRequestUpdated { request: request(), table_number: label() },
            format!(r#"{{"type":"assistance-request-updated","data":{REQUEST}}}"#),
        ),
    ]
}

#[test]
fn r7_r8_every_event_has_one_shape_byte_for_byte() {
    for (event, want) in every_event() {
        let message = message(&event, "event-1".to_owned()).unwrap();
        assert_eq!(&*message.json, want);
        assert_eq!(message.id, "event-1");
    }
}

#[test]
fn messages_are_one_line_and_the_same_every_time() {
    for (event, _) in every_event() {
        let (one, two) = (message(&event, "1".to_owned()).unwrap(), message(&event, "2".to_owned()).unwrap());
        assert_eq!(one.json, two.json, "the id is not part of the text");
        assert!(!one.json.contains(['\n', '\r']));
        assert!(!one.json.contains("inside only"), "C14");
    }
}

#[test]
fn r6_a_guest_hears_nothing_personal_of_an_order() {
    let event = Event::TrackedStatusChanged { order: "o1".into(), status: OrderStatus::Cancelled };
    let text: serde_json::Value =
        serde_json::from_str(&message(&event, "1".to_owned()).unwrap().json).unwrap();
    let members: Vec<&String> = text["data"].as_object().unwrap().keys().collect();
    assert_eq!(members.len(), 2);
}
