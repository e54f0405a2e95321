//! A migration-first schema manager for the AMX shared history store.
//!
//! Imports point one way: `cli → commands → sync, migration → store → driver, render → dialect → model`.

pub mod cli;
mod commands;
pub mod config;
pub mod dialect;
pub mod driver;
pub mod error;
pub mod feasibility;
pub mod history;
mod identity;
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
