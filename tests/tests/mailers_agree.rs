//! One mail, two providers: what arrives through SES and what arrives through Resend is the same, and so is what each says
//! of everything that may become of a mail. SES is MiniStack and what it says it sent; Resend is a scripted server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

#[path = "../../waiterix-adapters-legacy/tests/resend_scripted/mod.rs"]
mod resend_scripted;

use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use resend_scripted::ScriptedResend;
use serde_json::Value;
use url::Url;
use waiterix_adapters_aws::ses::{SesMailer, SesSettings};
use waiterix_adapters_legacy::resend::ResendMailer;
use waiterix_adapters_local::memory::MemorySessionStore;
use waiterix_backends::{Backend, given};
use waiterix_contract::ManualClock;
use waiterix_contract::mailer::Received;
use waiterix_layers::ledger::LedgeredMailer;
use waiterix_layers::suppression::SuppressingMailer;
use waiterix_ports::{Error, ErrorKind, Mail, MailId, MailKind, Mailer, Outcome, Result};
use waiterix_tests::http_client;
