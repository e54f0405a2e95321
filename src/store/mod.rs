//! Where histories are: the shared store, our local store, and the files that amx-cli writes.

pub mod amx_cli;
mod amx_json;
pub mod inspect;
pub mod local;
pub mod own_file;
pub mod own_runs;
pub mod shared;
pub mod source;
pub mod sqlite_file;
