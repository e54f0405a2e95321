//! Copying and syncing: planners that are pure, and the runners that land their batches and can be stopped anywhere.

pub mod flush;
pub mod import;
mod landing;
mod merge;
pub mod operation;
pub mod pull;
mod reader;
pub mod record;
pub mod verify;

pub use merge::{OnConflict, renamed};

use crate::driver::Driver;
use crate::error::Result;
use async_trait::async_trait;

/// Makes connections to one store.
#[async_trait]
pub trait Connect: Send + Sync {
    /// Connects to the store, and makes sure that it is one that this build may write to.
    async fn connect(&self) -> Result<Box<dyn Driver>>;
}
