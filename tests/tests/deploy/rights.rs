//! What each function may do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::template::{FUNCTIONS, Template, each, shown, templates};

const ARN: &str = "arn:${AWS::Partition}:";
const HERE: &str = "${AWS::Region}:${AWS::AccountId}:";
const TABLE: &str = "${ConnectionsTable.Arn}";
const OBJECTS: &str = "${ObjectsBucket.Arn}/*";
/// Actions on everything, because the service has no resources to name, and why a function needs them.
const UNBOUND: [(&str, &str); 10] = [
    ("xray:PutTraceSegments", "traces have no resources"),
    ("xray:PutTelemetryRecords", "traces have no resources"),
    ("ec2:CreateNetworkInterface", "the platform, not the code, puts the function into its network"),
    ("ec2:DescribeNetworkInterfaces", "likewise"),
    ("ec2:DescribeSubnets", "likewise"),
    ("ec2:DeleteNetworkInterface", "likewise"),
    ("ec2:AssignPrivateIpAddresses", "likewise"),
    ("ec2:UnassignPrivateIpAddresses", "likewise"),
    ("ses:GetSuppressedDestination", "the list is the account's"),
    ("ses:PutSuppressedDestination", "the list is the account's"),
];

fn role_of(function: &str) -> &'static str {
    match function {
        "api" => "ApiRole",
        "websocket" => "WebsocketRole",
        "relay" => "RelayRole",
        "mail-events" => "MailEventsRole",
        other => panic!("{other}?"),
    }
}

/// What is allowed, as action and resource.
fn allowed(template: &Template, role: &str) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    for statement in statements(template, role) {
        if statement["Effect"] == "Allow" {
            for action in each(&statement["Action"]) {
                for resource in each(&statement["Resource"]) {
                    all.insert((shown(action), shown(resource)));
                }
            }
        }
    }
    all
}

fn statements<'a>(template: &'a Template, role: &str) -> Vec<&'a Value> {
    let properties = template.properties(role);
    assert!(properties.get("ManagedPolicyArns").is_none(), "{role} has policies that others write");
    let policies = properties["Policies"].as_array().unwrap();
    policies.iter().flat_map(|policy| each(&policy["PolicyDocument"]["Statement"])).collect()
}

/// What the code of a function does, found by reading the adapters.
fn needed(stage: &str, function: &str) -> BTreeSet<(String, String)> {
    let log = format!("{ARN}logs:{HERE}log-group:/aws/lambda/waiterix-{stage}-{function}:*");
    let rows = format!("{ARN}rds-db:{HERE}dbuser:${{Database.DbiResourceId}}/waiterix");
    let callback =
        |method: &str| format!("{ARN}execute-api:{HERE}${{WebsocketsApi}}/{stage}/{method}/@connections/*");
    let manage = "execute-api:ManageConnections";
    let mut needed: Vec<(&str, String)> = vec![
        ("logs:CreateLogStream", log.clone()),
        ("logs:PutLogEvents", log),
        ("kms:Decrypt", "${Key.Arn}".to_owned()),
    ];
    needed.extend(
        UNBOUND
            .iter()
            .filter(|(action, _)| !action.starts_with("ses:"))
            .map(|(action, _)| (*action, "*".to_owned())),
    );
    let table = |actions: &[&'static str]| {
        actions.iter().map(|action| (*action, TABLE.to_owned())).collect::<Vec<_>>()
    };
    match function {
        "api" => {
            needed.push(("rds-db:connect", rows));
            needed.extend(table(&[
                "dynamodb:GetItem",
                "dynamodb:BatchGetItem",
                "dynamodb:UpdateItem",
                "dynamodb:DeleteItem",
            ]));
            needed.push(("dynamodb:Query", format!("{TABLE}/index/restaurantId-index")));
            needed.extend(["POST", "GET", "DELETE"].map(|method| (manage, callback(method))));
            let objects = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"];
            needed.extend(objects.map(|action| (action, OBJECTS.to_owned())));
            needed.push(("s3:ListBucket", "${ObjectsBucket.Arn}".to_owned()));
            needed.push(("ses:SendEmail", format!("{ARN}ses:{HERE}identity/mail.example.com")));
            needed.push((
                "ses:SendEmail",
                format!("{ARN}ses:{HERE}configuration-set/${{MailConfigurationSet}}"),
            ));
            needed.push(("ses:GetSuppressedDestination", "*".to_owned()));
        }
        "websocket" => {
            needed.push(("rds-db:connect", rows));
            needed.extend(table(&[
                "dynamodb:PutItem",
                "dynamodb:GetItem",
                "dynamodb:BatchGetItem",
                "dynamodb:UpdateItem",
                "dynamodb:DeleteItem",
            ]));
            needed.extend(["POST", "GET"].map(|method| (manage, callback(method))));
        }
        "relay" => {
            needed.push(("rds-db:connect", rows));
            needed.extend(table(&["dynamodb:Scan", "dynamodb:BatchWriteItem"]));
            needed.push((manage, callback("GET")));
            needed.push(("s3:DeleteObject", OBJECTS.to_owned()));
        }
        "mail-events" => {
            let queue = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];
            needed.extend(queue.map(|action| (action, "${MailEventsQueue.Arn}".to_owned())));
            needed.push(("ses:PutSuppressedDestination", "*".to_owned()));
        }
        other => panic!("{other}?"),
    }
    needed.into_iter().map(|(action, resource)| (action.to_owned(), resource)).collect()
}

