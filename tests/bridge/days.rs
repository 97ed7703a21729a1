//! 120 simulated days: traffic, erasures, restrictions, closings, reopenings, sweeps and crashes at random, against a
//! model that knows which record must be there. Equal at the end of each day.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use smppgate::control::closing::{Closing, Reopening, Stage};
use smppgate::message::AccountId;
use smppgate::pdu::{Address, CommandId, Sm};
use smppgate::policy::{Holds, Number, Retention, Wanted};
use smppgate::store::Store;

use crate::rig::{ACME, Gateway, OTHER, Record, message};

const DAYS: u64 = 120;
const DAY: Duration = Duration::from_secs(86_400);
const NUMBERS: u64 = 9;

/// A splitmix generator.
struct Rng(u64);

impl Rng {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What the model knows of a message.
#[derive(Debug)]
struct Known {
    account: u16,
    number: Vec<u8>,
    /// The hour in which its record is forgotten, once it is archived.
    forget_hour: Option<u32>,
    /// Whether it says that it is a one-time code.
    is_one_time: bool,
    /// The hour in which its text is forgotten, while the archive keeps that.
    text_hour: Option<u32>,
}

struct World {
    gateway: Gateway,
    rng: Rng,
    /// Messages whose record must be there.
    there: BTreeMap<u64, Known>,
    /// Numbers that are held, by account.
    held: BTreeSet<(u16, Vec<u8>)>,
    closed: BTreeMap<u16, Closing>,
    retention: [Retention; 2],
    /// What happened, so that a run in which nothing did is seen.
    counts: BTreeMap<&'static str, u64>,
}

fn number(at: u64) -> Vec<u8> {
    format!("479123456{at}").into_bytes()
}

fn written(number: &[u8]) -> Number {
    Number::international(std::str::from_utf8(number).expect("digits")).expect("a number")
}

impl World {
    fn new(seed: u64) -> Self {
        let days = |days: u32| DAY * days;
        let acme = Retention {
            message: days(20),
            body: days(7),
            one_time_service_types: vec!["OTP".to_owned()],
            set_aside: days(15),
            sealed: days(15),
            ..Retention::default()
        };
        let other = Retention { message: days(60), body: days(60), max_age: days(45), ..acme.clone() };
        let retention = [acme, other];
        let own = retention.clone();
        let gateway = Gateway::new(move |policy| {
            for (account, retention) in policy.accounts.iter_mut().zip(own) {
                account.retention = retention;
            }
        });
        let (there, held, closed) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        Self { gateway, rng: Rng(seed), there, held, closed, retention, counts: BTreeMap::new() }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn holds(&self) -> Holds {
        let mut holds = Holds::none(self.gateway.holds.key().clone());
        for (account, number) in &self.held {
            let token = holds.key().number(AccountId(*account), &written(number));
            holds.hold(AccountId(*account), None, token);
        }
        self.closed.keys().for_each(|account| holds.close(AccountId(*account)));
        holds
    }

    fn traffic(&mut self) {
        let carrier = self.gateway.carrier(0);
        for account in
            [ACME, OTHER].into_iter().filter(|account| !self.closed.contains_key(account)).collect::<Vec<_>>()
        {
            let client = self.gateway.client(account);
            for _ in 0..self.rng.below(5) {
                let number = number(self.rng.below(NUMBERS));
                let destination = Address::new(1, 1, &number).expect("a short number");
                let is_one_time = self.rng.chance(30);
                let service_type = if is_one_time { &b"OTP"[..] } else { b"" };
                let sm = Sm { service_type, destination, registered_delivery: 0, ..message(b"words") };
                match self.gateway.submit(client, &sm) {
                    Ok(id) => {
                        let id = std::str::from_utf8(&id).expect("digits").parse().expect("a number");
                        assert!(!self.held.contains(&(account, number.clone())), "nothing is taken for a held number");
                        let (forget_hour, text_hour) = (None, None);
                        self.there.insert(id, Known { account, number, forget_hour, is_one_time, text_hour });
                        self.count("messages");
                    }
                    Err(status) => {
                        assert_eq!((status, self.held.contains(&(account, number))), (0x45, true));
                        self.count("refused");
                    }
                }
            }
            self.gateway.give(smppgate::bridge::Input::Closed { link: client });
        }
        // Some days the carrier answers and reports, on others a message waits for its validity to end.
        let reports = !self.rng.chance(20);
        for sent in self.gateway.take(carrier) {
            let source = sent.sm().destination;
            let name = format!("c{}", self.rng.below(u64::MAX));
            self.gateway.answer(carrier, &sent, 0, name.as_bytes());
            if reports && !self.rng.chance(10) {
                self.report(carrier, source, &name);
                if self.rng.chance(10) {
                    self.report(carrier, source, &name);
                }
            }
        }
        self.gateway.give(smppgate::bridge::Input::Closed { link: carrier });
    }

    fn report(&mut self, carrier: smppgate::message::LinkId, source: Address, name: &str) {
        let text = format!("id:{name} stat:DELIVRD err:000");
        let destination = message(b"").source;
        let receipt = Sm { source, destination, esm_class: 4, short_message: text.as_bytes(), ..Sm::default() };
        let answer = self.gateway.ask(carrier, |sequence, wire| receipt.encode(CommandId::DELIVER_SM, sequence, wire));
        assert_eq!(answer.status, 0);
    }

    /// One of the requests that clients make.
    fn request(&mut self) {
        let (account, number) = (if self.rng.chance(50) { ACME } else { OTHER }, number(self.rng.below(NUMBERS)));
        let key = (account, number.clone());
        match self.rng.below(8) {
            0..=2 if !self.held.contains(&key) => self.erase(account, &number),
            3 => {
                self.held.insert(key);
                self.count("held");
                self.apply();
            }
            4 | 5 => {
                if self.held.remove(&key) {
                    self.count("released");
                }
                self.apply();
            }
            6 if self.rng.chance(20) && !self.closed.contains_key(&account) => {
                let retention = &self.retention[usize::from(account)];
                self.closed.insert(account, Closing::new(self.gateway.now.unix, String::new(), retention));
                self.count("closed");
                self.apply();
            }
            7 if self.rng.chance(20) => self.reopen(account),
            _ => {}
        }
    }

    fn apply(&mut self) {
        let holds = self.holds();
        self.gateway.hold(holds);
    }

    fn reopen(&mut self, account: u16) {
        let now = self.gateway.now.unix;
        let Some(closing) = self.closed.get_mut(&account) else { return };
        let stage = closing.stage(now);
        let first = closing.reopen("Kari", now);
        let outcome = if first == Reopening::NeedsSecond { closing.reopen("Ola", now) } else { first };
        match (stage, outcome) {
            (Stage::Aside, Reopening::Restored) => self.count("restored"),
            (Stage::Sealed, Reopening::Restored) => self.count("restored by two"),
            (Stage::Destroyed, Reopening::Empty) => self.count("reopened empty"),
            other => panic!("{other:?}"),
        }
        self.closed.remove(&account);
        self.apply();
    }

    /// Erases, with a crash in the middle now and then: then the token finds the rest.
    fn erase(&mut self, account: u16, number: &[u8]) {
        let key = self.gateway.holds.key().clone();
        let (id, number) = (AccountId(account), written(number));
        let mut wanted = Wanted::number(id, None, number, key.clone());
        self.gateway.erase_journal(&wanted);
        if self.rng.chance(30) {
            self.count("crashed in the middle");
            self.gateway.restart();
            let token = key.number(id, &number);
            wanted = Wanted::token(id, None, token, key);
            self.gateway.erase_journal(&wanted);
        }
        self.gateway.erase_archive(&wanted);
        self.there.retain(|_, known| !(known.account == account && known.number == number.digits()));
        self.count("erased");
    }

    /// What the process does by itself once a day.
    fn sweep(&mut self) {
        let (holds, now) = (self.holds(), self.gateway.now.unix);
        let asked = |account, source: &Address, destination: &Address| holds.cover(account, source, destination);
        let over: Vec<u16> = self
            .closed
            .iter()
            .filter(|(_, closing)| closing.stage(now) == Stage::Over)
            .map(|(account, _)| *account)
            .collect();
        for account in over {
            let wanted = Wanted::account(AccountId(account), &holds);
            self.gateway.erase_journal(&wanted);
            self.gateway.erase_archive(&wanted);
            let held = &self.held;
            self.there.retain(|_, known| known.account != account || held.contains(&(account, known.number.clone())));
            self.closed.entry(account).and_modify(|closing| closing.destroyed = true);
            self.count("destroyed");
        }
        loop {
            let swept = self.gateway.store.sweep_around(now, 3, &asked).expect("nothing is scripted");
            if swept.done {
                assert_eq!(swept.overdue, 0, "nothing is overdue");
                break;
            }
        }
        while !self.gateway.store.unhold(3, &asked).expect("nothing is scripted").done {}
    }

    fn check(&mut self, day: u64) {
        let hour = u32::try_from(self.gateway.now.unix.0 / 3_600_000).expect("a present");
        let found: BTreeMap<u64, Record> = [ACME, OTHER]
            .into_iter()
            .flat_map(|account| self.gateway.records(account))
            .map(|record| (record.id, record))
            .collect();
        for (id, known) in &mut self.there {
            let Some(record) = found.get(id) else { continue };
            assert_eq!((record.account, &record.number), (known.account, &known.number), "day {day}: message {id}");
            if let (Some((forget_hour, accepted, done)), None) = (record.archived, known.forget_hour) {
                let retention = &self.retention[usize::from(known.account)];
                let (kept, oldest) = (done.after(retention.message), accepted.after(retention.max_age));
                let due = u32::try_from(kept.min(oldest).0.div_ceil(3_600_000)).expect("a present");
                assert_eq!(forget_hour, due, "day {day}: message {id}");
                known.forget_hour = Some(due);
                let text_due = done.after(retention.body).0.div_ceil(3_600_000);
                let text_due = due.min(u32::try_from(text_due).expect("a present"));
                known.text_hour = (!known.is_one_time).then_some(text_due);
            }
        }
        let held = &self.held;
        self.there.retain(|_, known| {
            let is_over = known.forget_hour.is_some_and(|due| due <= hour);
            !is_over || held.contains(&(known.account, known.number.clone()))
        });
        let (expected, found): (Vec<_>, Vec<_>) = (self.there.keys().collect(), found.keys().collect());
        assert_eq!(found, expected, "day {day}");
        self.check_texts(day, hour);
        for number in (0..NUMBERS).map(number) {
            if self.there.values().all(|known| known.number != number) {
                assert_eq!(self.gateway.stored(&number), 0, "day {day}: a number is left without a record");
            }
        }
    }

    fn check_texts(&mut self, day: u64, hour: u32) {
        for known in self.there.values_mut() {
            if known.text_hour.is_some_and(|due| due <= hour) {
                // What is held is there beyond its time, and goes when it is held no more.
                let is_held = self.held.contains(&(known.account, known.number.clone()));
                known.text_hour = known.text_hour.filter(|_| is_held);
                *self.counts.entry(if is_held { "texts held" } else { "texts forgotten" }).or_default() += 1;
            }
        }
        let texts = self.gateway.texts();
        let expected = self.there.iter().filter(|(_, known)| known.text_hour.is_some()).map(|(id, _)| *id);
        assert_eq!(texts.keys().copied().collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "day {day}: texts");
        assert!(texts.values().all(|text| text == b"\0\0words"), "day {day}");
    }

    fn run(&mut self) {
        for day in 0..DAYS {
            self.traffic();
            for _ in 0..self.rng.below(4) {
                self.request();
            }
            if self.rng.chance(15) {
                self.count("crashed");
                self.gateway.restart();
            }
            self.gateway.later(DAY.as_secs());
            self.sweep();
            self.check(day);
        }
    }
}

#[test]
fn a_hundred_and_twenty_days_are_as_the_model_says() {
    let mut counts = BTreeMap::<&str, u64>::new();
    for seed in 1..=4 {
        let mut world = World::new(seed);
        world.run();
        for (what, count) in world.counts {
            *counts.entry(what).or_default() += count;
        }
    }
    for what in [
        "messages",
        "refused",
        "erased",
        "crashed in the middle",
        "held",
        "released",
        "closed",
        "restored",
        "restored by two",
        "reopened empty",
        "destroyed",
        "crashed",
        "texts held",
        "texts forgotten",
    ] {
        assert!(counts.get(what).is_some_and(|count| *count > 0), "it never happened: {what} of {counts:?}");
    }
}
