//! Settings of realtime connections held by API Gateway.

use std::time::Duration;

use waiterix_ports::vars::Vars;

use super::endpoint::{AllowedHost, Endpoint};

/// The name of the table in the migration guide.
const TABLE: &str = "waiterix-websocket-connections";
/// The index over restaurants.
const INDEX: &str = "restaurantId-index";
/// Posts under way at once for one event.
const PARALLEL_POSTS: usize = 64;
const MAX_PARALLEL_POSTS: usize = 1024;
/// How long publishing an event may take.
const DEADLINE_MS: u64 = 5_000;
/// API Gateway gives up on a function after 29 s.
const MAX_DEADLINE_MS: u64 = 25_000;
/// A function that answers `$connect` has this long; until it has answered, callbacks say that the connection is gone.
const GRACE: Duration = Duration::from_secs(30);

/// Where connections are registered and how they are called back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiGatewaySettings {
    /// The DynamoDB table of connections.
    pub table: String,
    /// Its index over restaurants.
    pub index: String,
    /// The one address that all callbacks go to; without it each goes where the connection's item says.
    pub endpoint: Option<Endpoint>,
    /// Hosts that an item may name. If there are none, the hosts of API Gateway in the region of the clients.
    pub allowed_hosts: Vec<AllowedHost>,
    /// How many callbacks of one event are under way at once. One that gets no answer holds its place for two seconds.
    pub parallel_posts: usize,
    /// How long publishing an event may take altogether.
    pub deadline: Duration,
    /// For how long after it was made a connection is not taken for gone, whatever the gateway says.
    pub grace: Duration,
}

impl Default for ApiGatewaySettings {
    /// What holds when nothing is set.
    fn default() -> Self {
        Self {
            table: TABLE.to_owned(),
            index: INDEX.to_owned(),
            endpoint: None,
            allowed_hosts: Vec::new(),
            parallel_posts: PARALLEL_POSTS,
            deadline: Duration::from_millis(DEADLINE_MS),
            grace: GRACE,
        }
    }
}

impl ApiGatewaySettings {
    /// Reads the settings; problems are noted in `vars`.
    #[must_use]
    pub fn read(vars: &mut Vars<'_>) -> Self {
        let mut settings = Self::default();
        if let Some(table) = vars.text("WEBSOCKET_CONNECTIONS_TABLE") {
            check_name(vars, "WEBSOCKET_CONNECTIONS_TABLE", &table);
            settings.table = table;
        }
        if let Some(index) = vars.text("WEBSOCKET_CONNECTIONS_INDEX") {
            check_name(vars, "WEBSOCKET_CONNECTIONS_INDEX", &index);
            settings.index = index;
        }
        if let Some(text) = vars.text("WEBSOCKET_API_ENDPOINT") {
            settings.endpoint = Endpoint::parse(&text);
            if settings.endpoint.is_none() {
                let fault = "must be an https URL such as https://ID.execute-api.REGION.amazonaws.com/STAGE";
                vars.problem("WEBSOCKET_API_ENDPOINT", fault);
            }
        }
        if let Some(list) = vars.text("WEBSOCKET_ALLOWED_HOSTS") {
            for text in list.split(',').map(str::trim) {
                match AllowedHost::parse(text) {
                    Some(entry) => settings.allowed_hosts.push(entry),
                    None => vars.problem(
                        "WEBSOCKET_ALLOWED_HOSTS",
                        "must be hosts or ids of APIs, separated by commas, without wildcards",
                    ),
                }
            }
        }
        if let Some(count) = vars.parsed::<usize>("WEBSOCKET_PARALLEL_POSTS", "a number from 1 to 1024") {
            if (1..=MAX_PARALLEL_POSTS).contains(&count) {
                settings.parallel_posts = count;
            } else {
                vars.problem("WEBSOCKET_PARALLEL_POSTS", "must be a number from 1 to 1024");
            }
        }
        if let Some(ms) =
            vars.parsed::<u64>("WEBSOCKET_PUBLISH_DEADLINE_MS", "milliseconds from 100 to 25000")
        {
            if (100..=MAX_DEADLINE_MS).contains(&ms) {
                settings.deadline = Duration::from_millis(ms);
            } else {
                vars.problem("WEBSOCKET_PUBLISH_DEADLINE_MS", "must be milliseconds from 100 to 25000");
            }
        }
        settings
    }
}

