//! The file as it is written: every key with its type and its place, nothing resolved and nothing defaulted.
//!
//! Read by hand over the parsed document and not by derive, because a derived reader stops at its first mistake.

use std::time::Duration;

use toml::de::DeTable;

use super::cursor::{At, Cursor, Place, Share, Span};
use super::guard::RawGuard;
use super::habit::RawHabits;
use super::mistake::Ledger;
use super::opt_out::RawOptOut;
use super::screen::RawScreen;
use super::secret::Secret;
use crate::clock::Unix;

const MOMENT: Duration = Duration::from_millis(100);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const YEARS_10: Duration = Duration::from_secs(3650 * 24 * 3600);

const TIMEOUT: Span = Span { least: MOMENT, most: HOUR, zero: None };
const INTERVAL: Span = Span { least: MOMENT, most: DAY, zero: Some("never") };
const PAUSE: Span = Span { least: Duration::from_secs(1), most: DAY, zero: None };
/// Kept by the day, in files of a day.
const KEPT_DAYS: Span = Span { least: DAY, most: YEARS_10, zero: None };
/// Zero skips the stage.
const STAGE: Span = Span { least: Duration::from_secs(1), most: YEARS_10, zero: Some("not at all") };
const KEPT: Span = Span { least: Duration::from_secs(1), most: YEARS_10, zero: None };

/// The whole file.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) listen: RawListen,
    pub(super) tls: Option<RawTls>,
    pub(super) store: RawStore,
    pub(super) encryption: RawEncryption,
    pub(super) session: RawSession,
    pub(super) limits: RawLimits,
    pub(super) retention: RawRetention,
    pub(super) privacy: RawPrivacy,
    pub(super) audit: RawAudit,
    pub(super) operators: Vec<RawOperator>,
    pub(super) accounts: Vec<RawAccount>,
    pub(super) carriers: Vec<RawCarrier>,
    pub(super) routes: Vec<RawRoute>,
    pub(super) screens: Vec<RawScreen>,
    pub(super) guards: Vec<RawGuard>,
    pub(super) inbounds: Vec<RawInbound>,
}

#[derive(Debug)]
pub(super) struct RawListen {
    pub(super) place: Place,
    pub(super) smpp: Option<At<String>>,
    pub(super) smpps: Option<At<String>>,
    pub(super) admin: Option<At<String>>,
    pub(super) api: Option<At<String>>,
    pub(super) control: Option<At<String>>,
}

#[derive(Debug)]
pub(super) struct RawTls {
    pub(super) certificate: Option<At<String>>,
    pub(super) key: Option<At<String>>,
    pub(super) client_ca: Option<At<String>>,
}

#[derive(Debug)]
pub(super) struct RawStore {
    pub(super) path: Option<At<String>>,
    pub(super) durability: Option<At<String>>,
}

#[derive(Debug)]
pub(super) struct RawEncryption {
    pub(super) master_key: Option<At<String>>,
    pub(super) master_key_previous: Option<At<String>>,
    pub(super) destroyed_keys: Option<At<String>>,
}

#[derive(Debug)]
pub(super) struct RawSession {
    pub(super) init_timeout: Option<At<Duration>>,
    pub(super) enquire_link: Option<At<Duration>>,
    pub(super) inactivity: Option<At<Duration>>,
    pub(super) response_timeout: Option<At<Duration>>,
    pub(super) drain: Option<At<Duration>>,
}

#[derive(Debug)]
pub(super) struct RawLimits {
    pub(super) backlog: Option<At<u64>>,
    pub(super) links: Option<At<u64>>,
}

#[derive(Debug)]
pub(super) struct RawRetention {
    pub(super) message: Option<At<Duration>>,
    pub(super) inbound: Option<At<Duration>>,
    pub(super) receipt_queue: Option<At<Duration>>,
    pub(super) activity: Option<At<Duration>>,
    pub(super) audit: Option<At<Duration>>,
    pub(super) max_age: Option<At<Duration>>,
    pub(super) set_aside: Option<At<Duration>>,
    pub(super) sealed: Option<At<Duration>>,
}

/// What an account may shorten.
#[derive(Debug)]
pub(super) struct RawShorter {
    pub(super) place: Place,
    pub(super) message: Option<At<Duration>>,
    pub(super) inbound: Option<At<Duration>>,
    pub(super) body: Option<At<Duration>>,
    pub(super) receipt_queue: Option<At<Duration>>,
    pub(super) max_age: Option<At<Duration>>,
    pub(super) set_aside: Option<At<Duration>>,
    pub(super) sealed: Option<At<Duration>>,
}

