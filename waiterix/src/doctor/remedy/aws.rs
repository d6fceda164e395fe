//! How to mend what is on Amazon Web Services.

use waiterix_ports::ErrorKind;

pub(super) const fn database(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Denied => {
            "the server refuses the role, the password, the token or the certificate: check DATABASE_URL or \
             DB_USER and DB_PASSWORD, and DB_SSL_ROOT_CERT for the authority of the server's certificate"
        }
        ErrorKind::Timeout => {
            "nothing answers in time: check DB_HOST and DB_PORT, that the security group of the database admits this \
             host, and that a sleeping database may take DB_CONNECT_TIMEOUT_MS to wake"
        }
        ErrorKind::Throttled => {
            "the server has no connection left: lower DB_POOL_MAX, or put a pooler (RDS Proxy) in front"
        }
        ErrorKind::Invalid | ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Unsupported => {
            "the schema is not what it must be: run `waiterix schema check`, then `waiterix schema migrate`"
        }
        _ => {
            "the server cannot be reached: check DATABASE_URL or DB_HOST and DB_PORT, the security group, and that \
             the instance is available"
        }
    }
}

pub(super) const fn objects(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Denied => {
            "give the role s3:ListBucket on the buckets and s3:GetObject, s3:PutObject, s3:DeleteObject on what is in \
             them; for keys from the environment check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        }
        ErrorKind::NotFound => "the bucket is not there: check AWS_S3_BUCKET and AWS_S3_REGION",
        ErrorKind::Invalid => {
            "the bucket is in another region: set AWS_S3_REGION to the region of the bucket"
        }
        ErrorKind::Throttled => "the bucket is asked too often; try again in a minute",
        _ => "S3 cannot be reached: check AWS_S3_REGION, the network, and the S3 endpoint of the VPC",
    }
}

pub(super) const fn mail(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Denied => {
            "give the role ses:SendEmail, ses:GetAccount, ses:GetSuppressedDestination, ses:PutSuppressedDestination \
             and ses:DeleteSuppressedDestination, and verify the sender of SES_FROM_EMAIL in this region"
        }
        ErrorKind::NotFound => "the configuration set is not there: check SES_CONFIGURATION_SET",
        ErrorKind::Throttled => "the sending rate or quota is used up; see the quotas of the account",
        _ => "SES cannot be reached: check AWS_REGION, the network, and that SES is offered in this region",
    }
}

pub(super) const fn sessions(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Denied => {
            "Redis refuses the password or the command: check REDIS_PASSWORD, and that REDIS_TLS is on where the \
             cluster demands encryption in transit"
        }
        ErrorKind::Timeout => {
            "nothing answers in time: check REDIS_HOST, REDIS_PORT, REDIS_TLS (a server that speaks TLS does not answer \
             without it) and the security group of the cluster"
        }
        ErrorKind::Throttled => {
            "Redis has no connection or memory left: see maxclients and maxmemory of the cluster"
        }
        _ => "Redis cannot be reached: check REDIS_HOST and REDIS_PORT, the security group, and REDIS_TLS",
    }
}

pub(super) const fn realtime(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Denied => {
            "give the role dynamodb:PutItem, GetItem, DeleteItem, Query on the table and its index, and \
             execute-api:ManageConnections on the stage of the WebSocket API"
        }
        ErrorKind::NotFound | ErrorKind::Invalid => {
            "the table or its index restaurantId-index is not there: check WEBSOCKET_CONNECTIONS_TABLE and AWS_REGION"
        }
        ErrorKind::Throttled => "the table is asked too often: it should be billed on demand",
        _ => {
            "DynamoDB cannot be reached: check AWS_REGION, the network, and the DynamoDB endpoint of the VPC"
        }
    }
}
