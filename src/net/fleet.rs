//! The links to the carriers: those there should be and those there are. Opens what is missing and closes what is too much,
//! also when the rules change while it runs.
//!
//! Where the links of a carrier are to be opened otherwise, they are replaced one after the other, each once the one before is
//! bound: traffic goes on over the rest, and a carrier that cannot be reached in the new way keeps what it has. What is
//! not bound is replaced at once. Knows nothing of messages: a link that leaves answers what is open and unbinds as at
//! the end of the process, so its leaving takes as long as an answer may take and little more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::berth::Berth;
use super::carrier_link::{Dial, Standing, keep_bound};
use super::rim::Rim;
use super::stop::StopWatch;
use super::tls::{Clear, OverTls, TlsError};
use crate::config::{CarrierBind, CarrierConfig, Config};
use crate::message::CarrierId;
use crate::pdu::{Bind, Password};
use crate::policy::Carrier;
use crate::session::{BindMode, Settings};
use crate::store::Enrolled;

/// Requests of a carrier that may be open on one link, at least. Each of its receipts waits for a commit, and one that is
/// not read for lack of room holds up the answers to our own requests behind it.
const CARRIER_REQUESTS: u32 = 1_000;
/// Orders that may wait. Only one change of the rules is under way at a time.
const ORDERS: usize = 4;

/// The way to the carriers of one configuration, each as its place says. Making it reads the issuers that TLS trusts.
#[derive(Debug)]
pub(super) struct Connectors(Vec<Connector>);

#[derive(Clone, Debug)]
enum Connector {
    Clear(Arc<Clear>),
    OverTls(Arc<OverTls>),
}

/// What the links of one carrier are opened with.
#[derive(Debug)]
struct Reach {
    own: CarrierConfig,
    window: u32,
    connector: Connector,
    dial: Arc<Dial>,
}

/// The links that one carrier should have.
#[derive(Clone, Debug)]
pub struct Wanted {
    reach: Arc<Reach>,
    /// One for each link.
    modes: Vec<BindMode>,
}

/// Other links from now on, and whom to tell when those that are not wanted know it.
#[derive(Debug)]
pub(super) struct Order {
    wanted: Vec<Wanted>,
    told: oneshot::Sender<()>,
}

/// The way of orders, and what was ordered last.
#[derive(Clone, Debug)]
pub(super) struct Command {
    orders: mpsc::Sender<Order>,
    wanted: watch::Receiver<Vec<Wanted>>,
}

/// The other ends of [`Command`].
#[derive(Debug)]
pub(super) struct Office {
    orders: mpsc::Receiver<Order>,
    wanted: watch::Sender<Vec<Wanted>>,
}

/// The fleet is gone: the process stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

impl Connectors {
    /// # Errors
    /// [`TlsError`] names the file or the name that cannot be used.
    pub(super) fn of(config: &Config) -> Result<Self, TlsError> {
        let connector = |own: &CarrierConfig| match &own.tls {
            None => Ok::<_, TlsError>(Connector::Clear(Arc::new(Clear { address: own.address.clone() }))),
            Some(tls) => {
                let connect = OverTls::new(&own.address, &tls.server_name, &tls.ca)?;
                Ok(Connector::OverTls(Arc::new(connect)))
            }
        };
        Ok(Self(config.carriers.iter().map(connector).collect::<Result<_, _>>()?))
    }

    /// The links that the configuration wants. `settings` are those of every session; what is a carrier's own is replaced.
    pub(super) fn wanted(self, config: &Config, enrolled: &Enrolled, settings: Settings) -> Vec<Wanted> {
        let carriers = config.carriers().zip(&enrolled.carriers).zip(self.0);
        carriers.map(|(((rules, own), id), connector)| Wanted::new(*id, rules, own, connector, settings)).collect()
    }
}

impl Reach {
    /// Whether links of one are as good as links of the other.
    fn is_like(&self, other: &Self) -> bool {
        self.dial.carrier() == other.dial.carrier() && self.own == other.own && self.window == other.window
    }
}

impl Wanted {
    fn new(id: CarrierId, rules: &Carrier, own: &CarrierConfig, connector: Connector, settings: Settings) -> Self {
        let bind = Bind {
            system_id: own.system_id.as_bytes(),
            password: Password(own.password.reveal().as_bytes()),
            system_type: own.system_type.as_bytes(),
            interface_version: 0x34,
            addr_ton: 0,
            addr_npi: 0,
            address_range: b"",
        };
        let settings = Settings {
            enquire_link: own.enquire_link,
            // A carrier with nothing to say is a carrier without traffic.
            inactivity: None,
            init_timeout: Duration::from_secs(10),
            window: rules.window.saturating_mul(2).max(CARRIER_REQUESTS),
            send_window: rules.window,
            ..settings
        };
        let dial = Dial::new(id, &rules.name, &bind, settings);
        let reach = Reach { own: own.clone(), window: rules.window, connector, dial };
        Self { reach: Arc::new(reach), modes: modes(own.bind, rules.links) }
    }

    /// Whose links they are.
    pub(super) fn carrier(&self) -> CarrierId {
        self.reach.dial.carrier()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.reach.dial.name()
    }

