//! Real WebSockets through an API of a gateway that is not ours: MiniStack's. Its function is a few lines of Python that
//! hand each event to this test, which does what the function of the deployment does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use url::Url;
use waiterix_adapters_aws::apigateway::{ApiGatewayNotifier, ApiGatewaySettings, Endpoint};
use waiterix_backends::{Running, ministack, missing};
use waiterix_contract::eventually;
use waiterix_ports::{
    ChefSelector, Clock as _, CloseReason, Connection, ConnectionId, Delivery, Notifier as _, Outlet, Role,
    SystemClock,
};

use crate::apigateway::connections::{OwnTable, chef, chefs, fresh_name, message, sdk, session};
use crate::apigateway::signature::REGION;

const PATIENCE: Duration = Duration::from_secs(20);

const FUNCTION: &str = r"
import json, os, urllib.request

def handler(event, context):
    request = urllib.request.Request(os.environ['OUTSIDE'], data=json.dumps(event).encode(),
                                     headers={'content-type': 'application/json'})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)
";

/// What the functions of the three routes share.
struct Functions {
    notifier: ApiGatewayNotifier,
    endpoint: String,
    /// Goodbyes do not arrive, as the gateway warns that they may not.
    deaf_to_goodbyes: AtomicBool,
    /// Publishes an event while the gateway still waits for the answer to `$connect`.
    hasty: AtomicBool,
}

struct Stage {
    functions: Arc<Functions>,
    table: OwnTable,
    socket_url: String,
    /// Outlives what it serves.
    _server: Running,
}

async fn answer(State(functions): State<Arc<Functions>>, Json(event): Json<Value>) -> Json<Value> {
    let context = &event["requestContext"];
    let id = ConnectionId::new(context["connectionId"].as_str().unwrap());
    let status = match context["eventType"].as_str().unwrap() {
        "CONNECT" => {
            let parameter = |name: &str| event["queryStringParameters"][name].as_str();
            let session = parameter("customerSessionId").map(str::to_owned);
            let is_chef = parameter("role") == Some("chef");
            let connection = Connection {
                id,
                restaurant: parameter("restaurantId").unwrap().into(),
                role: if is_chef { chef() } else { Role::Customer { session } },
                connected_at: SystemClock.now(),
                outlet: Outlet::Gateway { endpoint: functions.endpoint.clone() },
            };
            functions.notifier.connect(&connection).await.unwrap();
            if functions.hasty.load(Ordering::SeqCst) {
                let functions = functions.clone();
                tokio::spawn(async move { functions.notifier.publish(&chefs(), &message("hasty")).await });
            }
            200
        }
        "DISCONNECT" if functions.deaf_to_goodbyes.load(Ordering::SeqCst) => 200,
        "DISCONNECT" => {
            functions.notifier.disconnect(&id).await.unwrap();
            200
        }
        _ if event["body"] == r#"{"type":"ping"}"# => {
            assert!(functions.notifier.send(&id, r#"{"type":"pong"}"#).await.unwrap());
            200
        }
        _ => 200,
    };
    Json(json!({ "statusCode": status }))
}

/// One call of CloudFormation; this server looks at the scope of a signature, not at the signature.
async fn cloud_formation(server: &Url, fields: &[(&str, &str)]) -> String {
    let scope = format!("tester/20250131/{REGION}/cloudformation/aws4_request");
    let signed = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    let request = crate::apigateway::middle::http_client()
        .post(server.clone())
        .header("authorization", signed)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.finish());
    request.send().await.unwrap().error_for_status().unwrap().text().await.unwrap()
}

