//! Objects and sessions of both sides, looked at past the service: by HTTP in the storages, by Redis' own protocol and SQL.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::compare::Comparison;
use super::sides::Sides;
use crate::command::Failure;

/// How far the ends of a session may be apart on both sides, in milliseconds.
const TOLERANCE_MS: u64 = 1_000;
/// How long Redis may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The keys of the old side with the names of their objects.
async fn old_keys(sides: &Sides) -> Result<(String, BTreeMap<String, String>), Failure> {
    let folder = |variable: &str| {
        let text = sides.variable(variable).trim_start_matches('/');
        let (bucket, folder) = text.split_once('/').unwrap_or((text, ""));
        (bucket.to_owned(), format!("{folder}/"))
    };
    let (bucket, private) = folder("PRIVATE_OBJECT_DIR");
    let (_, public) = folder("PUBLIC_OBJECT_SEARCH_PATHS");
    let mut keys = BTreeMap::new();
    let mut token = String::new();
    loop {
        let page = format!("/storage/v1/b/{bucket}/o?maxResults=1000{token}");
        let page = sides.google.json(&page, &old_right(sides)).await?;
        for item in page["items"].as_array().into_iter().flatten() {
            let name = item["name"].as_str().unwrap_or_default();
            if let Some(key) = name.strip_prefix(&private) {
                keys.insert(key.to_owned(), name.to_owned());
            } else if let Some(key) = name.strip_prefix(&public) {
                keys.insert(format!("public/{key}"), name.to_owned());
            }
        }
        let Some(next) = page["nextPageToken"].as_str() else { return Ok((bucket, keys)) };
        token = format!("&pageToken={}", encoded(next));
    }
}

fn old_right(sides: &Sides) -> [(&'static str, String); 1] {
    [("authorization", format!("Bearer {}", sides.variable("STORAGE_TOKEN")))]
}

fn new_right() -> [(&'static str, String); 1] {
    [("authorization", Sides::authorization("s3"))]
}

/// The keys of the new side.
async fn new_keys(sides: &Sides) -> Result<Vec<String>, Failure> {
    let mut keys = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/{}?list-type=2{after}", sides.bucket());
        let page = sides.amazon.call("GET", &path, &new_right(), b"").await?;
        let text = String::from_utf8_lossy(&page).into_owned();
        let found = text.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
        keys.extend(found.map(|(key, _)| key.replace("&amp;", "&")));
        if !text.contains("<IsTruncated>true</IsTruncated>") {
            return Ok(keys);
        }
        let last = keys.last().map(|key| encoded(key)).unwrap_or_default();
        after = format!("&start-after={last}");
    }
}

/// Compares all objects byte by byte.
pub(super) async fn objects(sides: &Sides, comparison: &mut Comparison) -> Result<(), Failure> {
    let ((bucket, old), new) = (old_keys(sides).await?, new_keys(sides).await?);
    let missing = old.keys().filter(|key| !new.contains(key)).count();
    let extra = new.iter().filter(|key| !old.contains_key(*key)).count();
    comparison.found(missing, || format!("{missing} objects are not on the new side"));
    comparison.found(extra, || format!("{extra} objects are on the new side only"));
    let mut other = 0;
    for key in &new {
        let Some(name) = old.get(key) else { continue };
        let path = format!("/storage/v1/b/{bucket}/o/{}?alt=media", encoded(name));
        let here = sides.google.call("GET", &path, &old_right(sides), b"").await?;
        let path = format!("/{}/{}", sides.bucket(), encoded(key).replace("%2F", "/"));
        let there = sides.amazon.call("GET", &path, &new_right(), b"").await?;
        other += usize::from(here != there);
    }
    comparison.found(other, || format!("{other} objects hold other bytes on the new side"));
    comparison.objects = old.len();
    Ok(())
}

/// Compares which sessions there are and when they end.
pub(super) fn sessions(sides: &Sides, comparison: &mut Comparison) -> Result<(), Failure> {
    let text = sides.old.script(
        "SELECT sid, round(extract(epoch FROM expire) * 1000) FROM sessions WHERE expire > now() AT TIME ZONE 'UTC'",
        &[],
    )?;
    let old: BTreeMap<&str, u64> = text
        .lines()
        .filter_map(|line| line.split_once('|'))
        .map(|(sid, end)| (sid, end.parse().unwrap_or(0)))
        .collect();
    let mut redis = Redis::connect(&sides.redis)?;
    let mut new = BTreeMap::new();
    for key in redis.keys("session:*")? {
        let end = redis.ask(&["PEXPIRETIME", &key])?.first().and_then(|text| text.parse().ok()).unwrap_or(0);
        new.insert(key.trim_start_matches("session:").to_owned(), end);
    }
    let missing = old.keys().filter(|sid| !new.contains_key(**sid)).count();
    let extra = new.keys().filter(|sid| !old.contains_key(sid.as_str())).count();
    let apart = |(sid, end): (&&str, &u64)| {
        new.get(*sid).is_some_and(|other: &u64| other.abs_diff(*end) > TOLERANCE_MS)
    };
    let moved = old.iter().filter(|entry| apart(*entry)).count();
    comparison.found(missing, || format!("{missing} sessions are not on the new side"));
    comparison.found(extra, || format!("{extra} sessions are on the new side only"));
    comparison.found(moved, || format!("{moved} sessions end at another time on the new side"));
    comparison.sessions = old.len();
    Ok(())
}

/// A text as one segment of a path or value of a query.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A connection that speaks RESP2.
struct Redis {
    input: BufReader<TcpStream>,
}

impl Redis {
    fn connect(address: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { input: BufReader::new(stream) })
    }

    fn keys(&mut self, pattern: &str) -> Result<Vec<String>, Failure> {
        let (mut keys, mut cursor) = (Vec::new(), "0".to_owned());
        loop {
            let mut answer = self.ask(&["SCAN", &cursor, "MATCH", pattern, "COUNT", "1000"])?.into_iter();
            cursor = answer.next().unwrap_or_default();
            keys.extend(answer);
            if cursor == "0" {
                // A scan may tell a key twice.
                keys.sort();
                keys.dedup();
                return Ok(keys);
            }
        }
    }

    /// The answer of a command, lists within lists laid flat.
    fn ask(&mut self, words: &[&str]) -> Result<Vec<String>, Failure> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.input.get_mut().write_all(request.as_bytes())?;
        let mut flat = Vec::new();
        self.read(&mut flat)?;
        Ok(flat)
    }

    fn read(&mut self, flat: &mut Vec<String>) -> Result<(), Failure> {
        let mut line = String::new();
        self.input.read_line(&mut line)?;
        let (kind, rest) = line.trim_end().split_at_checked(1).unwrap_or_default();
        match kind {
            "*" => {
                for _ in 0..rest.parse().unwrap_or(0) {
                    self.read(flat)?;
                }
            }
            "$" => {
                let mut bytes = vec![0; rest.parse::<usize>().unwrap_or(0) + 2];
                self.input.read_exact(&mut bytes)?;
                bytes.truncate(bytes.len() - 2);
                flat.push(String::from_utf8_lossy(&bytes).into_owned());
            }
            ":" | "+" => flat.push(rest.to_owned()),
            _ => return Err(Failure::Said(format!("Redis said {line:?}"))),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_segment() {
        assert_eq!(encoded("public/a b.png"), "public%2Fa%20b.png");
    }
}
