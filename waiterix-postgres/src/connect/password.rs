//! What a connection signs in with.

use std::fmt;

use async_trait::async_trait;
use waiterix_domain::Secret;
use waiterix_ports::Result;

/// Hands out the password for the next connection. Connections that are open already are not concerned when it
/// changes.
#[async_trait]
pub trait Password: fmt::Debug + Send + Sync + 'static {
    /// The password that is valid now. It is asked for before every new connection, so one that is costly to get is
    /// kept until shortly before it expires.
    ///
    /// # Errors
    /// Those of whoever issues it; they become the errors of the operation that needed a connection.
    async fn password(&self) -> Result<Secret>;
}

/// A password that does not change.
#[derive(Debug, Clone)]
pub struct FixedPassword(Secret);

impl FixedPassword {
    /// This one.
    #[must_use]
    pub const fn new(password: Secret) -> Self {
        Self(password)
    }
}

#[async_trait]
impl Password for FixedPassword {
    async fn password(&self) -> Result<Secret> {
        Ok(self.0.clone())
    }
}
