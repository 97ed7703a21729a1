//! The rules operators set, as pure functions over values: who may bind, how fast, where to, what a refusal means, how
//! long things are kept.
//!
//! [`Policy`] is the compiled bundle that the configuration makes. Nothing here keeps state across messages except the
//! small values handed back to the caller ([`Cell`], [`Pace`], [`Breaker`], [`Damping`], [`Guard`]).

pub mod alphabet;
pub mod auth;
pub mod breaker;
pub mod country;
pub mod damping;
pub mod explain;
pub mod guard;
pub mod habit;
pub mod inbound;
pub mod number;
pub mod operator;
pub mod opt_out;
pub mod pace;
pub mod retention;
pub mod retry;
pub mod route;
pub mod rule;
pub mod screen;
pub mod sender;
pub mod subject;
pub mod throttle;
pub mod tier;
pub mod transfer;
pub mod validity;

pub use alphabet::{DefaultAlphabet, Recoded};
pub use auth::{AllowFrom, Credentials, Decoy, Password, PasswordHash};
pub use breaker::{Breaker, BreakerRules, BreakerState};
pub use country::{Country, Prefixes};
pub use damping::{Attempt, Damping};
pub use explain::{Candidate, Explanation, NoPlan, Plan, Way};
pub use guard::{Guard, GuardAction, GuardRules, Inflation};
pub use habit::{Habits, NumberForm, ReceiptIds, Senders, Types};
pub use inbound::{Inbound, InboundRule, Inbounds, Keyword, Target};
pub use number::{Home, Number, destination, destination_or_short, dialled, dialled_from, source_is_valid};
pub use operator::{Action, Denied, Operator, Role};
pub use opt_out::{ListedBy, OptOutWords, Wish};
pub use pace::Pace;
pub use retention::{Class, Retention};
pub use retry::{Next, OnUnknown, Outcome, Remedy, Statuses};
pub use route::{Destinations, OverRate, Route, Routes};
pub use rule::{When, Won};
pub use screen::{Objection, ScreenRule, Screens, Word};
pub use sender::{Sender, SenderKind, SenderPattern};
pub use subject::{Holds, NoNumber, Token, TokenKey, Wanted, person};
pub use throttle::{Cell, Rate, Verdict};
pub use tier::{Member, Spread, Tiers};
pub use transfer::{BadTransferBasis, NoTransfer, TransferBasis, Transfers};
pub use validity::Validity;

use crate::clock::Unix;
use crate::pdu::{Address, CommandStatus};

/// Binds an account may have at once, unless configured.
pub const MAX_BINDS: u32 = 10;
/// Open requests per bind toward us, unless configured.
pub const ACCOUNT_WINDOW: u32 = 500;
/// Open requests per link toward a carrier, unless configured.
pub const CARRIER_WINDOW: u32 = 200;

/// Everything that decides about messages, compiled from one configuration. Indices are positions in its lists.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Client systems.
    pub accounts: Vec<Account>,
    /// Upstream SMSCs.
    pub carriers: Vec<Carrier>,
    /// Which carriers serve which countries.
    pub routes: Routes,
    /// Which country a number belongs to.
    pub prefixes: Prefixes,
    /// What accounts may send, beside where.
    pub screens: Screens,
    /// Who gets messages from handsets.
    pub inbound: Inbounds,
    /// How long data is kept.
    pub retention: Retention,
    /// How long messages are tried.
    pub validity: Validity,
    /// Work for binds with unknown names; [`Decoy::of`] the credentials of all accounts.
    pub decoy: Decoy,
}

/// A client system.
#[derive(Clone, Debug)]
pub struct Account {
    /// The name it binds with.
    pub system_id: String,
    /// How it proves itself.
    pub credentials: Credentials,
    /// Where it may come from.
    pub allow_from: AllowFrom,
    /// Binds it may have at once.
    pub max_binds: u32,
    /// Open requests per bind.
    pub window: u32,
    /// Messages per second over all its binds.
    pub rate: Option<Rate>,
    /// Where it may send to; `None` for everywhere that has a route.
    pub countries: Option<Vec<Country>>,
    /// Where the data of its messages may go.
    pub transfers: Transfers,
    /// What of its traffic looks artificial; `None` for nothing.
    pub guard: Option<GuardRules>,
    /// How long its data is kept; never longer than the policy's own says.
    pub retention: Retention,
    /// The country whose national numbers it may write; `None` where all its numbers are international.
    pub home: Option<Home>,
    /// What `data_coding` 0 is in its texts.
    pub alphabet: DefaultAlphabet,
    /// The words by which handsets opt out of its messages and in again; `None` where it keeps no list.
    pub opt_out: Option<Box<OptOutWords>>,
}

/// An upstream SMSC.
#[derive(Clone, Debug)]
pub struct Carrier {
    /// The operator's name for it.
    pub name: String,
    /// Connections kept up.
    pub links: u32,
    /// Open requests per link.
    pub window: u32,
    /// Messages per second over all links.
    pub rate: Option<Rate>,
    /// What happens to messages it never answers.
    pub on_unknown: OnUnknown,
    /// When it is left alone, and for how long.
    pub breaker: BreakerRules,
    /// The company that gets the data.
    pub legal_entity: Option<String>,
    /// The country whose law it is under.
    pub country: Option<Country>,
    /// Why personal data may go there.
    pub transfer_basis: Option<TransferBasis>,
    /// When the first message may be routed to it; `None` for at once.
    pub effective_from: Option<Unix>,
    /// What it wants otherwise than clients write it.
    pub habits: Habits,
}

impl Account {
    /// The number of a destination that it wrote.
    ///
    /// # Errors
    /// As [`destination`].
    pub fn destination(&self, address: &Address) -> Result<Number, CommandStatus> {
        dialled_from(self.home, address)
    }

    /// Whether it may send to `country`, if a route leads there.
    #[must_use]
    pub fn allows(&self, country: Country) -> bool {
        self.countries.as_ref().is_none_or(|countries| countries.contains(&country))
    }
}

impl Policy {
    /// The account with this name. Compares octets: SMPP has no case folding.
    #[must_use]
    pub fn account(&self, system_id: &[u8]) -> Option<u16> {
        let position = self.accounts.iter().position(|account| account.system_id.as_bytes() == system_id)?;
        u16::try_from(position).ok()
    }

    /// The account of this name.
    #[must_use]
    pub fn account_of(&self, system_id: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.system_id == system_id)
    }

    /// The country whose national numbers the account of this name writes, if it says so.
    #[must_use]
    pub fn home_of(&self, system_id: &str) -> Option<Home> {
        self.account_of(system_id).and_then(|account| account.home)
    }

    /// How long the data of the account of this name is kept: as it says, or as for all.
    #[must_use]
    pub fn retention_of(&self, system_id: &str) -> &Retention {
        self.account_of(system_id).map_or(&self.retention, |account| &account.retention)
    }

    /// The account that this name and password open, at the same cost whether the name exists or not. With password
    /// hashes that cost is milliseconds: not for the thread that decides.
    #[must_use]
    pub fn authenticate(&self, system_id: &[u8], password: &[u8]) -> Option<u16> {
        let index = self.account(system_id);
        let credentials = index.and_then(|index| self.accounts.get(usize::from(index))).map(|own| &own.credentials);
        // Before the filter: an unknown name must pay too.
        let open = self.decoy.verify(credentials, password);
        index.filter(|_| open)
    }
}