/// Makes a WebSocket API whose routes call a function that calls `outside`; answers the id of the API.
async fn make_api(server: &Url, outside: &str) -> String {
    let route = |key: &str| {
        let properties = json!({"ApiId": {"Ref": "Api"}, "RouteKey": key,
            "Target": {"Fn::Sub": "integrations/${Integration}"}});
        json!({"Type": "AWS::ApiGatewayV2::Route", "Properties": properties})
    };
    let uri =
        "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations";
    let template = json!({
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}}},
            "Function": {"Type": "AWS::Lambda::Function", "Properties": {
                "Runtime": "python3.11", "Handler": "index.handler", "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Environment": {"Variables": {"OUTSIDE": outside}}, "Code": {"ZipFile": FUNCTION}}},
            "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {
                "Name": "sockets", "ProtocolType": "WEBSOCKET",
                "RouteSelectionExpression": "$request.body.action"}},
            "Integration": {"Type": "AWS::ApiGatewayV2::Integration", "Properties": {
                "ApiId": {"Ref": "Api"}, "IntegrationType": "AWS_PROXY", "IntegrationUri": {"Fn::Sub": uri}}},
            "Connect": route("$connect"),
            "Disconnect": route("$disconnect"),
            "Default": route("$default"),
            "Stage": {"Type": "AWS::ApiGatewayV2::Stage", "Properties": {
                "ApiId": {"Ref": "Api"}, "StageName": "live"}},
        },
        "Outputs": {"ApiId": {"Value": {"Ref": "Api"}}},
    })
    .to_string();
    let name = ("StackName", "sockets");
    cloud_formation(server, &[("Action", "CreateStack"), name, ("TemplateBody", &template)]).await;
    eventually(PATIENCE, "the API is made", async || {
        cloud_formation(server, &[("Action", "DescribeStacks"), name]).await.contains("CREATE_COMPLETE")
    })
    .await;
    let described = cloud_formation(server, &[("Action", "DescribeStacks"), name]).await;
    let (_, rest) = described.split_once("<OutputValue>").unwrap();
    rest.split_once('<').unwrap().0.to_owned()
}

