//! The AWS adapters: RDS, S3, SES, ElastiCache, API Gateway with DynamoDB.
//!
//! Each is a feature, so that a function builds only what it needs.

#[cfg(feature = "apigateway")]
pub mod apigateway;
#[cfg(feature = "elasticache")]
pub mod elasticache;
#[cfg(feature = "rds")]
pub mod rds;
#[cfg(feature = "s3")]
pub mod s3;
#[cfg(feature = "sdk")]
pub mod sdk;
#[cfg(feature = "ses")]
pub mod ses;