#[test]
fn g149_a_function_may_do_what_its_code_does_and_nothing_else() {
    for template in templates() {
        for (_, function) in FUNCTIONS {
            let (allowed, needed) = (allowed(&template, role_of(function)), needed(template.stage, function));
            let more: Vec<_> = allowed.difference(&needed).collect();
            let fewer: Vec<_> = needed.difference(&allowed).collect();
            assert!(more.is_empty() && fewer.is_empty(), "{function}: too much {more:?}, missing {fewer:?}");
        }
    }
}

#[test]
fn g150_nothing_is_allowed_on_everything_but_what_has_no_resources() {
    for template in templates() {
        let mut unbound = BTreeMap::new();
        for (role, resource) in template.of_type("AWS::IAM::Role") {
            for policy in each(&resource["Properties"]["Policies"]) {
                for statement in each(&policy["PolicyDocument"]["Statement"]) {
                    if statement["Effect"] != "Allow" {
                        continue;
                    }
                    assert!(
                        statement.get("NotAction").is_none() && statement.get("NotResource").is_none(),
                        "{role}"
                    );
                    for action in each(&statement["Action"]) {
                        let action = shown(action);
                        assert!(!action.contains('*'), "{role}: {action}");
                        if each(&statement["Resource"]).iter().any(|resource| shown(resource) == "*") {
                            unbound.insert(action, role.to_owned());
                        }
                    }
                }
            }
        }
        let known: BTreeSet<&str> = UNBOUND.iter().map(|(action, _)| *action).collect();
        let found: BTreeSet<&str> = unbound.keys().map(String::as_str).collect();
        assert_eq!(found, known);
    }
}

#[test]
fn the_rights_of_the_platform_are_denied_to_the_code() {
    for template in templates() {
        for (_, function) in FUNCTIONS {
            let denied =
                statements(&template, role_of(function)).into_iter().find(|one| one["Effect"] == "Deny");
            let denied = denied.unwrap_or_else(|| panic!("{function} denies nothing"));
            let actions: BTreeSet<String> = each(&denied["Action"]).into_iter().map(shown).collect();
            let network =
                UNBOUND.iter().map(|(action, _)| *action).filter(|action| action.starts_with("ec2:"));
            assert_eq!(actions, network.map(str::to_owned).collect());
            let source = shown(&denied["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"]);
            assert_eq!(source, format!("{ARN}lambda:{HERE}function:waiterix-{}-{function}", template.stage));
        }
    }
}

#[test]
fn g083_every_function_has_a_role_of_its_own() {
    for template in templates() {
        for (name, function) in FUNCTIONS {
            let role = shown(&template.properties(name)["Role"]);
            assert_eq!(role, format!("${{{}.Arn}}", role_of(function)));
        }
        let others: Vec<_> = template
            .of_type("AWS::Lambda::Function")
            .into_keys()
            .filter(|name| !FUNCTIONS.iter().any(|(known, _)| known == name))
            .collect();
        assert!(others.is_empty(), "functions that are not ours: {others:?}");
    }
}

#[test]
fn who_may_call_a_function_is_named() {
    for template in templates() {
        for (name, permission) in template.of_type("AWS::Lambda::Permission") {
            let permission = &permission["Properties"];
            let source = shown(&permission["SourceArn"]);
            assert!(source.len() > 10 && source != "null", "{name}: {permission}");
            assert!(
                permission["Principal"].as_str().is_some_and(|who| who.ends_with(".amazonaws.com")),
                "{name}"
            );
        }
    }
}
