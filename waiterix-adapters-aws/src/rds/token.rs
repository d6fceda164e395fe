//! Signing in with tokens that IAM issues.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::Mutex;
use url::Url;
use waiterix_domain::{Secret, Timestamp};
use waiterix_ports::{Clock, Error, ErrorKind, Result, Retry};
use waiterix_postgres::connect::{Password, PostgresSettings};

const OPERATION: &str = "store.connect";
/// How long RDS accepts a token for a new connection. Connections that are open outlive it.
const VALID: Duration = Duration::from_secs(15 * 60);
/// How long one is used again: a third of its life is left for clocks that differ and for slow connecting.
const REUSED: Duration = Duration::from_secs(10 * 60);
/// What a query may hold as it is, by the rules of AWS.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Issues tokens for one role of one database: `rds-db:connect`, signed with the credentials of the default chain.
pub struct IamPassword {
    host: String,
    port: u16,
    user: String,
    region: String,
    provider: SharedCredentialsProvider,
    clock: Arc<dyn Clock>,
    kept: Mutex<Option<(Secret, Timestamp)>>,
}

impl fmt::Debug for IamPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IamPassword")
            .field("host", &self.host)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl IamPassword {
    /// Tokens for the role and the server of some settings. The server must be named as RDS names it: a token is bound
    /// to that name.
    #[must_use]
    pub fn new(
        settings: &PostgresSettings,
        region: &str,
        provider: SharedCredentialsProvider,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            host: settings.host.clone(),
            port: settings.port,
            user: settings.user.clone(),
            region: region.to_owned(),
            provider,
            clock,
            kept: Mutex::new(None),
        }
    }

    fn sign(&self, credentials: Credentials, now: SystemTime) -> Result<Secret> {
        let said = |fault: &'static str| Error::new(ErrorKind::Invalid, OPERATION).with("fault", fault);
        let user = utf8_percent_encode(&self.user, QUERY);
        let address = format!("https://{}:{}/?Action=connect&DBUser={user}", self.host, self.port);
        let mut url = Url::parse(&address).map_err(|_| said("the host is none that RDS could have"))?;
        let mut settings = SigningSettings::default();
        settings.expires_in = Some(VALID);
        settings.signature_location = SignatureLocation::QueryParams;
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("rds-db")
            .time(now)
            .settings(settings)
            .build()
            .map_err(|_| said("a token cannot be signed"))?
            .into();
        let request = SignableRequest::new("GET", &address, std::iter::empty(), SignableBody::Bytes(&[]));
        let signed = request.and_then(|request| sign(request, &params));
        let (instructions, _) = signed.map_err(|_| said("a token cannot be signed"))?.into_parts();
        for (name, value) in instructions.params() {
            url.query_pairs_mut().append_pair(name, value);
        }
        // The token is the signed URL without its scheme, and has the port even where that is https's own.
        let query = url.query().unwrap_or_default();
        Ok(Secret::from(format!("{}:{}/?{query}", self.host, self.port)))
    }
}

