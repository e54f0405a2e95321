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
        let mut found = store.landed(&installation).await?;
        if found.is_none() {
            store.add_origin(&installation, &new_epoch(0), &person.hostname, &person.who).await?;
            found = store.landed(&installation).await?;
        }
        let (mut epoch, mut landed) = found.map(|found| (found.epoch, found.number)).unwrap_or_default();
        let mut lost_after = None;
        match &remembered {
            // A copy of this home has found out before, and says in the epoch's name where the store had been set back to.
            Some((known, _)) if *known != epoch => lost_after = Some(set_back_to(&epoch)),
            Some((_, number)) if *number > landed => {
                store.renew_epoch(&installation, &epoch, &new_epoch(landed)).await?;
                lost_after = Some(landed);
                // Another process of this machine may have been faster: then its epoch is the one.
                let renewed = store.landed(&installation).await?;
                (epoch, landed) = renewed.map(|found| (found.epoch, found.number)).unwrap_or((epoch, landed));
            }
            _ => {}
        }
        if remembered.as_ref() != Some(&(epoch.clone(), landed)) {
            let destination = Destination { place: place.name.clone(), store_id: Some(store_id.clone()) };
            local.write(Durability::PowerCut, |writing| {
                if let Some(landed) = lost_after
                    && writing.remembered(&store_id, &installation)? == remembered
                {
                    writing.forget_after(&store_id, landed)?;
                    writing.queue_again(&destination, landed)?;
                }
                writing.remember(&store_id, &installation, &epoch, landed)
            })?;
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

/// An epoch that begins after a number.
fn new_epoch(landed: i64) -> String {
    format!("{}@{landed}", uuid::Uuid::new_v4())
}

/// The number after which an epoch began. One of an earlier build does not say it: then all may be lost.
fn set_back_to(epoch: &str) -> i64 {
    epoch.rsplit_once('@').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}
