//! ses.
