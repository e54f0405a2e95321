//! Copying: planners that are pure, and the runner that lands their batches.

pub mod import;
mod merge;
mod reader;

pub use merge::OnConflict;
