//! A migration-first schema manager for the AMX shared history store.
//!
//! Imports point one way: `cli → commands → sync, migration → store → driver, render → dialect → model`.

#![warn(missing_docs)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo, clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod change;
pub mod cli;
mod commands;
pub mod config;
mod core_dumps;
pub mod dialect;
pub mod driver;
pub mod error;
pub mod feasibility;
pub mod history;
mod identity;
mod links;
pub mod migration;
pub mod model;
mod printer;
pub mod profile;
mod progress;
pub mod render;
pub mod report;
pub mod script;
pub mod secret;
pub mod store;
pub mod sync;
