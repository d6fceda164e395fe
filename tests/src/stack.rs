//! The part of a deployment that keeps data, made by the emulator of AWS from the packaged template: the table, the buckets,
//! the way of mail, the secrets, the API of WebSockets. And every function's configuration, as the template says it.
//!
//! The emulator has no RDS and no ElastiCache: in their place is a PostgreSQL and a Redis of this test.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use waiterix_backends::deployment;
use waiterix_contract::eventually;

use crate::cloud::Cloud;

/// What the stack is called.
const NAME: &str = "waiterix";
/// What of the template keeps data or leads to it.
const KINDS: [&str; 9] = [
    "AWS::ApiGatewayV2::Api",
    "AWS::CloudFront::",
    "AWS::DynamoDB::",
    "AWS::KMS::",
    "AWS::S3::",
    "AWS::SES::",
    "AWS::SNS::",
    "AWS::SQS::",
    "AWS::SecretsManager::Secret",
];
/// The functions, by their names in the template and in the code.
const FUNCTIONS: [(&str, &str); 4] = [
    ("ApiLambdaFunction", "api"),
    ("WebsocketLambdaFunction", "websocket"),
    ("RelayLambdaFunction", "relay"),
    ("MailDasheventsLambdaFunction", "mail-events"),
];
/// What leads to the database and to Redis, which the emulator does not have.
const ELSEWHERE: [&str; 2] = ["DB_", "REDIS_"];
const PATIENCE: Duration = Duration::from_secs(20);

/// A deployed stack, and the servers beside it.
#[derive(Debug)]
pub struct Stack {
    /// The servers and the account.
    pub cloud: Cloud,
    template: Value,
    /// What the template's expressions have become.
    outputs: BTreeMap<String, String>,
}

impl Stack {
    /// Deploys a stage; nothing where a server is missing or nobody has packaged the templates.
    ///
    /// # Panics
    /// When a server that is there does not do it.
    pub async fn deploy(stage: &str) -> Option<Self> {
        let folder = deployment::given()?;
        let mut cloud = Cloud::bare().await?;
        let text = fs::read_to_string(deployment::template(&folder, stage)).expect("the packaged template");
        let template: Value = serde_json::from_str(&text).expect("JSON");
        let body = json!({
            "AWSTemplateFormatVersion": "2010-09-09",
            "Resources": kept(&template),
            "Outputs": outputs(&template),
        });
        let body = body.to_string();
        cloud
            .form(
                "cloudformation",
                &[("Action", "CreateStack"), ("StackName", NAME), ("TemplateBody", &body)],
            )
            .await;
        let description =
            async || cloud.form("cloudformation", &[("Action", "DescribeStacks"), ("StackName", NAME)]).await;
        let is_over = async || !description().await.contains("_IN_PROGRESS<");
        eventually(PATIENCE, "the stack is made", is_over).await;
        let said = description().await;
        if !said.contains("<StackStatus>CREATE_COMPLETE<") {
            let events = [("Action", "DescribeStackEvents"), ("StackName", NAME)];
            panic!("the stack was not made: {}", cloud.form("cloudformation", &events).await);
        }
        let outputs = said
            .split("<OutputKey>")
            .skip(1)
            .filter_map(|output| {
                let (key, rest) = output.split_once("</OutputKey>")?;
                let value = rest.split_once("<OutputValue>")?.1.split_once("</OutputValue>")?.0;
                Some((key.to_owned(), value.replace("&amp;", "&")))
            })
            .collect();
        cloud.stands_on_a_table_named(&said_by(&outputs, "Table"));
        Some(Self { cloud, template, outputs })
    }

    /// What a resource is called in the account: what `Ref` answers.
    #[must_use]
    pub fn name_of(&self, resource: &str) -> String {
        said_by(&self.outputs, resource)
    }

