//! Places for connections: so many altogether, so many for one address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http::network::Network;

/// Connections at once; each costs some 40 KiB at most.
const ALL: usize = 256;
/// Connections of one address at once. Clients behind one proxy share them.
const FROM_ONE: usize = 64;

/// To be cloned freely.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_network: BTreeMap<Network, usize>,
}

/// A place that is given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    network: Network,
}

impl Places {
    /// `None` if there is no more.
    pub(super) fn take(&self, address: IpAddr) -> Option<Place> {
        let network = Network::of(address);
        let mut taken = self.lock();
        let from_there = taken.by_network.get(&network).copied().unwrap_or(0);
        if taken.all >= ALL || from_there >= FROM_ONE {
            return None;
        }
        taken.all += 1;
        taken.by_network.insert(network, from_there + 1);
        drop(taken);
        Some(Place { places: self.clone(), network })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Two counters that are changed together; nothing between the changes can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all = taken.all.saturating_sub(1);
        if let Some(count) = taken.by_network.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                taken.by_network.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_every_place_and_a_place_comes_back() {
        let places = Places::default();
        let take = |last: u8| places.take(IpAddr::from([192, 0, 2, last]));
        let mut greedy: Vec<_> = (0..FROM_ONE).filter_map(|_| take(1)).collect();
        assert_eq!(greedy.len(), FROM_ONE);
        assert!(take(1).is_none());
        assert!(take(2).is_some());
        greedy.pop();
        assert!(take(1).is_some());
        drop(greedy);
        assert_eq!(places.lock().by_network.len(), 0, "nothing is remembered of who has gone");
    }

    #[test]
    fn many_addresses_together_find_an_end() {
        let places = Places::default();
        let all: Vec<_> = (0..=u16::MAX)
            .map_while(|n| places.take(IpAddr::from([10, 0, n.to_be_bytes()[0], n.to_be_bytes()[1]])))
            .collect();
        assert_eq!(all.len(), ALL);
    }
}
