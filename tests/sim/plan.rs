//! What a run is made of: accounts, carriers, routes, and which faults exist and how strong they are. Drawn from a seed,
//! or calm and then changed by a scenario.

use std::time::Duration;

use smppgate::bridge::Room;
use smppgate::clock::Unix;
use smppgate::policy::{
    Account, AllowFrom, BreakerRules, Carrier, Credentials, Decoy, DefaultAlphabet, Habits, InboundRule, Inbounds,
    OnUnknown, OverRate, Password, Policy, Prefixes, Rate, Retention, Routes, Screens, Target, TransferBasis,
    Transfers, Validity, When,
};
use smppgate::session::{BindMode, Settings};

use crate::habits::draw;
use crate::queue::{MS, S};
use crate::rng::Rng;
use crate::route::{RoutePlan, breaker, weights, when};
use crate::rules::{bases, basis};
use crate::smsc::service;

/// The password of every simulated client.
pub(crate) const PASSWORD: &[u8] = b"secret";
/// Parts of a long message at most.
pub(crate) const PARTS_MAX: u32 = 4;
/// Calling codes and their countries.
pub(crate) const COUNTRIES: [(&str, &str); 4] = [("47", "NO"), ("46", "SE"), ("45", "DK"), ("44", "GB")];

/// How a carrier writes an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Decimal,
    Hex,
    UpperHex,
    Padded,
    PaddedHex,
}

impl Form {
    pub(crate) const ALL: [Self; 5] = [Self::Decimal, Self::Hex, Self::UpperHex, Self::Padded, Self::PaddedHex];

    pub(crate) fn write(self, number: u64) -> String {
        match self {
            Self::Decimal => format!("{number}"),
            Self::Hex => format!("{number:x}"),
            Self::UpperHex => format!("{number:X}"),
            Self::Padded => format!("{number:012}"),
            Self::PaddedHex => format!("{number:010x}"),
        }
    }
}

/// What a client is and how it behaves; shares are per mille.
#[derive(Clone, Debug)]
pub(crate) struct ClientPlan {
    pub(crate) binds: Vec<BindMode>,
    pub(crate) version: u8,
    pub(crate) max_binds: u32,
    pub(crate) window: u32,
    pub(crate) rate: Option<u32>,
    pub(crate) messages: u32,
    pub(crate) submit_every: (u64, u64),
    pub(crate) registered: Vec<u8>,
    pub(crate) validity_s: Vec<u32>,
    pub(crate) schedule: u32,
    pub(crate) garbage: u32,
    /// Messages sent as `data_sm`.
    pub(crate) data: u32,
    /// Messages that it cuts into parts.
    pub(crate) parts: u32,
    /// Requests that query, cancel or replace a message instead of submitting one.
    pub(crate) recall: u32,
    pub(crate) text_octets: u64,
    pub(crate) answer_after: (u64, u64),
    pub(crate) answer_never: u32,
    pub(crate) answer_later: u32,
    pub(crate) answer_refuse: u32,
    pub(crate) quit: u32,
    pub(crate) reconnect_after: (u64, u64),
    /// Carriers that must not get its messages.
    pub(crate) objects_to: Vec<u16>,
    /// What a carrier must offer to get them; `None` for nothing.
    pub(crate) bases: Option<Vec<TransferBasis>>,
    /// What it means by `data_coding` 0, and whether anybody means another than the GSM alphabet.
    pub(crate) alphabet: DefaultAlphabet,
    pub(crate) recoded: bool,
}

