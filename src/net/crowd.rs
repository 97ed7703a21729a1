//! Places for connections: how many there may be, and which one goes when too many have not bound.
//!
//! A flood of connections that never bind pushes out its own oldest ones first, then the oldest of all; bound links are
//! never touched.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// How many connections a process takes from client systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrowdLimits {
    /// All together; one more is closed at once.
    pub links: usize,
    /// Without an accepted bind.
    pub unbound: usize,
    /// Without an accepted bind, from one address.
    pub unbound_per_address: usize,
}

impl Default for CrowdLimits {
    fn default() -> Self {
        Self { links: 10_000, unbound: 1_000, unbound_per_address: 100 }
    }
}

/// All connections from client systems.
#[derive(Debug)]
pub struct Crowd {
    limits: CrowdLimits,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    taken: usize,
    arrivals: u64,
    /// Those without a bind, the oldest first.
    unbound: BTreeMap<u64, Unbound>,
    per_address: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Unbound {
    address: IpAddr,
    leave: oneshot::Sender<()>,
}

/// One connection's place, and what tells it to leave.
#[derive(Debug)]
pub struct Seat {
    /// The place.
    pub place: Place,
    /// Comes when the connection is pushed out; closed without a word when it no longer can be.
    pub leave: oneshot::Receiver<()>,
}

/// A place is given back when dropped.
#[derive(Debug)]
pub struct Place {
    crowd: Arc<Crowd>,
    arrival: u64,
}

impl Crowd {
    /// An empty one.
    #[must_use]
    pub fn new(limits: CrowdLimits) -> Arc<Self> {
        Arc::new(Self { limits, places: Mutex::default() })
    }

    /// Connections there are.
    #[must_use]
    pub fn links(&self) -> usize {
        self.lock().taken
    }

    /// Those of them without an accepted bind.
    #[must_use]
    pub fn unbound(&self) -> usize {
        self.lock().unbound.len()
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        // The numbers are right after every statement, so a panic elsewhere cannot have spoilt them.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from `address`. `None` when all places are taken.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let address = address.to_canonical();
        let mut places = self.lock();
        if places.taken >= self.limits.links {
            return None;
        }
        if places.per_address.get(&address).is_some_and(|count| *count >= self.limits.unbound_per_address) {
            let oldest = places.unbound.iter().find(|(_, unbound)| unbound.address == address).map(|(at, _)| *at);
            places.push_out(oldest);
        } else if places.unbound.len() >= self.limits.unbound {
            let oldest = places.unbound.keys().next().copied();
            places.push_out(oldest);
        }
        let (sender, leave) = oneshot::channel();
        places.taken += 1;
        places.arrivals += 1;
        let arrival = places.arrivals;
        places.unbound.insert(arrival, Unbound { address, leave: sender });
        *places.per_address.entry(address).or_default() += 1;
        drop(places);
        Some(Seat { place: Place { crowd: Arc::clone(self), arrival }, leave })
    }
}

impl Places {
    fn push_out(&mut self, arrival: Option<u64>) {
        if let Some(unbound) = arrival.and_then(|arrival| self.settle(arrival)) {
            // It may just be leaving by itself.
            let _gone = unbound.leave.send(());
        }
    }

    /// Not unbound any more. `None` when it was not.
    fn settle(&mut self, arrival: u64) -> Option<Unbound> {
        let unbound = self.unbound.remove(&arrival)?;
        if let Some(count) = self.per_address.get_mut(&unbound.address) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&unbound.address);
            }
        }
        Some(unbound)
    }
}

impl Place {
    /// The connection's credentials are right: it cannot be pushed out any more. False when it just was, or has settled.
    pub fn settle(&self) -> bool {
        self.crowd.lock().settle(self.arrival).is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.crowd.lock();
        places.settle(self.arrival);
        places.taken -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: CrowdLimits = CrowdLimits { links: 5, unbound: 4, unbound_per_address: 2 };

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn told(seat: &mut Seat) -> bool {
        seat.leave.try_recv().is_ok()
    }

    #[test]
    fn an_address_pushes_out_its_own_oldest() {
        let crowd = Crowd::new(LIMITS);
        let mut other = crowd.enter(address(1)).unwrap();
        let mut first = crowd.enter(address(2)).unwrap();
        let mut second = crowd.enter(address(2)).unwrap();
        let mapped = std::net::Ipv4Addr::new(192, 0, 2, 2).to_ipv6_mapped();
        let mut third = crowd.enter(IpAddr::V6(mapped)).unwrap();
        assert!(told(&mut first) && !first.place.settle(), "the oldest of this address goes");
        assert!(!told(&mut other) && !told(&mut second) && !told(&mut third));
        assert!(second.place.settle());
        assert_eq!((crowd.links(), crowd.unbound()), (4, 2));
    }

    #[test]
    fn the_oldest_of_all_goes_when_all_places_for_unbound_are_taken() {
        let crowd = Crowd::new(LIMITS);
        let mut seats: Vec<_> = (1..=4).map(|last| crowd.enter(address(last)).unwrap()).collect();
        let _fifth = crowd.enter(address(5)).unwrap();
        let gone: Vec<bool> = seats.iter_mut().map(told).collect();
        assert_eq!(gone, [true, false, false, false]);
    }

    #[test]
    fn all_places_taken_takes_no_more_until_one_leaves() {
        let crowd = Crowd::new(LIMITS);
        let mut seats: Vec<_> = (1..=5).map(|last| crowd.enter(address(last)).unwrap()).collect();
        assert!(crowd.enter(address(6)).is_none());
        assert!(seats.iter().skip(1).all(|seat| seat.place.settle()));
        seats.pop();
        assert!(crowd.enter(address(6)).is_some());
        seats.clear();
        assert_eq!((crowd.links(), crowd.unbound()), (0, 0));
        assert!(crowd.lock().per_address.is_empty());
    }
}