    /// How the last try of any link that is opened this way ended.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.reach.dial.standing()
    }

    /// Whether links that are opened as these may stay where those are wanted.
    pub(super) fn is_reached_like(&self, other: &Self) -> bool {
        self.reach.is_like(&other.reach)
    }
}

/// One mode per link.
fn modes(bind: CarrierBind, links: u32) -> Vec<BindMode> {
    let pair = [BindMode::Transmitter, BindMode::Receiver];
    (0..links as usize)
        .map(|link| match bind {
            CarrierBind::Transceiver => BindMode::Transceiver,
            CarrierBind::TransmitterReceiver => pair[link % 2],
        })
        .collect()
}

impl Command {
    /// The way of orders to a fleet that is there already or will be.
    pub(super) fn new() -> (Self, Office) {
        let (orders, open) = mpsc::channel(ORDERS);
        let (sender, wanted) = watch::channel(Vec::new());
        (Self { orders, wanted }, Office { orders: open, wanted: sender })
    }

    /// What was ordered last.
    pub(super) fn wanted(&self) -> Vec<Wanted> {
        self.wanted.borrow().clone()
    }

    /// The same, to look at.
    pub(super) fn watch(&self) -> watch::Receiver<Vec<Wanted>> {
        self.wanted.clone()
    }

    /// These links and no others. When it returns, those that must go take no message any more; what is missing is being
    /// opened.
    pub(super) async fn follow(&self, wanted: Vec<Wanted>) -> Result<(), Gone> {
        let (told, heard) = oneshot::channel();
        self.orders.send(Order { wanted, told }).await.map_err(|_closed| Gone)?;
        heard.await.map_err(|_dropped| Gone)
    }
}

/// One link there is, or is being opened.
#[derive(Debug)]
struct Slot {
    reach: Arc<Reach>,
    mode: BindMode,
    berth: Berth,
    task: AbortHandle,
}

/// All links to carriers. Each carrier's are counted from 0.
#[derive(Debug)]
pub(super) struct Fleet {
    office: Office,
    wanted: Vec<Wanted>,
    slots: BTreeMap<(CarrierId, usize), Slot>,
    links: JoinSet<()>,
    news: Arc<Notify>,
    rim: Arc<Rim>,
    stop: StopWatch,
}

impl Fleet {
    /// A fleet that begins with these links.
    pub(super) fn new(office: Office, wanted: Vec<Wanted>, rim: Arc<Rim>, stop: StopWatch) -> Self {
        let (slots, links, news) = (BTreeMap::new(), JoinSet::new(), Arc::default());
        office.wanted.send_replace(wanted.clone());
        Self { office, wanted, slots, links, news, rim, stop }
    }

    /// Keeps the links that are wanted until `stop` turns true; then all unbind, and it returns when they are gone.
    pub(super) async fn run(mut self) {
        let mut stop = self.stop.clone();
        loop {
            self.arrange();
            tokio::select! {
                biased;
                _ = stop.wait_for(|wish| *wish) => break,
                Some(order) = self.office.orders.recv() => self.take(order),
                Some(ended) = self.links.join_next() => drop(ended),
                () = self.news.notified() => {}
            }
        }
        drop(self.office);
        while self.links.join_next().await.is_some() {}
    }

    fn take(&mut self, order: Order) {
        self.wanted = order.wanted;
        for wanted in &mut self.wanted {
            // What is there already goes on under its own standing.
            let like = self.slots.values().find(|slot| !slot.berth.is_leaving() && slot.reach.is_like(&wanted.reach));
            if let Some(slot) = like {
                wanted.reach = Arc::clone(&slot.reach);
            }
        }
        self.office.wanted.send_replace(self.wanted.clone());
        self.arrange();
        // Whoever asked may be gone.
        let _gone = order.told.send(());
    }

    /// Opens and closes what can be opened and closed now.
    fn arrange(&mut self) {
        self.slots.retain(|_, slot| !slot.task.is_finished());
        let there = self.slots.keys().map(|(carrier, _)| *carrier);
        let carriers: BTreeSet<CarrierId> = there.chain(self.wanted.iter().map(Wanted::carrier)).collect();
        for carrier in carriers {
            let wanted = self.wanted.iter().find(|wanted| wanted.carrier() == carrier).cloned();
            let modes = wanted.as_ref().map_or(&[][..], |wanted| &wanted.modes);
            let own = self.slots.range((carrier, 0)..=(carrier, usize::MAX));
            let looks = own.map(|((_, index), slot)| {
                let like = wanted.as_ref().is_some_and(|wanted| wanted.reach.is_like(&slot.reach));
                let is_right = like && modes.get(*index) == Some(&slot.mode);
                let (is_bound, is_leaving) = (slot.berth.is_bound(), slot.berth.is_leaving());
                (*index, Look { is_right, is_bound, is_leaving })
            });
            let steps = steps(&looks.collect(), modes.len());
            for step in steps {
                match (step, &wanted) {
                    (Step::Close(index), _) => self.slots[&(carrier, index)].berth.leave(),
                    (Step::Open(index), Some(wanted)) => self.open(wanted, index),
                    (Step::Open(_), None) => {}
                }
            }
        }
    }