/// What a carrier is and how it behaves; shares are per mille.
#[derive(Clone, Debug)]
pub(crate) struct CarrierPlan {
    pub(crate) links: Vec<BindMode>,
    pub(crate) window: u32,
    pub(crate) rate: Option<u32>,
    pub(crate) on_unknown: OnUnknown,
    pub(crate) breaker: BreakerRules,
    pub(crate) effective_from: Option<Unix>,
    pub(crate) basis: Option<TransferBasis>,
    pub(crate) up: bool,
    /// Reads and never answers anything.
    pub(crate) mute: bool,
    pub(crate) refuse: u32,
    pub(crate) statuses: Vec<u32>,
    pub(crate) payload: bool,
    /// What it wants otherwise; [`Self::payload`] apart.
    pub(crate) habits: Habits,
    /// Messages per second beyond which it says ESME_RTHROTTLED.
    pub(crate) capacity: Option<u64>,
    pub(crate) answer_after: (u64, u64),
    pub(crate) answer_late: u32,
    pub(crate) answer_never: u32,
    pub(crate) answer_twice: u32,
    pub(crate) anonymous: u32,
    pub(crate) form: Form,
    pub(crate) receipt_form: Form,
    pub(crate) first_id: u64,
    /// Ids begin again after so many.
    pub(crate) id_period: u64,
    pub(crate) receipt_after: (u64, u64),
    pub(crate) receipt_early: u32,
    pub(crate) receipt_never: u32,
    pub(crate) receipt_twice: u32,
    pub(crate) receipt_contradicts: u32,
    pub(crate) receipt_staged: u32,
    pub(crate) receipt_fails: u32,
    pub(crate) receipt_tlvs: bool,
    /// Receipts sent as `data_sm`.
    pub(crate) receipt_data: u32,
    pub(crate) chatter: u32,
    /// Clients that handsets may write to.
    pub(crate) clients: usize,
    pub(crate) refuse_bind: u32,
}

/// Network, disk, process and clock; shares are per mille.
#[derive(Clone, Debug)]
pub(crate) struct FaultPlan {
    pub(crate) latency: (u64, u64),
    pub(crate) cut: bool,
    pub(crate) stall: u32,
    pub(crate) stall_for: (u64, u64),
    pub(crate) decide_after: (u64, u64),
    pub(crate) flush: (u64, u64),
    pub(crate) slow: u32,
    pub(crate) slow_flush: (u64, u64),
    pub(crate) fail: u32,
    /// Mean time between two of the faults below; 0 for none of them.
    pub(crate) chaos_every: u64,
    pub(crate) crash: u32,
    pub(crate) reset: u32,
    pub(crate) clock_jump: u32,
    pub(crate) carrier_dies: u32,
}

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) clients: Vec<ClientPlan>,
    pub(crate) carriers: Vec<CarrierPlan>,
    pub(crate) routes: Vec<RoutePlan>,
    pub(crate) faults: FaultPlan,
    pub(crate) validity: Validity,
    pub(crate) backlog_max: u64,
    pub(crate) room: Room,
    pub(crate) inbox: usize,
    pub(crate) enquire_s: u64,
    pub(crate) response_s: u64,
    /// How long the faults go on.
    pub(crate) active: u64,
    /// Mean time between two changes of the rules; 0 for none.
    pub(crate) reload_every: u64,
    /// Carriers that are not in the file now, and how many of the others' places it begins later.
    pub(crate) absent: Vec<u16>,
    pub(crate) turned: usize,
}

impl ClientPlan {
    pub(crate) fn calm() -> Self {
        Self {
            binds: vec![BindMode::Transceiver],
            version: 0x34,
            max_binds: 4,
            window: 10,
            rate: None,
            messages: 0,
            submit_every: (10 * MS, 10 * MS),
            registered: vec![1],
            validity_s: vec![0],
            schedule: 0,
            garbage: 0,
            data: 0,
            parts: 0,
            recall: 0,
            text_octets: 20,
            answer_after: (MS, MS),
            answer_never: 0,
            answer_later: 0,
            answer_refuse: 0,
            quit: 0,
            reconnect_after: (S, S),
            objects_to: Vec::new(),
            bases: None,
            alphabet: DefaultAlphabet::default(),
            recoded: false,
        }
    }