#[derive(Debug)]
pub(super) struct RawAudit {
    pub(super) path: Option<At<String>>,
    pub(super) key: Option<At<String>>,
}

#[derive(Debug)]
pub(super) struct RawOperator {
    pub(super) place: Place,
    pub(super) name: Option<At<String>>,
    pub(super) uid: Option<At<u64>>,
    pub(super) password_hash: Option<At<Secret>>,
    pub(super) certificate: Option<At<String>>,
    pub(super) role: Option<At<String>>,
    pub(super) accounts: Option<At<Vec<At<String>>>>,
}

#[derive(Debug)]
pub(super) struct RawPrivacy {
    pub(super) processor: Option<At<String>>,
    pub(super) contact: Option<At<String>>,
    pub(super) dpo: Option<At<String>>,
}

#[derive(Debug)]
pub(super) struct RawAccount {
    pub(super) place: Place,
    pub(super) system_id: Option<At<String>>,
    pub(super) password: Option<At<Secret>>,
    pub(super) password_hash: Option<At<Secret>>,
    pub(super) password_next: Option<At<Secret>>,
    pub(super) password_hash_next: Option<At<Secret>>,
    pub(super) allow_from: Option<At<Vec<At<String>>>>,
    pub(super) max_binds: Option<At<u64>>,
    pub(super) window: Option<At<u64>>,
    pub(super) rate: Option<At<u64>>,
    pub(super) countries: Option<At<Vec<At<String>>>>,
    pub(super) transfer_bases: Option<At<Vec<At<String>>>>,
    pub(super) objects_to: Option<At<Vec<At<String>>>>,
    pub(super) country_code: Option<At<String>>,
    pub(super) alphabet: Option<At<String>>,
    pub(super) opt_out: RawOptOut,
    pub(super) controller: Option<At<String>>,
    pub(super) contact: Option<At<String>>,
    pub(super) body: Option<At<String>>,
    pub(super) one_time_service_types: Option<At<Vec<At<String>>>>,
    pub(super) retention: RawShorter,
}

#[derive(Debug)]
pub(super) struct RawCarrier {
    pub(super) place: Place,
    pub(super) name: Option<At<String>>,
    pub(super) address: Option<At<String>>,
    pub(super) system_id: Option<At<String>>,
    pub(super) password: Option<At<Secret>>,
    pub(super) system_type: Option<At<String>>,
    pub(super) bind: Option<At<String>>,
    pub(super) links: Option<At<u64>>,
    pub(super) window: Option<At<u64>>,
    pub(super) rate: Option<At<u64>>,
    pub(super) on_unknown: Option<At<String>>,
    pub(super) breaker: RawBreaker,
    pub(super) enquire_link: Option<At<Duration>>,
    pub(super) tls: Option<At<bool>>,
    pub(super) ca: Option<At<String>>,
    pub(super) server_name: Option<At<String>>,
    pub(super) legal_entity: Option<At<String>>,
    pub(super) country: Option<At<String>>,
    pub(super) transfer_basis: Option<At<String>>,
    pub(super) effective_from: Option<At<Unix>>,
    pub(super) habits: RawHabits,
}

/// The keys of a carrier that begin with `breaker_`.
#[derive(Debug)]
pub(super) struct RawBreaker {
    pub(super) failures: Option<At<u64>>,
    pub(super) percent: Option<At<u64>>,
    pub(super) pause: Option<At<Duration>>,
    pub(super) pause_max: Option<At<Duration>>,
    pub(super) probes: Option<At<u64>>,
}

#[derive(Debug)]
pub(super) struct RawRoute {
    pub(super) place: Place,
    pub(super) country: Option<At<Vec<At<String>>>>,
    pub(super) accounts: Option<At<Vec<At<String>>>>,
    pub(super) senders: Option<At<Vec<At<String>>>>,
    pub(super) prefixes: Option<At<Vec<At<String>>>>,
    /// One list of equals for each tier.
    pub(super) carriers: Option<At<Vec<Vec<Share>>>>,
    pub(super) rate: Option<At<u64>>,
    pub(super) over_rate: Option<At<String>>,
}

#[derive(Debug)]
pub(super) struct RawInbound {
    pub(super) place: Place,
    pub(super) to: Option<At<Vec<At<String>>>>,
    pub(super) keywords: Option<At<Vec<At<String>>>>,
    pub(super) carriers: Option<At<Vec<At<String>>>>,
    pub(super) account: Option<At<String>>,
}

