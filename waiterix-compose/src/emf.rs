//! CloudWatch's embedded metric format: numbers as lines of the log, which CloudWatch makes metrics of.
//!
//! The format is that of
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.

use serde_json::{Map, Value, json};
use waiterix_domain::Timestamp;

/// The most values of one metric in one line.
pub(crate) const MAX_VALUES: usize = 100;

/// What of a line is to become metrics, and by which dimensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Directive {
    /// Names of labels; none for the sum of everything.
    pub(crate) dimensions: &'static [&'static str],
    /// Names of values with their units.
    pub(crate) metrics: &'static [(&'static str, &'static str)],
}

/// One line, without its end.
pub(crate) fn line<'a>(
    namespace: &str,
    now: Timestamp,
    directives: &[Directive],
    labels: impl IntoIterator<Item = (&'static str, &'a str)>,
    values: impl IntoIterator<Item = (&'static str, Value)>,
) -> String {
    let directives: Vec<Value> = directives
        .iter()
        .map(|Directive { dimensions, metrics }| {
            let metrics: Vec<Value> =
                metrics.iter().map(|(name, unit)| json!({ "Name": name, "Unit": unit })).collect();
            json!({ "Namespace": namespace, "Dimensions": [dimensions], "Metrics": metrics })
        })
        .collect();
    let mut line = Map::new();
    line.insert("_aws".to_owned(), json!({ "Timestamp": now.as_millis(), "CloudWatchMetrics": directives }));
    line.extend(labels.into_iter().map(|(name, label)| (name.to_owned(), Value::from(label))));
    line.extend(values.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Value::Object(line).to_string()
}
