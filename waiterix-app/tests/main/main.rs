//! The service over its ports: every route, and what it does to whom.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test is a panic")]

mod admin;
mod analytics;
mod assistance;
mod auth;
mod common;
mod degradation;
mod down;
mod events;
mod faqs;
mod identity;
mod kitchen;
mod mail;
mod mail_events;
mod menu;
mod menu_csv;
mod objects;
mod order_placing;
mod orders;
mod pictures;
mod public;
mod questions;
mod random_requests;
mod ratings;
mod receipts;
mod reports;
mod restaurant;
mod support;
mod tables;
mod tenants;
mod upkeep;
mod watching;