impl Raw {
    /// Reads the document; what is wrong goes to the ledger, and the reading goes on.
    pub(super) fn read(document: &DeTable<'_>, ledger: &Ledger) -> Self {
        let top = Cursor::top(document, ledger);
        let tls = top.table("tls");
        let raw = Self {
            listen: RawListen::read(top.table("listen")),
            tls: if tls.is_present() { Some(RawTls::read(tls)) } else { None },
            store: RawStore::read(top.table("store")),
            encryption: RawEncryption::read(top.table("encryption")),
            session: RawSession::read(top.table("session")),
            limits: RawLimits::read(top.table("limits")),
            retention: RawRetention::read(top.table("retention")),
            privacy: RawPrivacy::read(top.table("privacy")),
            audit: RawAudit::read(top.table("audit")),
            operators: top.tables("operator").into_iter().map(RawOperator::read).collect(),
            accounts: top.tables("account").into_iter().map(RawAccount::read).collect(),
            carriers: top.tables("carrier").into_iter().map(RawCarrier::read).collect(),
            routes: top.tables("route").into_iter().map(RawRoute::read).collect(),
            screens: top.tables("screen").into_iter().map(RawScreen::read).collect(),
            guards: top.tables("guard").into_iter().map(RawGuard::read).collect(),
            inbounds: top.tables("inbound").into_iter().map(RawInbound::read).collect(),
        };
        top.finish();
        raw
    }
}

impl RawListen {
    fn read(table: Cursor<'_>) -> Self {
        let raw = Self {
            place: table.place(),
            smpp: table.text("smpp"),
            smpps: table.text("smpps"),
            admin: table.text("admin"),
            api: table.text("api"),
            control: table.text("control"),
        };
        table.finish();
        raw
    }
}

impl RawTls {
    fn read(table: Cursor<'_>) -> Self {
        let file = "the name of a PEM file";
        let raw = Self {
            certificate: table.needed_text("certificate", file),
            key: table.needed_text("key", file),
            client_ca: table.text("client_ca"),
        };
        table.finish();
        raw
    }
}

impl RawStore {
    fn read(table: Cursor<'_>) -> Self {
        let raw = Self { path: table.text("path"), durability: table.text("durability") };
        table.finish();
        raw
    }
}

impl RawEncryption {
    fn read(table: Cursor<'_>) -> Self {
        let raw = Self {
            master_key: table.text("master_key"),
            master_key_previous: table.text("master_key_previous"),
            destroyed_keys: table.text("destroyed_keys"),
        };
        table.finish();
        raw
    }
}

impl RawSession {
    fn read(table: Cursor<'_>) -> Self {
        let raw = Self {
            init_timeout: table.duration("init_timeout", &TIMEOUT),
            enquire_link: table.duration("enquire_link", &INTERVAL),
            inactivity: table.duration("inactivity", &INTERVAL),
            response_timeout: table.duration("response_timeout", &TIMEOUT),
            drain: table.duration("drain", &TIMEOUT),
        };
        table.finish();
        raw
    }
}

impl RawLimits {
    fn read(table: Cursor<'_>) -> Self {
        let raw = Self { backlog: table.number("backlog", 1, 100_000_000), links: table.number("links", 1, 1_000_000) };
        table.finish();
        raw
    }
}

impl RawRetention {
    fn read(table: Cursor<'_>) -> Self {
        let raw = Self {
            message: table.duration("message", &KEPT),
            inbound: table.duration("inbound", &KEPT),
            receipt_queue: table.duration("receipt_queue", &KEPT),
            activity: table.duration("activity", &KEPT_DAYS),
            audit: table.duration("audit", &KEPT_DAYS),
            max_age: table.duration("max_age", &KEPT),
            set_aside: table.duration("set_aside", &STAGE),
            sealed: table.duration("sealed", &STAGE),
        };
        table.finish();
        raw
    }
}

impl RawShorter {
    fn read(table: Cursor<'_>) -> Self {
        let raw = Self {
            place: table.place(),
            message: table.duration("message", &KEPT),
            inbound: table.duration("inbound", &KEPT),
            body: table.duration("body", &KEPT),
            receipt_queue: table.duration("receipt_queue", &KEPT),
            max_age: table.duration("max_age", &KEPT),
            set_aside: table.duration("set_aside", &STAGE),
            sealed: table.duration("sealed", &STAGE),
        };
        table.finish();
        raw
    }
}

impl RawAudit {
    fn read(table: Cursor<'_>) -> Self {
        let raw = Self { path: table.text("path"), key: table.text("key") };
        table.finish();
        raw
    }
}

