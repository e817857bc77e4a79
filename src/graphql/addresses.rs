//! What is asked for at an address, so that who asks there again for an answer that he has is told
//! so without a look at the request. Knows addresses as texts, prints and versions; reads no
//! request.
//!
//! A document that was asked for by its name may be another one later. So what is known is known as
//! of the documents of one moment.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

use lru::LruCache;

use super::{Address, Principal, lock::lock, tag::RequestPrint};
use crate::{catalog::EntityId, change::Cell};

/// Addresses that are known: with what each may have, two megabytes at most.
const ADDRESSES: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

/// What an answer's name is made of, but for the moment.
#[derive(Clone)]
pub(super) struct Known {
    pub print: RequestPrint,
    pub versions: Arc<[Cell]>,
    /// The types by whose schedules it may become another one.
    pub entities: Arc<[EntityId]>,
    principal: Principal,
    documents: u64,
}

/// What is known of one definition's API.
pub(super) struct Addresses(Mutex<LruCache<Box<str>, Known>>);

impl Default for Addresses {
    fn default() -> Addresses {
        Addresses(Mutex::new(LruCache::new(ADDRESSES)))
    }
}

impl Addresses {
    /// What is asked for there by this one, as long as the documents are those of this number.
    pub(super) fn get(&self, text: &str, documents: u64, principal: Principal) -> Option<Known> {
        let mut all = lock(&self.0);
        let known = all.get(text)?;
        (known.documents == documents && known.principal == principal).then(|| known.clone())
    }

    /// Notes what was asked for.
    pub(super) fn put(
        &self,
        address: &Address,
        principal: Principal,
        print: RequestPrint,
        (versions, entities): (&Arc<[Cell]>, &Arc<[EntityId]>),
    ) {
        if self.get(&address.text, address.documents, principal).is_some() {
            return;
        }
        let known = Known {
            print,
            versions: versions.clone(),
            entities: entities.clone(),
            principal,
            documents: address.documents,
        };
        lock(&self.0).put(address.text.clone(), known);
    }
}
