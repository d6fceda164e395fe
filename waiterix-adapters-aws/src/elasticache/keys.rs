//! What the server holds, for walks over all of it: by `SCAN`, which takes little at a time and blocks nobody.

use async_trait::async_trait;
use waiterix_domain::Timestamp;
use waiterix_ports::moving::{KeyPage, SessionKeys, TempKey};
use waiterix_ports::session::is_session_id;
use waiterix_ports::{Error, ErrorKind, Result, SessionId};

use super::link::Repeat;
use super::record::{session_key, temp_key};
use super::store::RedisSessionStore;

/// A text in which a pattern of Redis means nothing but itself.
fn literally(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut pattern, character| {
        if matches!(character, '*' | '?' | '[' | ']' | '^' | '-' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
        pattern
    })
}

impl RedisSessionStore {
    /// One step of a scan for keys that begin with a text, without it.
    async fn scan(
        &self,
        operation: &'static str,
        beginning: &str,
        from: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<String>, Option<String>)> {
        let cursor: u64 = match from {
            None => 0,
            Some(from) => from.parse().map_err(|_| {
                Error::new(ErrorKind::Invalid, operation).with("fault", "not where a page begins")
            })?,
        };
        let mut command = redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(format!("{}*", literally(beginning)));
        // Without the type there would be other keys among them that happen to begin alike.
        command.arg("COUNT").arg(limit.max(1)).arg("TYPE").arg("string");
        let reply = self.link().ask::<(u64, Vec<Vec<u8>>)>(operation, &command, Repeat::Harmless).await?;
        let (next, keys) = reply.value;
        let rest = |key: Vec<u8>| String::from_utf8(key).ok()?.strip_prefix(beginning).map(str::to_owned);
        Ok((keys.into_iter().filter_map(rest).collect(), (next != 0).then(|| next.to_string())))
    }
}

/// A place is a cursor of the server, which keeps it through everything but a restart. After one a walk may have missed keys, as
/// a comparison would show; so a walk that was interrupted by that begins anew.
#[async_trait]
impl SessionKeys for RedisSessionStore {
    async fn session_ids(&self, from: Option<&str>, limit: u32) -> Result<KeyPage<SessionId>> {
        const OPERATION: &str = "session.session_ids";
        let beginning = session_key(&SessionId::new(""));
        let (ids, next) = self.scan(OPERATION, &beginning, from, limit).await?;
        let keys = ids.into_iter().filter(|id| is_session_id(id)).map(SessionId::new).collect();
        Ok(KeyPage { keys, next })
    }

    async fn temp_keys(&self, prefix: &str, from: Option<&str>, limit: u32) -> Result<KeyPage<TempKey>> {
        const OPERATION: &str = "session.temp_keys";
        let (rests, next) = self.scan(OPERATION, &temp_key(prefix), from, limit).await?;
        if rests.is_empty() {
            return Ok(KeyPage { keys: Vec::new(), next });
        }
        let keys: Vec<String> = rests.into_iter().map(|rest| format!("{prefix}{rest}")).collect();
        let mut ends = redis::Pipeline::with_capacity(keys.len());
        for key in &keys {
            ends.cmd("PEXPIRETIME").arg(temp_key(key));
        }
        let ends = self.link().ask_all::<Vec<i64>>(OPERATION, &ends).await?;
        let keys = keys.into_iter().zip(ends).filter_map(|(key, end)| {
            // -2 has ended since; -1 has no end, and is not of those who keep to this layout.
            let ends_at = (end > 0).then(|| Timestamp::from_millis(end))??;
            Some(TempKey { key, ends_at })
        });
        Ok(KeyPage { keys: keys.collect(), next })
    }
}

#[cfg(test)]
mod tests {
    use super::literally;

    #[test]
    fn what_means_something_in_a_pattern_means_itself() {
        assert_eq!(literally("mail:a*b?[c]\\^-"), "mail:a\\*b\\?\\[c\\]\\\\\\^\\-");
    }
}