    fn of(rng: &mut Rng) -> Self {
        use BindMode::{Receiver, Transceiver, Transmitter};
        let binds = match rng.below(5) {
            0 => vec![Transmitter, Receiver],
            1 => vec![Transceiver, Transceiver],
            2 => vec![Transmitter, Transceiver, Receiver],
            _ => vec![Transceiver],
        };
        let rude = rng.chance(500);
        let mut share = |most: u64| if rude && rng.chance(500) { rng.below(most) as u32 } else { 0 };
        let [answer_never, answer_later, answer_refuse, quit, garbage] = [100, 200, 700, 100, 200].map(&mut share);
        Self {
            max_binds: if binds[0] == Transceiver && rng.chance(200) { 1 } else { 4 },
            binds,
            version: rng.pick(&[0x34, 0x34, 0x34, 0x33]),
            window: rng.pick(&[1, 2, 10, 50]),
            rate: if rng.chance(200) { Some(rng.within((2, 40)) as u32) } else { None },
            messages: rng.within((5, 80)) as u32,
            submit_every: rng.pick(&[(0, MS), (MS, 100 * MS), (100 * MS, 2 * S)]),
            registered: rng.pick(&[&[1][..], &[0, 1, 2, 3], &[0], &[2, 3, 0x11]]).to_vec(),
            validity_s: rng.pick(&[&[0][..], &[0, 30, 90, 600]]).to_vec(),
            schedule: rng.pick(&[0, 0, 200]),
            garbage,
            data: rng.pick(&[0, 0, 300]),
            parts: rng.pick(&[0, 0, 200, 600]),
            recall: rng.pick(&[0, 0, 200, 600]),
            text_octets: rng.pick(&[5, 20, 140, 400]),
            answer_after: rng.pick(&[(0, MS), (MS, 300 * MS)]),
            answer_never,
            answer_later,
            answer_refuse,
            quit,
            reconnect_after: rng.pick(&[(MS, 100 * MS), (S, 20 * S)]),
            objects_to: Vec::new(),
            bases: None,
            alphabet: DefaultAlphabet::default(),
            recoded: false,
        }
    }
}

impl CarrierPlan {
    pub(crate) fn calm() -> Self {
        Self {
            links: vec![BindMode::Transceiver],
            window: 10,
            rate: None,
            on_unknown: OnUnknown::Resend,
            breaker: BreakerRules::default(),
            effective_from: None,
            basis: None,
            up: true,
            mute: false,
            refuse: 0,
            statuses: vec![0x0B],
            payload: true,
            habits: Habits::default(),
            capacity: None,
            answer_after: (MS, MS),
            answer_late: 0,
            answer_never: 0,
            answer_twice: 0,
            anonymous: 0,
            form: Form::Decimal,
            receipt_form: Form::Decimal,
            first_id: 1_000_000,
            id_period: u64::MAX,
            receipt_after: (100 * MS, 100 * MS),
            receipt_early: 0,
            receipt_never: 0,
            receipt_twice: 0,
            receipt_contradicts: 0,
            receipt_staged: 0,
            receipt_fails: 0,
            receipt_tlvs: true,
            receipt_data: 0,
            chatter: 0,
            clients: 1,
            refuse_bind: 0,
        }
    }

    /// Whether one id may stand for two messages: ids come again, or short ones are written in two bases.
    fn is_ambiguous(&self) -> bool {
        let hex = |form| matches!(form, Form::Hex | Form::UpperHex | Form::PaddedHex);
        self.id_period < u64::MAX || (hex(self.form) != hex(self.receipt_form) && self.first_id < 1000)
    }