    fn open(&mut self, wanted: &Wanted, index: usize) {
        let Some(mode) = wanted.modes.get(index).copied() else { return };
        let reach = Arc::clone(&wanted.reach);
        let (berth, mooring) = Berth::new(&self.news);
        let (dial, rim, stop) = (Arc::clone(&reach.dial), Arc::clone(&self.rim), self.stop.clone());
        let task = match &reach.connector {
            Connector::Clear(connect) => {
                self.links.spawn(keep_bound(dial, mode, Arc::clone(connect), rim, stop, mooring))
            }
            Connector::OverTls(connect) => {
                self.links.spawn(keep_bound(dial, mode, Arc::clone(connect), rim, stop, mooring))
            }
        };
        self.slots.insert((wanted.carrier(), index), Slot { reach, mode, berth, task });
    }
}

/// A link as far as it matters whether it may stay.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// Opened as it would be opened today.
    is_right: bool,
    is_bound: bool,
    is_leaving: bool,
}

/// What can be done about one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// There is none at this place.
    Open(usize),
    /// It must go.
    Close(usize),
}

/// What can be done now about a carrier that should have so many links.
fn steps(looks: &BTreeMap<usize, Look>, wanted: usize) -> Vec<Step> {
    let missing = (0..wanted).filter(|index| !looks.contains_key(index));
    let mut steps: Vec<Step> = missing.map(Step::Open).collect();
    let (may_stay, surplus): (Vec<_>, Vec<_>) = looks.iter().partition(|(index, _)| **index < wanted);
    steps.extend(surplus.iter().filter(|(_, look)| !look.is_leaving).map(|(index, _)| Step::Close(**index)));
    let wrong = may_stay.iter().filter(|(_, look)| !look.is_right && !look.is_leaving);
    let (up, down): (Vec<_>, Vec<_>) = wrong.partition(|(_, look)| look.is_bound);
    steps.extend(down.iter().map(|(index, _)| Step::Close(**index)));
    // A place that is empty, or whose link is going or not bound yet, is being replaced: the others wait for it.
    let is_replacing = may_stay.iter().any(|(_, look)| look.is_leaving || look.is_right && !look.is_bound);
    if !is_replacing && down.is_empty() && may_stay.len() == wanted {
        steps.extend(up.first().map(|(index, _)| Step::Close(**index)));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: Look = Look { is_right: true, is_bound: true, is_leaving: false };
    const OLD: Look = Look { is_right: false, ..RIGHT };
    const LEAVING: Look = Look { is_leaving: true, ..OLD };
    const DIALLING: Look = Look { is_bound: false, ..RIGHT };
    const DOWN: Look = Look { is_bound: false, ..OLD };

    fn now(looks: &[Option<Look>], wanted: usize) -> Vec<Step> {
        let looks = looks.iter().enumerate().filter_map(|(index, look)| Some((index, (*look)?))).collect();
        steps(&looks, wanted)
    }

    #[test]
    fn links_are_opened_together_and_replaced_one_by_one() {
        use Step::{Close, Open};
        assert_eq!(now(&[], 3), [Open(0), Open(1), Open(2)]);
        assert_eq!(now(&[Some(RIGHT); 3], 3), []);
        assert_eq!(now(&[Some(OLD); 3], 3), [Close(0)]);
        assert_eq!(now(&[Some(LEAVING), Some(OLD), Some(OLD)], 3), []);
        assert_eq!(now(&[None, Some(OLD), Some(OLD)], 3), [Open(0)]);
        assert_eq!(now(&[Some(DIALLING), Some(OLD), Some(OLD)], 3), [], "not before it is bound");
        assert_eq!(now(&[Some(RIGHT), Some(OLD), Some(OLD)], 3), [Close(1)]);
        assert_eq!(now(&[Some(RIGHT), Some(RIGHT), None], 3), [Open(2)]);
    }

    #[test]
    fn what_is_not_bound_is_replaced_at_once() {
        use Step::{Close, Open};
        assert_eq!(
            now(&[Some(DOWN), Some(OLD), Some(DOWN)], 3),
            [Close(0), Close(2)],
            "and what is bound waits for it"
        );
        assert_eq!(now(&[Some(DIALLING), Some(DOWN), None], 3), [Open(2), Close(1)]);
    }

    #[test]
    fn too_many_go_together_and_the_others_stay() {
        use Step::{Close, Open};
        assert_eq!(now(&[Some(RIGHT), Some(RIGHT), Some(RIGHT)], 1), [Close(1), Close(2)]);
        assert_eq!(now(&[Some(RIGHT), Some(LEAVING)], 2), [], "its place is free when it is gone");
        assert_eq!(now(&[Some(OLD), Some(DIALLING), Some(LEAVING)], 0), [Close(0), Close(1)]);
        assert_eq!(now(&[Some(OLD), Some(OLD), Some(LEAVING)], 2), [Close(0)], "one that is too much holds up nothing");
        assert_eq!(now(&[Some(RIGHT)], 2), [Open(1)]);
    }
}
