//! How to mend what is on the providers the service comes from.

use waiterix_ports::ErrorKind;

pub(super) const fn database(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Denied => {
            "the server refuses the role, the password or the certificate: check LEGACY_DATABASE_URL or DATABASE_URL, and \
             DB_SSL_ROOT_CERT for the authority of the server's certificate"
        }
        ErrorKind::Timeout => {
            "nothing answers in time: a database that was scaled to zero may take DB_CONNECT_TIMEOUT_MS to wake; ask again, \
             then see the provider's console"
        }
        ErrorKind::Throttled => {
            "the server has no connection left: use the pooled endpoint, or lower DB_POOL_MAX"
        }
        ErrorKind::Invalid | ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Unsupported => {
            "the schema is not what it must be: run `waiterix schema check`, then `waiterix schema migrate`"
        }
        _ => {
            "the server cannot be reached: check LEGACY_DATABASE_URL or DATABASE_URL, and that the project is not suspended"
        }
    }
}

pub(super) const fn objects(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Denied => {
            "the storage refuses the credentials: outside the hosting platform GOOGLE_APPLICATION_CREDENTIALS must name a \
             key with the role of an object administrator of the bucket"
        }
        ErrorKind::NotFound | ErrorKind::Invalid => {
            "the bucket is not there: check PRIVATE_OBJECT_DIR and PUBLIC_OBJECT_SEARCH_PATHS, which begin with its name"
        }
        ErrorKind::Throttled => "the storage is asked too often; try again in a minute",
        _ => {
            "the storage cannot be reached: the sidecar that hands out tokens answers only on the hosting platform; \
             elsewhere set GOOGLE_APPLICATION_CREDENTIALS"
        }
    }
}

pub(super) const fn mail(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Denied => {
            "Resend refuses the key or the sender: check RESEND_API_KEY, and that the domain of RESEND_FROM_EMAIL is verified"
        }
        ErrorKind::Throttled => "the sending rate or quota is used up; try again later",
        _ => {
            "Resend cannot be reached: check the network, and REPLIT_CONNECTORS_HOSTNAME where the connector hands out the key"
        }
    }
}

pub(super) const fn sessions(kind: ErrorKind) -> &'static str {
    database(kind)
}

pub(super) const fn realtime(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unsupported | ErrorKind::Invalid => {
            "events go from process to process through the database, which needs a direct connection, not a pooler: check \
             LEGACY_DATABASE_URL or DATABASE_URL"
        }
        _ => database(kind),
    }
}