#[async_trait]
impl Password for IamPassword {
    async fn password(&self) -> Result<Secret> {
        let now = self.clock.now();
        // Held while the credentials are fetched, so that many connections at once fetch them once.
        let mut kept = self.kept.lock().await;
        if let Some((token, _)) = kept.as_ref().filter(|(_, until)| now < *until) {
            return Ok(token.clone());
        }
        let credentials = self.provider.provide_credentials().await.map_err(|error| {
            // What it says may hold addresses and answers of a credentials service.
            tracing::debug!(%error, "no credentials");
            Error::new(ErrorKind::Denied, OPERATION)
                .retry(Retry::Safe)
                .with("fault", "no credentials of AWS to be had")
        })?;
        let at = UNIX_EPOCH + Duration::from_micros(u64::try_from(now.as_micros()).unwrap_or_default());
        // A token signed with temporary credentials ends with them.
        let lasting = credentials.expiry().map(|expiry| expiry.duration_since(at).unwrap_or_default());
        let reused = lasting.unwrap_or(REUSED).min(REUSED);
        let token = self.sign(credentials, at)?;
        let until = now.plus_millis(i64::try_from(reused.as_millis()).unwrap_or_default());
        *kept = Some((token.clone(), until));
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use waiterix_contract::ManualClock;
    use waiterix_ports::vars::Vars;
    use waiterix_postgres::connect::{Credential, Hosting};

    use super::*;

    fn issuer(url: &str, region: &str, credentials: Credentials) -> (IamPassword, Arc<ManualClock>) {
        let map = BTreeMap::from([("DATABASE_URL".to_owned(), url.to_owned())]);
        let mut vars = Vars::new(&map);
        let settings = PostgresSettings::read(&mut vars, Hosting::Server, Credential::Issued);
        assert!(vars.problems().is_empty(), "{:?}", vars.problems());
        let clock = Arc::new(ManualClock::default());
        let provider = SharedCredentialsProvider::new(credentials);
        (IamPassword::new(&settings, region, provider, clock.clone()), clock)
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Both computed from the published rules of Signature Version 4 by another program.
    #[test]
    fn a_token_is_a_presigned_request_to_connect() {
        let credentials = Credentials::new("akid", "secret", None, None, "test");
        let host = "prod-instance.us-east-1.rds.amazonaws.com:3306";
        let (issuer, _) = issuer(&format!("postgres://peccy@{host}/d"), "us-east-1", credentials.clone());
        assert_eq!(
            issuer.sign(credentials, at(1_724_709_600)).unwrap().reveal(),
            format!(
                "{host}/?Action=connect&DBUser=peccy&X-Amz-Algorithm=AWS4-HMAC-SHA256\
                 &X-Amz-Credential=akid%2F20240826%2Fus-east-1%2Frds-db%2Faws4_request&X-Amz-Date=20240826T220000Z\
                 &X-Amz-Expires=900&X-Amz-SignedHeaders=host\
                 &X-Amz-Signature=dd0cba843009474347af724090233265628ace491ea17ce3eb3da098b983ad89"
            )
        );
    }

    #[test]
    fn a_token_carries_the_session_of_temporary_credentials() {
        let session = Some("to/ken+with=signs".to_owned());
        let credentials = Credentials::new("AKIAEXAMPLE", "wJalr/secret+key", session, None, "test");
        let host = "shop.abc123.eu-central-1.rds.amazonaws.com:5432";
        let (issuer, _) =
            issuer(&format!("postgres://app%20user%40x@{host}/d"), "eu-central-1", credentials.clone());
        let token = issuer.sign(credentials, at(1_738_314_307)).unwrap();
        let parts: Vec<_> = token.reveal().split('&').collect();
        assert_eq!(parts[0], format!("{host}/?Action=connect"));
        for part in [
            "DBUser=app%20user%40x",
            "X-Amz-Date=20250131T090507Z",
            "X-Amz-Security-Token=to%2Fken%2Bwith%3Dsigns",
            "X-Amz-Signature=0fa413acbabf85807a3d884aba6da8f8995d1b1883235b9ccdaea62ad730dccd",
        ] {
            assert!(parts.contains(&part), "{part}: {parts:?}");
        }
    }

    #[tokio::test]
    async fn a_token_is_used_again_until_a_third_of_its_life_is_left() {
        let credentials = Credentials::new("akid", "secret", None, None, "test");
        let (issuer, clock) = issuer("postgres://u@h.example.org/d", "eu-west-1", credentials);
        let first = issuer.password().await.unwrap();
        clock.advance(Duration::from_secs(599));
        assert_eq!(issuer.password().await.unwrap(), first);
        clock.advance(Duration::from_secs(2));
        assert_ne!(issuer.password().await.unwrap(), first);
    }

    #[tokio::test]
    async fn a_token_ends_with_the_credentials_it_was_signed_with() {
        let expiry = UNIX_EPOCH
            + Duration::from_micros(ManualClock::default().now().as_micros().try_into().unwrap())
            + Duration::from_secs(60);
        let credentials = Credentials::new("akid", "secret", None, Some(expiry), "test");
        let (issuer, clock) = issuer("postgres://u@h.example.org/d", "eu-west-1", credentials);
        let first = issuer.password().await.unwrap();
        clock.advance(Duration::from_secs(61));
        assert_ne!(issuer.password().await.unwrap(), first);
        assert!(!format!("{issuer:?}").contains("secret"));
    }
}
