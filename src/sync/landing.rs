//! How this installation stands in a shared store: its number there, and what is done where the store was set back (DESIGN, decision 7).

use crate::error::Result;
use crate::store::lease::{Hint, Lease};
use crate::store::local::{Durability, LocalStore};
use crate::store::outbox::{Destination, Place};
use crate::store::shared::SharedStore;
use crate::store::source::Person;
use std::time::Duration;

/// How long the lease of a store is waited for. A holder that died has lost it by then.
pub(super) const LEASE_WAIT: Duration = Duration::from_secs(90);

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
    /// What is known of the store's lease, where it has one.
    pub hint: Option<Hint>,
}

impl Landing {
    /// Finds this installation in a store, entering it where it is new there. A store that knows less of it than it was told has been set
    /// back, as by a restored backup: then a new epoch begins, and what had landed since is queued again.
    pub async fn begin(store: &mut SharedStore<'_>, local: &mut LocalStore, place: &Place, person: &Person) -> Result<Landing> {
        let mut lease = None;
        let begun = Landing::begin_with(store, local, place, person, &mut lease).await;
        let hint = store.give_back(lease).await;
        begun.map(|landing| Landing { hint, ..landing })
    }

    /// [`Landing::begin`], which gives the lease back that is taken where something has to be entered.
    async fn begin_with(
        store: &mut SharedStore<'_>,
        local: &mut LocalStore,
        place: &Place,
        person: &Person,
        lease: &mut Option<Lease>,
    ) -> Result<Landing> {
        let installation = local.installation()?;
        let store_id = match store.store_id().await? {
            Some(store_id) => store_id,
            None => {
                *lease = store.lease(person, None, LEASE_WAIT).await?;
                store.mint_store_id().await?
            }
        };
        local.learn(place, &store_id)?;
        local.cache_of(&store_id)?;
        // Asked for before the store's own number, which another process of this machine may move on in between.
        let remembered = local.remembered(&store_id, &installation)?;
        let mut found = store.landed(&installation).await?;
        if found.is_none() {
            if lease.is_none() {
                *lease = store.lease(person, None, LEASE_WAIT).await?;
                // Another process of this machine may have had it before.
                found = if lease.is_some() { store.landed(&installation).await? } else { None };
            }
            if found.is_none() {
                store.add_origin(&installation, &new_epoch(0), &person.hostname, &person.who).await?;
                found = store.landed(&installation).await?;
            }
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
        landed = published(store, person, &installation, landed, lease).await?;
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
        Ok(Landing { store_id, installation, installations, epoch, landed, hint: None })
    }

    /// How this installation would stand, with nothing written anywhere.
    pub async fn look(store: &mut SharedStore<'_>, local: &mut LocalStore) -> Result<Landing> {
        let installation = local.installation()?;
        let store_id = store.store_id().await?.unwrap_or_default();
        let found = store.landed(&installation).await?;
        let (epoch, landed) = found.map(|found| (found.epoch, found.number)).unwrap_or_default();
        Ok(Landing { store_id, installations: local.installations()?, installation, epoch, landed, hint: None })
    }

    /// Takes the store's lease for a batch, where it has one. A batch that is no transaction is numbered by what the store says now: what is
    /// written under a number that another process of this machine has published meanwhile would be passed over by readers.
    pub async fn lease(&mut self, store: &mut SharedStore<'_>, person: &Person) -> Result<Option<Lease>> {
        let lease = store.lease(person, self.hint.take(), LEASE_WAIT).await?;
        if !store.has_transactions()
            && let Some(found) = store.landed(&self.installation).await?
        {
            self.landed = found.number;
        }
        Ok(lease)
    }
}

/// Where a batch is no transaction, a writer may have died before it published what it had written: that is published now, so that every reader
/// finds it. Gives the number of the last batch.
async fn published(
    store: &mut SharedStore<'_>,
    person: &Person,
    installation: &str,
    landed: i64,
    lease: &mut Option<Lease>,
) -> Result<i64> {
    if store.has_transactions() || store.newest_written(installation).await? <= landed {
        return Ok(landed);
    }
    // It may be what another process of this machine is writing now: that one has the lease.
    if lease.is_none() {
        *lease = store.lease(person, None, LEASE_WAIT).await?;
    }
    let landed = store.landed(installation).await?.map_or(landed, |found| found.number);
    store.publish_written(installation, landed, lease.as_ref()).await
}

/// An epoch that begins after a number.
fn new_epoch(landed: i64) -> String {
    format!("{}@{landed}", uuid::Uuid::new_v4())
}

/// The number after which an epoch began. One of an earlier build does not say it: then all may be lost.
fn set_back_to(epoch: &str) -> i64 {
    epoch.rsplit_once('@').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}