    /// The variables of a function: those of the template, but for the way to the database, to Redis and to the emulator.
    pub async fn variables(&self, function: &str) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> =
            self.cloud.ways().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        for (name, _) in of_function(&self.template, function).filter(|(name, _)| !is_elsewhere(name)) {
            let text = said_by(&self.outputs, &key(function, name));
            all.push((name.clone(), self.with_secret(text).await));
        }
        if of_function(&self.template, function).any(|(name, _)| name == "DB_HOST") {
            all.push(("DATABASE_URL".to_owned(), self.cloud.database_url()));
        }
        all
    }

    /// A reference to a secret is filled in when a function is deployed, which the emulator would do only for a function of
    /// its own.
    async fn with_secret(&self, text: String) -> String {
        let reference = text
            .strip_prefix("{{resolve:secretsmanager:")
            .and_then(|rest| rest.strip_suffix(":SecretString}}"));
        let Some(secret) = reference else { return text };
        let asked = json!({ "SecretId": secret });
        let answer = self.cloud.json("secretsmanager", "secretsmanager.GetSecretValue", &asked).await;
        // The template asks for letters and digits, and the emulator's CloudFormation does not heed it.
        answer["SecretString"]
            .as_str()
            .expect("a secret")
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect()
    }

    /// Says to the topic of mail what SES would say, and answers what the queue hands to `mail-events`.
    pub async fn event_of_mail(&self, said: &Value) -> Value {
        let topic = self.name_of("MailEventsTopic");
        self.cloud
            .form("sns", &[("Action", "Publish"), ("TopicArn", &topic), ("Message", &said.to_string())])
            .await;
        let queue = json!({ "QueueUrl": self.name_of("MailEventsQueue"), "WaitTimeSeconds": 5 });
        let answer = self.cloud.json("sqs", "AmazonSQS.ReceiveMessage", &queue).await;
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        let record = |message: &Value| {
            json!({
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": {},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:waiterix",
                "awsRegion": "us-east-1",
            })
        };
        json!({ "Records": messages.iter().map(record).collect::<Vec<_>>() })
    }
}

fn is_elsewhere(name: &str) -> bool {
    ELSEWHERE.iter().any(|prefix| name.starts_with(prefix))
}

/// The resources the emulator is to make.
fn kept(template: &Value) -> Value {
    let all = template["Resources"].as_object().expect("resources");
    let kept = all.iter().filter(|(_, resource)| {
        let kind = resource["Type"].as_str().expect("a type");
        // What depends on a condition is there for some deployments only, and leads to nothing that the others need.
        resource.get("Condition").is_none() && KINDS.iter().any(|kept| kind.starts_with(kept))
    });
    kept.map(|(name, resource)| (name.clone(), resource.clone())).collect::<serde_json::Map<_, _>>().into()
}

/// Every expression whose value is wanted, as an output.
fn outputs(template: &Value) -> Value {
    let mut outputs = serde_json::Map::new();
    for (_, function) in FUNCTIONS {
        for (name, value) in of_function(template, function).filter(|(name, _)| !is_elsewhere(name)) {
            outputs.insert(key(function, name), json!({ "Value": value }));
        }
    }
    for resource in ["ObjectsBucket", "MailEventsTopic", "MailEventsQueue"] {
        outputs.insert(resource.to_owned(), json!({ "Value": { "Ref": resource } }));
    }
    outputs.insert("Table".to_owned(), json!({ "Value": { "Ref": "ConnectionsTable" } }));
    outputs.into()
}

fn of_function<'a>(template: &'a Value, function: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let (name, _) = FUNCTIONS.iter().find(|(_, own)| *own == function).expect("a function");
    let variables = &template["Resources"][name]["Properties"]["Environment"]["Variables"];
    variables.as_object().expect("variables").iter()
}

/// The output of a variable; such names are letters and digits.
fn key(function: &str, variable: &str) -> String {
    format!("{function}{variable}").replace(['_', '-'], "")
}

fn said_by(outputs: &BTreeMap<String, String>, key: &str) -> String {
    outputs.get(key).unwrap_or_else(|| panic!("the stack does not say {key}")).clone()
}
