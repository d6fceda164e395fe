//! A packaged template.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use waiterix_backends::deployment::{self, STAGES};

/// The functions, by their names in the template and in the code.
pub(crate) const FUNCTIONS: [(&str, &str); 4] = [
    ("ApiLambdaFunction", "api"),
    ("WebsocketLambdaFunction", "websocket"),
    ("RelayLambdaFunction", "relay"),
    ("MailDasheventsLambdaFunction", "mail-events"),
];

/// The template of a stage.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) stage: &'static str,
    pub(crate) all: Value,
}

/// The templates of all stages; none, which is said loudly, where nothing has packaged them.
pub(crate) fn templates() -> Vec<Template> {
    let Some(folder) = deployment::given() else { return Vec::new() };
    STAGES
        .into_iter()
        .map(|stage| {
            let file = deployment::template(&folder, stage);
            let text =
                fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            Template { stage, all: serde_json::from_str(&text).unwrap() }
        })
        .collect()
}

impl Template {
    pub(crate) fn resources(&self) -> &serde_json::Map<String, Value> {
        self.all["Resources"].as_object().unwrap()
    }

    /// All resources of a type, by name.
    pub(crate) fn of_type(&self, kind: &str) -> BTreeMap<&str, &Value> {
        let all = self.resources().iter().filter(|(_, resource)| resource["Type"] == kind);
        let found: BTreeMap<&str, &Value> = all.map(|(name, value)| (name.as_str(), value)).collect();
        assert!(!found.is_empty(), "{}: there is no {kind}", self.stage);
        found
    }

    /// What a resource is to be like.
    pub(crate) fn properties(&self, name: &str) -> &Value {
        let properties =
            &self.resources().get(name).unwrap_or_else(|| panic!("there is no {name}"))["Properties"];
        assert!(properties.is_object(), "{name} has no properties");
        properties
    }
}

/// A value, or each of a list of values.
pub(crate) fn each(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |list| list.iter().collect())
}

/// A value as a person would write it: references as `${Name}` and `${Name.Attribute}`.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(map) if map.len() == 1 => match map.iter().next().unwrap() {
            (key, Value::String(name)) if key == "Ref" => format!("${{{name}}}"),
            (key, Value::String(text)) if key == "Fn::Sub" => text.clone(),
            (key, Value::Array(path)) if key == "Fn::GetAtt" => {
                let path: Vec<&str> = path.iter().map(|part| part.as_str().unwrap()).collect();
                format!("${{{}}}", path.join("."))
            }
            _ => value.to_string(),
        },
        other => other.to_string(),
    }
}
