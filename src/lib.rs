//! smppgate: an SMPP 3.4 server and carrier bridge.
//!
//! Client systems (ESMEs) bind and submit messages; smppgate throttles and routes each by its destination country, forwards it
//! to an upstream SMSC ("carrier"), and brings the delivery receipt back. **Acknowledged means on disk, every message
//! ends, every receipt arrives.**
//!
//! # The picture
//!
//! ```text
//!    net: a task per link          bridge: one task            journal: one thread
//!    socket ─bytes→ codec ─Frame→ Session ─Input→ Bridge ─Commit{writes, then}→ Store (write, flush)
//!       ▲                                          │                              │
//!       └──────────── mailbox ◄── effects now ─────┘◄──────── effects then ───────┘
//! ```
//!
//! Every event makes one lap, in one direction. Nothing asks back: a timer, a carrier's answer, a block read from disk is a
//! new input that starts a new lap. A commit carries the effects that may follow it, so "durable before acknowledged"
//! costs no return trip, and while one commit is flushed the next one gathers: that is the group commit. Where the disk is
//! quicker than a millisecond and there is much to store, the journal rests for what is left of it, so that a flush is for many.
//!
//! # Life of a message
//!
//! 1. One read of a client's socket brings many PDUs. [`pdu::codec`] cuts all complete ones off at once; [`session`] asks
//!    of each whether this bind may send it now, and answers `enquire_link` and its kin itself.
//! 2. Everything the read brought goes to the bridge as one [`bridge::Input::Batch`]; the octets are shared, not copied.
//! 3. `bridge/submit` decides: fields, addresses, country by longest prefix, screens, route, times, rates, guard, room. A
//!    refusal leaves at once. An accepted message becomes an accept record in the open commit, a slot of 80 octets in memory, a place in its
//!    lane, and a `submit_sm_resp` that waits for the flush.
//! 4. At the end of the turn, `bridge/carrier` hands waiting messages to links with credit, lane by lane. Encoded once,
//!    into the parcel that the link writes as it is; it leaves after the same flush.
//! 5. [`net`]'s journal thread stores the commit, flushes, and only then sends the parcels. The session fills in sequence numbers
//!    and takes window slots before the octets are written, so an answer never finds its slot missing.
//! 6. The carrier's answer: accepted (its id is remembered), later, slower, elsewhere, or final. A message whose answer
//!    never comes is sent again, or ends, as the carrier's `on_unknown` says.
//! 7. The carrier's receipt finds its message by carrier and id, in any form, on any link; one that came too early waits.
//!    `Final` is stored, then the carrier gets its `deliver_sm_resp` and the client its `deliver_sm`.
//! 8. The client's answer settles the message. Owed receipts survive restarts and wait for a bind.
//! 9. `bridge/seal` moves settled messages into archive blocks that hold no text, keyed by the hour in which they may be
//!    forgotten, and cuts the journal behind them. The sweep drops whole archive blocks.
//!
//! A text in `message_payload` that a carrier of its way does not take is cut when it is accepted: each part is a message with
//! this life, and they share an id as the messages of a `submit_multi` do. A part that has ended waits for the others
//! (`bridge/whole`); with the last one the first gets a second `Final`, of the whole, and owes the receipt. One that waits when
//! such a carrier comes into its way by other rules passes it over, unless it is one short message (`bridge/fit`).
//!
//! # What clients say about earlier messages
//!
//! `query_sm`, `cancel_sm` and `replace_sm` are laps like any other. What they need and is not at hand, a journal block or a
//! look into the archive, is asked for through the outbox, and the request is made again when it has come; meanwhile
//! it is one of a bounded list (`bridge/recall`). There is no table of addresses: a cancel or a replacement by
//! addresses walks the book, some slots in each turn (`bridge/seek`). A cancelled message is an ordinary `Final`, and a
//! replaced one a second accept record under the same id, so that recovery, sealing and the archive need no rule for either.
//!
//! # Life of a message from a handset
//!
//! 1. A carrier's `deliver_sm` or `data_sm` that is no receipt comes to `bridge/inbound`. The rules of [`policy::inbound`] name
//!    an account by number, keyword and carrier; later parts of a long message follow the first. Nobody's is refused at once.
//! 2. Its body becomes a record in the open commit and a slot; the `deliver_sm_resp` waits for the flush. So a message is the
//!    carrier's until it is on disk here, and is asked for again (`ESME_RX_T_APPN`) when it cannot be.
//! 3. It joins the receipts that the account is owed, and goes to a bind as they do; a client's answer ends it.
//! 4. Sealing files it under a retention class of its own, which also tells the direction.
//!
//! # Other rules while everything runs
//!
//! 1. `smppgate reload` or SIGHUP has [`control::Reloader`] read the file again: all its mistakes, what a start has fixed
//!    ([`config::change`]), or what changed. New names get their numbers from the store, by an errand.
//! 2. [`bridge::Input::Policy`] is a lap like any other. From that moment on the lanes of the old rules lead nowhere: no message can
//!    leave by them. What waits in them is moved in bounded steps, beside the traffic, to where a new message of the kind would
//!    wait; by the path that recovery takes, for a restart with other rules must come to the same (`bridge/renewal`).
//! 3. Then the entrance knows the new accounts, and binds of those that are gone are closed. The answer waits for the next flush, and
//!    so for everything that was decided before.
//! 4. The links to the carriers follow by themselves (`net/fleet`). A carrier is known by the number of its name, and its place in a
//!    policy is only good for that policy. A link that is not wanted any more takes nothing more, awaits its answers and unbinds.
//!
//! # The rights of a person
//!
//! 1. A request comes over the control socket or the HTTP interface, with the client's instruction; its right is checked and it is recorded, by a keyed
//!    token of the number ([`policy::subject`]). An erasure is also written into `standing.json`, before its first step.
//! 2. `control/privacy` walks: what is open is stored, then the journal is looked through up to there, then the archive. Data moves
//!    in this direction only, and nothing is carried forward within the journal meanwhile, so nothing slips by.
//! 3. Each step is an errand ([`net::Errand`]): some blocks, read by the journal's thread beside the traffic. What is wanted is
//!    blanked in its block (`bridge/rights`, [`store::Block::without`]), so that every other record stays where it is; an
//!    archive block is rewritten without it. A lent message stays in the book as a shell until its link answers.
//! 4. Then the erasure is crossed out. After a crash it is made again from the beginning, by the token: what is gone is not met again.
//!
//! # Those who opt out
//!
//! 1. A message from a handset to an account with a list is read for its word ([`policy::opt_out`]); what it says changes the account's
//!    set of tokens (`bridge/opt_out`) and goes into the same [`store::Commit`] as the message: the carrier's answer follows both.
//! 2. A submit to a number on the list is refused. A message that was accepted before the newest entry is looked at when it would be
//!    handed to a carrier, whatever it waited for, and ends there.
//! 3. The store keeps an entry under a key of its own, in a tree beside the archive; a start reads all of them before the journal. Since
//!    and how are read from there, in steps, for whoever asks.
//!
//! # Rooms
//!
//! | room | duty | may use |
//! |---|---|---|
//! | [`clock`], [`limits`] | time as a value; every bound | nothing |
//! | [`pdu`] | octets ↔ values, all of SMPP 3.4 | clock, limits |
//! | [`message`] | identities, states, when a receipt is owed | clock, limits |
//! | [`session`] | one bind as a state machine, both roles | pdu |
//! | [`policy`] | rates, countries, routes, screens, breakers, retries, credentials, retention: pure rules | message, pdu values |
//! | [`store`] | blocks and archive blocks; sled and a model that can crash | message, pdu values |
//! | [`bridge`] | everything that crosses sessions | all of the above |
//! | [`config`] | the operator's file, checked and compiled | policy |
//! | [`audit`] | the chained and signed record of who did what; the activity of clients | clock, limits |
//! | [`net`] | sockets, TLS, the bridge's task, the journal's thread | all of the above |
//! | [`admin`], [`metrics`] | the operator's side | all of the above |
//! | [`control`] | the control socket and the HTTP interface: persons, their rights, and the one gate of what they ask | all of the above |
//! | [`sandbox`] | simulated carrier and load generator: peers, not parts | pdu |
//!
//! # Invariants, as absences
//!
//! * No OK answer leaves before the state it promises is flushed (with `durability = "flushed"`).
//! * The core (`pdu`, `message`, `session`, `policy`, the store's formats, `bridge`) never does I/O, reads a clock, spawns,
//!   locks, or draws randomness that is not handed in. It runs whole in virtual time, under a seed: `tests/sim`.
//! * No queue grows without a bound: a full one becomes a socket that is not read, or the SMPP error that says so.
//! * No edge of the ring blocks that closes it: the journal never waits for a mailbox.
//! * No slice of a read buffer outlives its lap: what is kept is copied into a block.
//! * No number, text or password is printable: such types mask themselves, and no label or error holds one.
//! * No number and no text is in a file of the store, but under a key whose day is not over: `tests/store_secrecy.rs`.
//! * No operator's request is carried out before its right is checked and its entry is on disk: [`control::Desk::handle`].
//! * No input panics.
//!
//! `tests/architecture.rs` holds the layers and the bans; `tests/sim` the rest. What of the protocol is there, and which test
//! shows it, is the table [`pics`], made by `tests/pics`. What is asked about personal data is the table [`privacy`].
//!
//! # On disk
//!
//! sled's price is per key, so one value holds many facts: a commit is one or a few blocks of 32 kB ([`store::Block`]),
//! written as one batch. Memory holds a compact index of what is not settled, rebuilt from the blocks at start. The journal is
//! kept short by sealing its oldest blocks once nothing in them lives; stragglers are carried forward, at the latest after a
//! day.
//!
//! What is personal in a block is encrypted on its way to the engine and decrypted on its way back ([`store::vault`]), both in
//! the journal's thread: the bridge sees plain blocks. Keys are for an account and a day, lie outside the engine, and are
//! destroyed before the blocks that they seal.

pub mod admin;
pub mod audit;
pub mod bridge;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod limits;
pub mod message;
pub mod metrics;
pub mod net;
pub mod pdu;
#[doc = include_str!("pics.md")]
pub mod pics {}
pub mod policy;
#[doc = include_str!("privacy.md")]
pub mod privacy {}
pub mod sandbox;
pub mod session;
pub mod store;