    fn of(rng: &mut Rng) -> Self {
        use BindMode::{Receiver, Transceiver, Transmitter};
        let links = match rng.below(4) {
            0 => vec![Transmitter, Receiver],
            1 => vec![Transceiver, Transceiver],
            _ => vec![Transceiver],
        };
        let form = rng.pick(&Form::ALL);
        let mut plan = Self {
            links,
            window: rng.pick(&[1, 3, 20, 100]),
            rate: if rng.chance(300) { Some(rng.within((2, 50)) as u32) } else { None },
            on_unknown: rng.pick(&[OnUnknown::Resend, OnUnknown::Resend, OnUnknown::Fail]),
            statuses: rng
                .pick(&[&[0x14, 0x58][..], &[0x08, 0x14, 0x45, 0x0B, 0x0A, 0x4FF], &[0x45, 0x04, 0x08, 0xFF], &[0x0B]])
                .to_vec(),
            payload: rng.chance(600),
            answer_after: rng.pick(&[(0, MS), (MS, 50 * MS), (100 * MS, S)]),
            form,
            receipt_form: if rng.chance(500) { form } else { rng.pick(&Form::ALL) },
            first_id: rng.pick(&[1, 1_000_000, 0x00AB_CDEF_0123]),
            receipt_after: rng.pick(&[(MS, 100 * MS), (S, 10 * S), (10 * S, 90 * S)]),
            receipt_tlvs: rng.chance(500),
            receipt_data: rng.pick(&[0, 0, 500]),
            ..Self::calm()
        };
        let mut share = |often: u32, most: u64| if rng.chance(often) { 1 + rng.below(most) as u32 } else { 0 };
        plan.refuse = share(500, 500);
        plan.answer_late = share(300, 100);
        plan.answer_never = share(300, 200);
        plan.answer_twice = share(300, 200);
        plan.anonymous = share(100, 200);
        plan.receipt_early = share(400, 300);
        plan.receipt_never = share(300, 200);
        plan.receipt_twice = share(400, 300);
        plan.receipt_contradicts = share(300, 200);
        plan.receipt_staged = share(300, 300);
        plan.receipt_fails = share(500, 500);
        plan.chatter = share(200, 200);
        plan.refuse_bind = share(200, 300);
        if rng.chance(150) {
            plan.id_period = rng.within((3, 30));
        }
        if rng.chance(250) {
            plan.capacity = Some(rng.within((2, 30)));
        }
        plan
    }
}

impl FaultPlan {
    pub(crate) fn calm() -> Self {
        Self {
            latency: (MS, MS),
            cut: false,
            stall: 0,
            stall_for: (S, S),
            decide_after: (0, 0),
            flush: (MS, MS),
            slow: 0,
            slow_flush: (S, S),
            fail: 0,
            chaos_every: 0,
            crash: 0,
            reset: 0,
            clock_jump: 0,
            carrier_dies: 0,
        }
    }

    fn of(rng: &mut Rng) -> Self {
        let mut share = |often: u32, most: u64| if rng.chance(often) { 1 + rng.below(most) as u32 } else { 0 };
        let [stall, slow, fail] = [(300, 30), (400, 100), (300, 100)].map(|(often, most)| share(often, most));
        let [crash, reset, clock_jump, carrier_dies] =
            [(500, 500), (500, 500), (200, 300), (400, 300)].map(|(often, most)| share(often, most));
        Self {
            latency: rng.pick(&[(0, 0), (10, MS), (MS, 80 * MS)]),
            cut: rng.chance(500),
            stall,
            stall_for: (S, 40 * S),
            decide_after: rng.pick(&[(0, 0), (0, MS), (MS, 20 * MS)]),
            flush: rng.pick(&[(100, MS), (MS, 10 * MS), (10 * MS, 200 * MS)]),
            slow,
            slow_flush: (100 * MS, 8 * S),
            fail,
            chaos_every: if crash + reset + clock_jump + carrier_dies > 0 { rng.within((2 * S, 20 * S)) } else { 0 },
            crash,
            reset,
            clock_jump,
            carrier_dies,
        }
    }
}

