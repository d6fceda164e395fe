//! elasticache.
