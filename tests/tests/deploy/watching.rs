//! Logs, alarms and the dashboard.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::template::{FUNCTIONS, shown, templates};

#[test]
fn g142_every_log_is_kept_for_a_time_and_no_longer() {
    for template in templates() {
        let groups: BTreeMap<String, u64> = template
            .of_type("AWS::Logs::LogGroup")
            .into_values()
            .map(|group| &group["Properties"])
            .map(|group| (shown(&group["LogGroupName"]), group["RetentionInDays"].as_u64().expect("a time")))
            .collect();
        for (_, function) in FUNCTIONS {
            let log = format!("/aws/lambda/waiterix-{}-{function}", template.stage);
            assert!(groups.contains_key(&log), "{log} would be made by the platform, for ever");
        }
        assert!(groups.values().all(|days| (7..=400).contains(days)), "{groups:?}");
    }
}

#[test]
fn g174_there_is_an_alarm_for_every_dependency() {
    let expected = [
        ("AWS/Lambda", ["Errors", "Throttles"].as_slice()),
        ("AWS/ApiGateway", &["5XXError", "Latency", "IntegrationError"]),
        ("AWS/RDS", &["CPUUtilization", "DatabaseConnections", "FreeStorageSpace", "FreeableMemory"]),
        (
            "AWS/ElastiCache",
            &["CurrConnections", "DatabaseMemoryUsagePercentage", "EngineCPUUtilization", "Evictions"],
        ),
        ("AWS/DynamoDB", &["SystemErrors", "ThrottledRequests"]),
        ("AWS/S3", &["5xxErrors"]),
        ("AWS/SES", &["Reputation.BounceRate", "Reputation.ComplaintRate"]),
        ("AWS/SQS", &["ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"]),
        ("AWS/NATGateway", &["ErrorPortAllocation"]),
    ];
    for template in templates() {
        let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (name, alarm) in template.of_type("AWS::CloudWatch::Alarm") {
            let alarm = &alarm["Properties"];
            let text = |member: &str| alarm[member].as_str().unwrap_or_else(|| panic!("{name}: no {member}"));
            found.entry(text("Namespace")).or_default().insert(text("MetricName"));
            // Somebody hears of it, and is told what it means.
            assert_eq!(
                alarm["AlarmActions"].as_array().map(|all| shown(&all[0])).as_deref(),
                Some("${AlarmTopic}")
            );
            assert!(text("AlarmDescription").split_whitespace().count() >= 5, "{name}");
            assert!(alarm["EvaluationPeriods"].as_u64() >= alarm["DatapointsToAlarm"].as_u64(), "{name}");
        }
        for (namespace, metrics) in expected {
            for metric in metrics {
                assert!(
                    found.get(namespace).is_some_and(|all| all.contains(metric)),
                    "no alarm on {namespace} {metric}"
                );
            }
        }
        let receiver = template.properties("AlarmReceiver");
        assert_eq!(
            (shown(&receiver["TopicArn"]).as_str(), &receiver["Protocol"]),
            ("${AlarmTopic}", &"email".into())
        );
    }
}

#[test]
fn every_function_has_alarms_of_its_own() {
    for template in templates() {
        let alarms = template.of_type("AWS::CloudWatch::Alarm");
        for (name, function) in FUNCTIONS {
            for metric in ["Errors", "Throttles"] {
                let watches = |alarm: &&&Value| {
                    alarm["Properties"]["MetricName"] == metric
                        && shown(&alarm["Properties"]["Dimensions"][0]["Value"]) == format!("${{{name}}}")
                };
                assert!(alarms.values().any(|alarm| watches(&alarm)), "{function}: {metric}");
            }
        }
    }
}

#[test]
fn g175_the_dashboard_can_be_read_and_shows_every_dependency() {
    for template in templates() {
        let body = shown(&template.properties("Dashboard")["DashboardBody"]);
        let body: Value = serde_json::from_str(&body).unwrap();
        let widgets = body["widgets"].as_array().unwrap();
        let mut shows = BTreeSet::new();
        for widget in widgets {
            for metric in widget["properties"]["metrics"].as_array().unwrap() {
                shows.insert(metric[0].as_str().unwrap().to_owned());
            }
            assert!(widget["x"].as_u64().unwrap() + widget["width"].as_u64().unwrap() <= 24, "{widget}");
        }
        let services =
            ["ApiGateway", "Lambda", "RDS", "ElastiCache", "DynamoDB", "S3", "SES", "SQS", "CloudFront"];
        let missing: Vec<_> = services.iter().filter(|one| !shows.contains(&format!("AWS/{one}"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