impl Plan {
    /// One client, one carrier, no faults.
    pub(crate) fn calm() -> Self {
        Self {
            seed: 1,
            clients: vec![ClientPlan::calm()],
            carriers: vec![CarrierPlan::calm()],
            routes: vec![RoutePlan {
                countries: Vec::new(),
                carriers: vec![0],
                weights: Vec::new(),
                when: When::default(),
                rate: None,
                over_rate: OverRate::Defer,
            }],
            faults: FaultPlan::calm(),
            validity: Validity::default(),
            backlog_max: 100_000,
            room: Room::default(),
            inbox: 256,
            enquire_s: 0,
            response_s: 10,
            active: 0,
            reload_every: 0,
            absent: Vec::new(),
            turned: 0,
        }
    }

    /// What the seed says.
    pub(crate) fn of(seed: u64) -> Self {
        let rng = &mut Rng::of(seed, "plan");
        let mut clients: Vec<ClientPlan> = (0..rng.within((1, 3))).map(|_| ClientPlan::of(rng)).collect();
        let mut carriers: Vec<CarrierPlan> = (0..rng.within((1, 3))).map(|_| CarrierPlan::of(rng)).collect();
        for client in &mut clients {
            let objects = rng.chance(300);
            client.objects_to = (0..carriers.len() as u16).filter(|_| objects && rng.chance(400)).collect();
        }
        carriers.iter_mut().for_each(|carrier| carrier.clients = clients.len());
        let lanes = &mut Rng::of(seed, "lanes");
        carriers.iter_mut().for_each(|carrier| carrier.breaker = breaker(lanes));
        let via = |rng: &mut Rng| {
            let mut order: Vec<u16> = (0..carriers.len() as u16).collect();
            for at in (1..order.len()).rev() {
                order.swap(at, rng.below(at as u64 + 1) as usize);
            }
            order.truncate(1 + rng.below(order.len() as u64) as usize);
            order
        };
        let route = |rng: &mut Rng, countries: Vec<&'static str>| RoutePlan {
            countries,
            carriers: via(rng),
            weights: Vec::new(),
            when: When::default(),
            rate: if rng.chance(400) { Some(rng.within((1, 40)) as u32) } else { None },
            over_rate: rng.pick(&[OverRate::Defer, OverRate::Defer, OverRate::Throttle]),
        };
        let others = if rng.chance(500) { vec!["DK"] } else { vec![] };
        let mut routes = vec![route(rng, vec!["NO", "SE"]), route(rng, others)];
        routes.iter_mut().for_each(|route| route.weights = weights(lanes, route.carriers.len()));
        // Where nothing is counted by country, the first client may have a route of its own.
        if lanes.chance(500) && routes.iter().all(|route| route.rate.is_none()) {
            let (when, mut carriers) = (when(lanes), routes[1].carriers.clone());
            carriers.reverse();
            let (rate, over_rate) = (None, OverRate::Defer);
            let weights = weights(lanes, carriers.len());
            routes.push(RoutePlan { countries: Vec::new(), carriers, weights, when, rate, over_rate });
        }
        let minutes = |count| Duration::from_secs(60 * count);
        let rules = &mut Rng::of(seed, "rules");
        clients.iter_mut().for_each(|client| client.bases = bases(rules));
        carriers.iter_mut().for_each(|carrier| carrier.basis = basis(rules));
        let habits = &mut Rng::of(seed, "habits");
        if habits.chance(400) {
            draw(habits, &mut clients, &mut carriers);
        }
        let reload_every = if rules.chance(500) { rules.within((S, 20 * S)) } else { 0 };
        Self {
            seed,
            clients,
            carriers,
            routes,
            faults: if seed.is_multiple_of(10) { FaultPlan::calm() } else { FaultPlan::of(rng) },
            validity: Validity { default: minutes(rng.within((2, 20))), longest: minutes(30), farthest: minutes(60) },
            backlog_max: rng.pick(&[10, 100, 100_000]),
            room: Room {
                shelf_octets: rng.pick(&[1 << 24, 1 << 24, 50_000]),
                journal_octets: rng.pick(&[1 << 26, 20_000, 3_000]),
            },
            inbox: rng.pick(&[2, 16, 256]),
            enquire_s: rng.pick(&[0, 0, 10, 30]),
            response_s: rng.pick(&[3, 10, 30]),
            active: rng.within((20, 120)) * S,
            reload_every,
            absent: Vec::new(),
            turned: 0,
        }
    }

    /// Whether one id of a carrier may stand for two messages. Parts have one recipient, so of two of them a short id that
    /// came early may be either.
    pub(crate) fn is_ambiguous(&self) -> bool {
        let in_parts = self.clients.iter().any(ClientPlan::has_parts);
        self.carriers.iter().any(|carrier| carrier.is_ambiguous() || (in_parts && carrier.first_id < 1000))
    }

    /// The compiled policy.
    pub(crate) fn policy(&self) -> Policy {
        let account = |(at, client): (usize, &ClientPlan)| client.account(at, self.transfers(client));
        let accounts: Vec<Account> = (0..).zip(&self.clients).map(account).collect();
        let listed = self.listed();
        let carriers = listed.iter().map(|at| self.carriers[usize::from(*at)].carrier(usize::from(*at))).collect();
        let routes = self.open_routes().map(|route| route.route(&listed)).collect();
        Policy {
            decoy: Decoy::of(accounts.iter().map(|account| &account.credentials)),
            accounts,
            carriers,
            routes: Routes::new(routes).expect("routes of a plan do not clash"),
            prefixes: Prefixes::standard(),
            screens: Screens::default(),
            inbound: Inbounds::new((0..self.clients.len()).map(inbound_rule).collect()),
            retention: Retention::default(),
            validity: self.validity,
        }
    }

    /// Settings of our sessions.
    pub(crate) fn settings(&self, window: u32) -> Settings {
        Settings {
            enquire_link: Duration::from_secs(self.enquire_s),
            response_timeout: Duration::from_secs(self.response_s),
            window,
            send_window: window,
            ..Settings::default()
        }
    }
}