/// Names of tables and indexes, as DynamoDB allows them.
fn check_name(vars: &mut Vars<'_>, name: &'static str, text: &str) {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if !(3..=255).contains(&text.len()) || !text.bytes().all(fine) {
        vars.problem(name, "must be 3 to 255 letters, digits, dots, hyphens and underscores");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (ApiGatewaySettings, Vec<String>) {
        let map: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut vars = Vars::new(&map);
        let settings = ApiGatewaySettings::read(&mut vars);
        (settings, vars.problems().iter().map(ToString::to_string).collect())
    }

    fn read_well(name: &str, value: &str) -> ApiGatewaySettings {
        let (settings, problems) = read(&[(name, value)]);
        assert_eq!(problems, Vec::<String>::new(), "{name}={value}");
        settings
    }

    fn assert_refused(name: &str, values: &[&str]) {
        for value in values {
            let (_, problems) = read(&[(name, value)]);
            assert_eq!(problems.len(), 1, "{name}={value}: {problems:?}");
            assert!(problems[0].starts_with(name), "{problems:?}");
            assert!(value.len() < 4 || !problems[0].contains(value), "{problems:?}");
        }
    }

    #[test]
    fn nothing_set_gives_the_names_of_the_guide_without_problems() {
        let (settings, problems) = read(&[]);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(settings, ApiGatewaySettings::default());
        assert_eq!(settings.table, "waiterix-websocket-connections");
        assert_eq!(settings.index, "restaurantId-index");
        assert_eq!(settings.deadline, Duration::from_secs(5));
    }

    #[test]
    fn g054_the_table_is_configured() {
        assert_eq!(
            read_well("WEBSOCKET_CONNECTIONS_TABLE", " connections.test-1 ").table,
            "connections.test-1"
        );
        assert_refused(
            "WEBSOCKET_CONNECTIONS_TABLE",
            &["ab", "two words", "arn:aws:dynamodb", &"x".repeat(256)],
        );
    }

    #[test]
    fn the_index_is_configured() {
        assert_eq!(read_well("WEBSOCKET_CONNECTIONS_INDEX", "by-restaurant").index, "by-restaurant");
        assert_refused("WEBSOCKET_CONNECTIONS_INDEX", &["x", "by/restaurant"]);
    }

    #[test]
    fn r14_the_endpoint_is_configured() {
        let settings = read_well("WEBSOCKET_API_ENDPOINT", "https://ws.example.org/live/");
        assert_eq!(settings.endpoint.unwrap().as_str(), "https://ws.example.org/live");
        let bad = [
            "wss://ws.example.org/live",
            "http://ws.example.org/live",
            "ws.example.org",
            "https://a:b@c.org",
        ];
        assert_refused("WEBSOCKET_API_ENDPOINT", &bad);
    }

    #[test]
    fn r14_the_allowed_hosts_are_configured() {
        let settings = read_well("WEBSOCKET_ALLOWED_HOSTS", "abc123defg, ws.example.org");
        let expected =
            [AllowedHost::Api("abc123defg".to_owned()), AllowedHost::Named("ws.example.org".to_owned())];
        assert_eq!(settings.allowed_hosts, expected);
        assert_refused(
            "WEBSOCKET_ALLOWED_HOSTS",
            &["*.amazonaws.com", "https://ws.example.org", "a.example.org,"],
        );
    }

    #[test]
    fn r13_the_number_of_posts_at_once_is_configured() {
        assert_eq!(read_well("WEBSOCKET_PARALLEL_POSTS", "8").parallel_posts, 8);
        assert_refused("WEBSOCKET_PARALLEL_POSTS", &["0", "1025", "-1", "many"]);
    }

    #[test]
    fn r13_the_deadline_is_configured() {
        let settings = read_well("WEBSOCKET_PUBLISH_DEADLINE_MS", "2500");
        assert_eq!(settings.deadline, Duration::from_millis(2500));
        assert_refused("WEBSOCKET_PUBLISH_DEADLINE_MS", &["99", "25001", "soon"]);
    }
}
