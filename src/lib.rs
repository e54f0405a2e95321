//! A migration-first schema manager for the AMX shared history store.
//!
//! Imports point one way: `cli → commands → sync, migration → store → driver, render → dialect → model`.

pub mod config;
pub mod dialect;
pub mod driver;
pub mod error;
pub mod feasibility;
pub mod history;
pub mod migration;
pub mod model;
pub mod profile;
pub mod render;
pub mod report;
pub mod script;
pub mod secret;
pub mod store;