/// Each client has a number that handsets write to.
fn inbound_rule(client: usize) -> InboundRule {
    let to = vec![Target::parse(&service(client)).expect("a short code")];
    InboundRule { to, keywords: Vec::new(), carriers: Vec::new(), account: client as u16 }
}

/// The name an account binds with.
pub(crate) fn account_name(at: usize) -> String {
    format!("esme{at}")
}

impl ClientPlan {
    /// Whether a text of its may leave in parts.
    pub(crate) fn has_parts(&self) -> bool {
        self.parts > 0 || self.text_octets > 254
    }

    fn account(&self, at: usize, transfers: Transfers) -> Account {
        Account {
            system_id: account_name(at),
            credentials: Credentials::Plain(Password::new(PASSWORD).expect("a short password")),
            allow_from: AllowFrom::any(),
            max_binds: self.max_binds,
            window: self.window,
            rate: self.rate.map(Rate::per_second),
            countries: None,
            transfers,
            guard: None,
            retention: Retention::default(),
            home: None,
            alphabet: self.alphabet,
            opt_out: None,
        }
    }
}

impl CarrierPlan {
    pub(crate) fn carrier(&self, at: usize) -> Carrier {
        Carrier {
            name: format!("smsc{at}"),
            links: self.links.len() as u32,
            window: self.window,
            rate: self.rate.map(Rate::per_second),
            on_unknown: self.on_unknown,
            breaker: self.breaker,
            legal_entity: None,
            country: None,
            transfer_basis: self.basis,
            effective_from: self.effective_from,
            habits: Habits { payload: self.payload, ..self.habits.clone() },
        }
    }
}
