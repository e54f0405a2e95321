//! Where histories are: the shared store, our local store, and the files that amx-cli writes.

pub mod amx_cli;
mod amx_json;
mod amx_sessions;
pub mod batch;
pub mod cache;
pub mod duplicates;
pub mod hashing;
pub mod inspect;
pub mod lease;
pub mod local;
pub mod outbox;
pub mod own_file;
mod own_sessions;
pub mod reading;
pub mod sessions;
pub mod shared;
pub mod sides;
pub mod source;
pub mod sqlite_file;
pub mod write;
