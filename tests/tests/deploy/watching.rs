//! Logs, alarms and the dashboard.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use waiterix_tests::tree::root;

use crate::template::{FUNCTIONS, Template, shown, templates};

/// What an alarm watches: one metric, or those of an expression. Each as namespace and name.
fn metrics(alarm: &Value) -> Vec<(&str, &str)> {
    if alarm["MetricName"].is_string() {
        return vec![named(alarm)];
    }
    let parts = alarm["Metrics"].as_array().expect("metrics");
    parts
        .iter()
        .map(|part| &part["MetricStat"]["Metric"])
        .filter(|metric| metric.is_object())
        .map(named)
        .collect()
}

fn named(metric: &Value) -> (&str, &str) {
    (metric["Namespace"].as_str().expect("a namespace"), metric["MetricName"].as_str().expect("a name"))
}

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
            for (namespace, metric) in metrics(alarm) {
                found.entry(namespace).or_default().insert(metric);
            }
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

/// How the page on watching says what an alarm on a number of the service itself is for, and when it goes off.
fn told(alarm: &Value) -> (String, String) {
    let number = |member: &str| alarm[member].as_u64().unwrap_or_else(|| panic!("no {member}: {alarm}"));
    let limit = number("Threshold");
    let watched: Vec<&str> = metrics(alarm).into_iter().map(|(_, name)| name).collect();
    let period = alarm["Metrics"][1]["MetricStat"]["Period"].as_u64().unwrap_or_else(|| number("Period"));
    let minutes = match period * number("EvaluationPeriods") / 60 {
        1 => "a minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    };
    assert_eq!(number("EvaluationPeriods"), number("DatapointsToAlarm"), "all the time: {alarm}");
    let compares = alarm["ComparisonOperator"].as_str();
    if watched == ["Faults"] {
        assert_eq!((compares, &alarm["Statistic"]), (Some("GreaterThanOrEqualToThreshold"), &"Sum".into()));
        let port = &alarm["Dimensions"][0];
        assert_eq!((&port["Name"], alarm["Dimensions"].as_array().map(Vec::len)), (&"Port".into(), Some(1)));
        let name = format!("`Faults` of `{}`", port["Value"].as_str().expect("a port"));
        return (name, format!("{limit} within {minutes}"));
    }
    assert_eq!((compares, &alarm["Dimensions"]), (Some("GreaterThanThreshold"), &Value::Null), "{alarm}");
    if watched == ["RequestFaults", "Requests"] {
        assert_eq!(alarm["Metrics"][0]["Expression"], "100 * faults / requests");
        assert_eq!([&alarm["Metrics"][1]["Id"], &alarm["Metrics"][2]["Id"]], ["faults", "requests"]);
        return ("`RequestFaults / Requests`".to_owned(), format!("above {limit} % for {minutes}"));
    }
    let part = alarm["ExtendedStatistic"].as_str().unwrap_or_else(|| panic!("{alarm}"));
    assert_eq!(limit % 1_000, 0, "{alarm}");
    (format!("{part} of `{}`", watched[0]), format!("above {} s for {minutes}", limit / 1_000))
}

/// The alarms of a template on what the service itself counts.
fn own(template: &Template) -> BTreeSet<(String, String)> {
    let namespace = format!("Waiterix/{}", template.stage);
    let all = template.of_type("AWS::CloudWatch::Alarm").into_values().map(|alarm| &alarm["Properties"]);
    all.filter(|alarm| metrics(alarm).iter().all(|(of, _)| *of == namespace)).map(told).collect()
}

#[test]
fn every_alarm_that_the_page_on_watching_advises_is_there_with_its_limits() {
    let page = std::fs::read_to_string(root().join("docs/watching.md")).unwrap();
    let (_, chapter) = page.split_once("\n## What to alarm on\n").expect("the chapter");
    let cells = |row: &str| row.split(" | ").map(|cell| cell.trim_matches(['|', ' ']).to_owned()).collect();
    let rows: Vec<Vec<String>> = chapter.lines().filter(|line| line.starts_with("| ")).map(cells).collect();
    // What the platform counts, a test of every function looks for.
    let advised: BTreeSet<(String, String)> = rows
        .into_iter()
        .skip(1)
        .filter(|row| !row[0].contains("AWS/Lambda"))
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    assert_eq!(advised.len(), 7, "{advised:?}");
    for template in templates() {
        assert_eq!(own(&template), advised, "{}", template.stage);
        let variables = &template.properties("ApiLambdaFunction")["Environment"]["Variables"];
        assert_eq!(
            variables["METRICS_NAMESPACE"],
            format!("Waiterix/{}", template.stage),
            "where they are counted"
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
