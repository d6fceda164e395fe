//! The old session manager, command by command as it was, so that the store can be tried against it.

use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;
use serde_json::{Map, Value, json};

/// The default time to live of the old manager: 7 days.
pub(crate) const WEEK_S: u64 = 604_800;

/// The old manager.
pub(crate) struct OldManager(pub(crate) MultiplexedConnection);

impl OldManager {
    /// `create(id, record, ttl?)`.
    pub(crate) async fn create(&mut self, id: &str, record: &Value, ttl_s: u64) {
        let user = record["userId"].as_str().unwrap();
        let () = self.0.set_ex(format!("session:{id}"), record.to_string(), ttl_s).await.unwrap();
        let _: i64 = self.0.sadd(format!("user_sessions:{user}"), id).await.unwrap();
        let _: bool =
            self.0.expire(format!("user_sessions:{user}"), i64::try_from(ttl_s).unwrap()).await.unwrap();
    }

    /// `get(id)`: notes the use and starts the default time anew.
    pub(crate) async fn get(&mut self, id: &str) -> Option<Value> {
        self.update(id, &json!({})).await
    }

    /// `update(id, partial)`: a shallow merge, written with the default time.
    pub(crate) async fn update(&mut self, id: &str, partial: &Value) -> Option<Value> {
        let key = format!("session:{id}");
        let raw: Option<String> = self.0.get(&key).await.unwrap();
        let mut record: Map<String, Value> = serde_json::from_str(&raw?).unwrap();
        record.extend(partial.as_object().unwrap().clone());
        record.insert("lastActivity".to_owned(), json!("2031-02-03T04:05:06.789Z"));
        let record = Value::Object(record);
        let () = self.0.set_ex(&key, record.to_string(), WEEK_S).await.unwrap();
        Some(record)
    }

    /// `delete(id)`.
    pub(crate) async fn delete(&mut self, id: &str) -> bool {
        let key = format!("session:{id}");
        let raw: Option<String> = self.0.get(&key).await.unwrap();
        if let Some(raw) = raw {
            let record: Value = serde_json::from_str(&raw).unwrap();
            let set = format!("user_sessions:{}", record["userId"].as_str().unwrap());
            let _: i64 = self.0.srem(set, id).await.unwrap();
        }
        self.0.del::<_, i64>(key).await.unwrap() == 1
    }

    /// The list of a user, with whatever is in it.
    pub(crate) async fn list(&mut self, user: &str) -> Vec<String> {
        let mut ids: Vec<String> = self.0.smembers(format!("user_sessions:{user}")).await.unwrap();
        ids.sort();
        ids
    }

    /// The time to live of a key in seconds.
    pub(crate) async fn ttl_s(&mut self, key: &str) -> i64 {
        self.0.ttl(key).await.unwrap()
    }
}

/// A record as the old manager's callers made them.
pub(crate) fn record(user: &str) -> Value {
    json!({
        "userId": user,
        "email": format!("{user}@example.org"),
        "restaurantId": "r-1",
        "role": "chef",
        "createdAt": "2025-01-31T09:05:07.123Z",
        "lastActivity": "2025-01-31T10:00:00.000Z",
        "metadata": { "device": "tablet", "lastActivity": "nested", "list": [], "big": 9_007_199_254_740_991_i64 },
        "unknown": { "deep": [1.5, null, {}] },
    })
}