impl RawOperator {
    fn read(table: Cursor<'_>) -> Self {
        let raw = Self {
            place: table.place(),
            name: table.needed_text("name", "the name of a person"),
            uid: table.number("uid", 0, u64::from(u32::MAX) - 1),
            password_hash: table.secret("password_hash"),
            certificate: table.text("certificate"),
            role: table.needed_text("role", "viewer, operator, privacy_officer or auditor"),
            accounts: table.texts("accounts"),
        };
        table.finish();
        raw
    }
}

impl RawPrivacy {
    fn read(table: Cursor<'_>) -> Self {
        let raw = Self { processor: table.text("processor"), contact: table.text("contact"), dpo: table.text("dpo") };
        table.finish();
        raw
    }
}

impl RawAccount {
    fn read(table: Cursor<'_>) -> Self {
        let raw = Self {
            place: table.place(),
            system_id: table.needed_text("system_id", "the name the client binds with"),
            password: table.secret("password"),
            password_hash: table.secret("password_hash"),
            password_next: table.secret("password_next"),
            password_hash_next: table.secret("password_hash_next"),
            allow_from: table.texts("allow_from"),
            max_binds: table.number("max_binds", 1, 10_000),
            window: table.number("window", 1, 10_000),
            rate: table.number("rate", 1, 1_000_000),
            countries: table.texts("countries"),
            transfer_bases: table.texts("transfer_bases"),
            objects_to: table.texts("objects_to"),
            country_code: table.text("country_code"),
            alphabet: table.text("alphabet"),
            opt_out: RawOptOut::read(&table),
            controller: table.text("controller"),
            contact: table.text("contact"),
            body: table.text("body"),
            one_time_service_types: table.texts("one_time_service_types"),
            retention: RawShorter::read(table.table("retention")),
        };
        table.finish();
        raw
    }
}

impl RawCarrier {
    fn read(table: Cursor<'_>) -> Self {
        let raw = Self {
            place: table.place(),
            name: table.needed_text("name", "a name for routes, metrics and logs"),
            address: table.needed_text("address", "\"host:port\""),
            system_id: table.needed_text("system_id", "the name the carrier knows us by"),
            password: table.secret("password"),
            system_type: table.text("system_type"),
            bind: table.text("bind"),
            links: table.number("links", 1, 1000),
            window: table.number("window", 1, 10_000),
            rate: table.number("rate", 1, 1_000_000),
            on_unknown: table.text("on_unknown"),
            breaker: RawBreaker::read(&table),
            enquire_link: table.duration("enquire_link", &INTERVAL),
            tls: table.flag("tls"),
            ca: table.text("ca"),
            server_name: table.text("server_name"),
            legal_entity: table.text("legal_entity"),
            country: table.text("country"),
            transfer_basis: table.text("transfer_basis"),
            effective_from: table.date("effective_from"),
            habits: RawHabits::read(&table),
        };
        table.require("password", "the password the carrier gave us");
        table.finish();
        raw
    }
}

impl RawBreaker {
    fn read(table: &Cursor<'_>) -> Self {
        Self {
            failures: table.number("breaker_failures", 0, 100_000),
            percent: table.number("breaker_percent", 0, 100),
            pause: table.duration("breaker_pause", &PAUSE),
            pause_max: table.duration("breaker_pause_max", &PAUSE),
            probes: table.number("breaker_probes", 1, 100),
        }
    }
}

impl RawRoute {
    fn read(table: Cursor<'_>) -> Self {
        let raw = Self {
            place: table.place(),
            country: table.texts("country"),
            accounts: table.texts("accounts"),
            senders: table.texts("senders"),
            prefixes: table.texts("prefixes"),
            carriers: table.shares("carriers", 1, 1000),
            rate: table.number("rate", 1, 1_000_000),
            over_rate: table.text("over_rate"),
        };
        // What asks for something else may be for any country.
        if raw.accounts.is_none() && raw.senders.is_none() && raw.prefixes.is_none() {
            table.require("country", "a list of countries such as [\"NO\", \"SE\"], or [\"*\"] for the rest");
        }
        table.require("carriers", "a list of carrier names, the preferred one first");
        table.finish();
        raw
    }
}

impl RawInbound {
    fn read(table: Cursor<'_>) -> Self {
        table.require(
            "to",
            "a list of numbers, short codes and beginnings such as [\"4759440000\", \"2440\", \"4790*\"]",
        );
        let raw = Self {
            place: table.place(),
            to: table.texts("to"),
            keywords: table.texts("keywords"),
            carriers: table.texts("carriers"),
            account: table.needed_text("account", "the system_id of the account that gets the messages"),
        };
        table.finish();
        raw
    }
}