async fn stage(grace: Duration) -> Option<Stage> {
    // A server of its own, on this machine: a function in a container would not find the way back to this test.
    let server = match tokio::task::spawn_blocking(ministack::start).await.unwrap() {
        Ok(server) => server,
        Err(fault) => {
            missing("MiniStack", &fault.to_string());
            return None;
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let outside = format!("http://{}/", listener.local_addr().unwrap());
    let api = make_api(server.url(), &outside).await;
    let endpoint = format!("{}_aws/execute-api/{api}/live", server.url());
    let settings = ApiGatewaySettings {
        table: fresh_name(),
        endpoint: Some(Endpoint::parse(&endpoint).unwrap()),
        grace,
        ..ApiGatewaySettings::default()
    };
    let table = OwnTable::make(server.url(), &settings).await;
    let notifier = ApiGatewayNotifier::open(&sdk(server.url()).await, settings, Arc::new(SystemClock));
    let functions = Arc::new(Functions {
        notifier,
        endpoint: endpoint.clone(),
        deaf_to_goodbyes: AtomicBool::new(false),
        hasty: AtomicBool::new(false),
    });
    let app = Router::new().route("/", post(answer)).with_state(functions.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    Some(Stage { functions, table, socket_url: endpoint.replacen("http", "ws", 1), _server: server })
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Stage {
    async fn dial(&self, query: &str) -> Socket {
        let url = format!("{}?{query}", self.socket_url);
        timeout(PATIENCE, connect_async(url)).await.expect("a handshake").unwrap().0
    }

    async fn publish(&self, to: &waiterix_domain::Audience, text: &str) -> Delivery {
        self.functions.notifier.publish(to, &message(text)).await.unwrap()
    }
}

async fn hears(socket: &mut Socket) -> String {
    match timeout(PATIENCE, socket.next()).await.expect("a message that should arrive does not") {
        Some(Ok(WsMessage::Text(text))) => text.to_string(),
        other => panic!("heard {other:?} instead of a text"),
    }
}

fn delivered(count: u32) -> Delivery {
    Delivery { targeted: count, delivered: count, ..Delivery::default() }
}

#[tokio::test]
async fn g047_g052_a_real_socket_connects_hears_its_events_pings_and_leaves() {
    let Some(stage) = stage(Duration::from_secs(30)).await else { return };
    stage.functions.notifier.check().await.unwrap();
    let mut kitchen = stage.dial("restaurantId=r&role=chef").await;
    let mut table = stage.dial("restaurantId=r&customerSessionId=tracking-1").await;
    let _other = stage.dial("restaurantId=other&role=chef").await;
    assert_eq!(stage.table.connections().await.len(), 3);

    assert_eq!(stage.publish(&chefs(), r#"{"type":"new-order"}"#).await, delivered(1));
    assert_eq!(hears(&mut kitchen).await, r#"{"type":"new-order"}"#);
    assert_eq!(stage.publish(&session("tracking-1"), "ünïcode 😀").await, delivered(1));
    assert_eq!(hears(&mut table).await, "ünïcode 😀");
    let largest = "x".repeat(128 * 1024);
    assert_eq!(stage.publish(&chefs(), &largest).await, delivered(1));
    assert!(hears(&mut kitchen).await == largest);

    table.send(WsMessage::text(r#"{"type":"ping"}"#)).await.unwrap();
    assert_eq!(hears(&mut table).await, r#"{"type":"pong"}"#);

    table.close(None).await.unwrap();
    let functions = &stage.functions;
    eventually(PATIENCE, "the item of the socket that left is gone", async || {
        stage.table.connections().await.len() == 2
    })
    .await;
    assert_eq!(stage.publish(&session("tracking-1"), "x").await, Delivery::default());

    let who = ChefSelector::SessionDigest("digest".to_owned());
    assert_eq!(functions.notifier.close_chefs(&"r".into(), &who, CloseReason::Policy).await.unwrap(), 1);
    let end = timeout(PATIENCE, kitchen.next()).await.expect("the end of a closed socket");
    assert!(matches!(end, None | Some(Ok(WsMessage::Close(_)))), "{end:?}");
    assert_eq!(stage.publish(&chefs(), "x").await, Delivery::default());
}

#[tokio::test]
async fn g053_a_socket_that_left_without_a_goodbye_is_gone_and_forgotten() {
    let Some(stage) = stage(Duration::ZERO).await else { return };
    let mut staying = stage.dial("restaurantId=r&role=chef").await;
    let leaving = stage.dial("restaurantId=r&role=chef").await;
    stage.functions.deaf_to_goodbyes.store(true, Ordering::SeqCst);
    drop(leaving);
    assert_eq!(stage.table.connections().await.len(), 2, "nobody said that it left");
    eventually(PATIENCE, "the gateway answers 410 for the socket that left", async || {
        let delivery = stage.publish(&chefs(), "event").await;
        assert!(delivery.delivered >= 1 && delivery.failed == 0, "{delivery:?}");
        delivery.gone == 1
    })
    .await;
    assert_eq!(hears(&mut staying).await, "event");
    assert_eq!(stage.table.connections().await.len(), 1, "the item is gone");

    let mut guest_socket = stage.dial("restaurantId=r&customerSessionId=s").await;
    assert_eq!(stage.publish(&session("s"), "x").await, delivered(1));
    assert_eq!(hears(&mut guest_socket).await, "x");
    drop(guest_socket);
    eventually(PATIENCE, "a sweep finds who left", async || {
        stage.functions.notifier.sweep(SystemClock.now().plus_seconds(-3600)).await.unwrap() == 1
    })
    .await;
    assert_eq!(stage.table.connections().await.len(), 1);
}

/// The gateway answers 410 until `$connect` has been answered; that must neither lose the registration nor the event
/// (R11 of the old system).
#[tokio::test]
async fn r11_an_event_published_while_the_gateway_still_connects_is_heard() {
    let Some(stage) = stage(Duration::from_secs(30)).await else { return };
    stage.functions.hasty.store(true, Ordering::SeqCst);
    let mut kitchen = stage.dial("restaurantId=r&role=chef").await;
    assert_eq!(hears(&mut kitchen).await, "hasty");
    stage.functions.hasty.store(false, Ordering::SeqCst);
    assert_eq!(stage.publish(&chefs(), "later").await, delivered(1));
    assert_eq!(hears(&mut kitchen).await, "later");
    assert_eq!(stage.table.connections().await.len(), 1, "it is still registered");
}
