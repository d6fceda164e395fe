//! The contract itself: every clause has a case, and adapters that are wrong on purpose are found out.

mod blob_broken;
mod blob_clauses;
mod kept_log;
mod mailer_broken;
mod mailer_clauses;
mod notifier_broken;
mod notifier_clauses;
mod session_broken;
mod session_clauses;
mod store_broken;
mod store_clauses;
mod store_differential;
