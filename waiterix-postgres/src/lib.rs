//! PostgreSQL mechanics that the RDS and Neon adapters share.
