//! How this installation stands in a shared store: its number there, and what is done where the store was set back (DESIGN, decision 7).

use crate::error::Result;
use crate::store::local::{Durability, LocalStore};
use crate::store::outbox::{Destination, Place};
use crate::store::shared::SharedStore;
use crate::store::source::Person;

/// This installation in one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Landing {
    /// The store; empty where a dry run found that it has no id yet.
    pub store_id: String,
    /// This installation.
    pub installation: String,
    /// Every id that it ever had.
    pub installations: Vec<String>,
    /// The epoch of its count.
    pub epoch: String,
    /// The number of its last write that landed.
    pub landed: i64,
}

impl Landing {
    /// Finds this installation in a store, entering it where it is new there. A store that knows less of it than it was told has been set
    /// back, as by a restored backup: then a new epoch begins, and what had landed since is queued again.
    pub async fn begin(store: &mut SharedStore<'_>, local: &mut LocalStore, place: &Place, person: &Person) -> Result<Landing> {
        let installation = local.installation()?;
        let store_id = store.mint_store_id().await?;
        local.learn(place, &store_id)?;
        local.cache_of(&store_id)?;
        // Asked for before the store's own number, which another process of this machine may move on in between.
        let remembered = local.remembered(&store_id, &installation)?;
        let found = match store.landed(&installation).await? {
            None => {
                store.add_origin(&installation, &new_epoch(), &person.hostname, &person.who).await?;
                store.landed(&installation).await?
            }
            found => found,
        };
        let (mut epoch, landed) = found.map(|found| (found.epoch, found.number)).unwrap_or_default();
        let set_back = remembered.as_ref().is_some_and(|(known, number)| *number > landed || *known != epoch);
        if set_back {
            let renewed = new_epoch();
            store.renew_epoch(&installation, &epoch, &renewed).await?;
            let destination = Destination { place: place.name.clone(), store_id: Some(store_id.clone()) };
            local.write(Durability::PowerCut, |writing| {
                writing.forget_after(&store_id, landed)?;
                writing.queue_again(&destination, landed)?;
                writing.remember(&store_id, &installation, &renewed, landed)
            })?;
            epoch = renewed;
        } else if remembered.is_none() {
            local.write(Durability::Process, |writing| writing.remember(&store_id, &installation, &epoch, landed))?;
        }
        let installations = local.installations()?;
        Ok(Landing { store_id, installation, installations, epoch, landed })
    }

    /// How this installation would stand, with nothing written anywhere.
    pub async fn look(store: &mut SharedStore<'_>, local: &mut LocalStore) -> Result<Landing> {
        let installation = local.installation()?;
        let store_id = store.store_id().await?.unwrap_or_default();
        let found = store.landed(&installation).await?;
        let (epoch, landed) = found.map(|found| (found.epoch, found.number)).unwrap_or_default();
        Ok(Landing { store_id, installations: local.installations()?, installation, epoch, landed })
    }

    /// Learns how far this installation's writes have landed, which another process of this machine may have moved.
    pub async fn catch_up(&mut self, store: &mut SharedStore<'_>) -> Result<()> {
        if let Some(found) = store.landed(&self.installation).await? {
            self.landed = found.number;
        }
        Ok(())
    }
}

fn new_epoch() -> String {
    uuid::Uuid::new_v4().to_string()
}
