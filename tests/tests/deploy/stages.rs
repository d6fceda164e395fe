//! Stages differ in names and sizes, and in nothing else.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::template::{Template, templates};

/// Where stages may differ, by the end of the path: sizes, and how long something is kept.
const SIZES: [&str; 25] = [
    "Properties/AllocatedStorage",
    "Properties/AutomaticFailoverEnabled",
    "Properties/BackupRetentionPeriod",
    "Properties/CacheNodeType",
    "Properties/DBInstanceClass",
    "Properties/DeletionProtection",
    "Properties/DeletionProtectionEnabled",
    "Properties/MaxAllocatedStorage",
    "Properties/MultiAZ",
    "Properties/MultiAZEnabled",
    "Properties/NumCacheClusters",
    "Properties/ReservedConcurrentExecutions",
    "Properties/RetentionInDays",
    "Properties/SnapshotRetentionLimit",
    "DefaultRouteSettings/ThrottlingBurstLimit",
    "DefaultRouteSettings/ThrottlingRateLimit",
    "MethodSettings/0/ThrottlingBurstLimit",
    "MethodSettings/0/ThrottlingRateLimit",
    "DatabaseConnectionsAlarm/Properties/Threshold",
    "Conditions/NatInEachZone/Fn::Equals/0",
    // When it was packaged is part of where an archive is.
    "ApiLambdaFunction/Properties/Code/S3Key",
    "WebsocketLambdaFunction/Properties/Code/S3Key",
    "RelayLambdaFunction/Properties/Code/S3Key",
    "MailDasheventsLambdaFunction/Properties/Code/S3Key",
    "WebsocketsDeploymentStage/Properties/DeploymentId/Ref",
];

/// Every leaf, with its path. The name of the stage is taken out wherever it stands.
fn leaves(stage: &str, path: &str, value: &Value, found: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                // The logical name of this one is a digest of what it holds, the name of the stage included.
                let key = if key.starts_with("WebsocketsDeployment") && key != "WebsocketsDeploymentStage" {
                    "WebsocketsDeployment"
                } else {
                    key
                };
                leaves(stage, &format!("{path}/{key}"), value, found);
            }
        }
        Value::Array(list) => {
            for (place, value) in list.iter().enumerate() {
                leaves(stage, &format!("{path}/{place}"), value, found);
            }
        }
        leaf => {
            let text = leaf.as_str().map_or_else(|| leaf.to_string(), |text| text.replace(stage, "STAGE"));
            found.insert((path.to_owned(), text));
        }
    }
}

fn flat(template: &Template) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    leaves(template.stage, "", &template.all, &mut found);
    assert!(found.len() > 1_000, "only {} values", found.len());
    found
}

#[test]
fn g151_stages_differ_in_names_and_sizes_and_in_nothing_else() {
    let templates = templates();
    let Some((last, others)) = templates.split_last() else { return };
    let production = flat(last);
    let mut used = BTreeSet::new();
    for template in others {
        let mut foreign = Vec::new();
        for (path, value) in flat(template).symmetric_difference(&production) {
            match SIZES.iter().find(|size| path.ends_with(*size)) {
                Some(size) => drop(used.insert(*size)),
                None => foreign.push(format!("{path}: {value}")),
            }
        }
        assert!(foreign.is_empty(), "{} differs from production:\n{}", template.stage, foreign.join("\n"));
    }
    let unused: Vec<_> = SIZES.iter().filter(|size| !used.contains(*size)).collect();
    assert!(unused.is_empty(), "these are the same in all stages: {unused:?}");
}

#[test]
fn production_is_large_enough_to_lose_a_machine() {
    for template in templates().iter().filter(|template| template.stage == "production") {
        let (database, sessions) = (template.properties("Database"), template.properties("Sessions"));
        assert_eq!(database["MultiAZ"], true);
        assert_eq!(database["DeletionProtection"], true);
        assert!(database["BackupRetentionPeriod"].as_u64().unwrap() >= 7);
        assert_eq!(sessions["AutomaticFailoverEnabled"], true);
        assert!(sessions["NumCacheClusters"].as_u64().unwrap() >= 2);
        assert_eq!(template.all["Conditions"]["NatInEachZone"]["Fn::Equals"][0], "gateways 2");
    }
}

/// Most connections of PostgreSQL on RDS: memory in bytes divided by 9,531,392, less what RDS keeps for itself.
fn connections(class: &str) -> u64 {
    let gibibytes = match class.rsplit('.').next().unwrap() {
        "micro" => 1,
        "small" => 2,
        "medium" => 4,
        "large" => 8,
        other => panic!("how much memory has a {other}?"),
    };
    gibibytes * 1024 * 1024 * 1024 / 9_531_392 - 10
}

#[test]
fn g161_all_functions_at_once_find_connections_to_the_database() {
    for template in templates() {
        let mut wanted = 0;
        for name in ["ApiLambdaFunction", "WebsocketLambdaFunction", "RelayLambdaFunction"] {
            let function = template.properties(name);
            let pool: u64 =
                function["Environment"]["Variables"]["DB_POOL_MAX"].as_str().unwrap().parse().unwrap();
            wanted += pool * function["ReservedConcurrentExecutions"].as_u64().unwrap();
        }
        let there = connections(template.properties("Database")["DBInstanceClass"].as_str().unwrap());
        assert!(wanted <= there, "{}: {wanted} wanted, {there} there", template.stage);
        let alarm = template.properties("DatabaseConnectionsAlarm")["Threshold"].as_u64().unwrap();
        assert!(alarm < there && alarm * 2 > there, "{}: an alarm at {alarm} of {there}", template.stage);
    }
}
