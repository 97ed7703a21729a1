//! The work behind requests about persons: walks of small steps through journal and archive, in the one order that lets
//! nothing slip by and can be begun again after a crash.
//!
//! Data moves from the journal to the archive and never back. So a walk first stores what is open, then looks through the
//! journal up to there, then through the archive: a record that is archived meanwhile is met there. An erasure is written
//! down, by token, before its first step and crossed out after its last; one that a crash cut is done again from its
//! beginning at the next start, and what is gone already is not there to be counted twice. Decides nothing about rights.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::{Instant, interval};

use super::closing::{Closing, Reopening, Stage};
use super::export::{archived_row, carrier_row, journal_row};
use super::persons::{Decided, Note, Persons, remove};
use super::refusal::Refusal;
use super::request::{Answer, ErasedRow, PersonRow, PersonSummary, ProgressRow};
use super::standing::Keeper;
use crate::audit::{Draft, Object, Outcome, Recorder};
use crate::bridge::Cleared;
use crate::clock::{Clock, Unix};
use crate::message::{AccountId, CarrierId};
use crate::net::{ErrandFault, Registry, holds};
use crate::policy::number::{Home, Number};
use crate::policy::{Token, TokenKey, Wanted};
use crate::store::{Fault, Position, Step};

/// How often it is told how far a walk is.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Texts that are looked for at once: each may cost the reading of a block.
const TEXTS_AT_ONCE: usize = 64;

/// How often it is looked for closed accounts whose time is over.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// One person within one account.
#[derive(Clone, Debug)]
pub struct Person {
    /// The account's name.
    pub account: String,
    /// Its number.
    pub id: AccountId,
    /// The person's number.
    pub number: Number,
    /// What stands for it.
    pub token: Token,
    /// The country whose national numbers the account writes.
    pub home: Option<Home>,
}

/// Everything that such requests are carried out with.
#[derive(Debug)]
pub struct Privacy {
    /// The way to the running server; `None` until it runs.
    pub registry: watch::Receiver<Option<Registry>>,
    /// Decisions that last.
    pub keeper: Arc<Keeper>,
    /// Makes tokens.
    pub key: TokenKey,
    /// For what is written down.
    pub clock: Clock,
    /// One erasure at a time: two would rewrite each other's blocks.
    pub erasing: Mutex<()>,
}

/// Where rows go; nobody may be listening.
pub(super) type Rows = Option<mpsc::Sender<Answer>>;

impl Privacy {
    /// The running server.
    ///
    /// # Errors
    /// It does not run yet.
    pub(super) fn registry(&self) -> Result<Registry, Refusal> {
        self.registry.borrow().clone().ok_or_else(|| Refusal::unavailable("the server is still starting; ask again"))
    }

    /// Whether the store has a number for an account of this name, configured or not.
    pub(super) fn knows(&self, account: &str) -> bool {
        self.registry.borrow().as_ref().is_some_and(|registry| registry.enrolled.account_id(account).is_some())
    }

    /// The person of a number within an account.
    ///
    /// # Errors
    /// What is wrong; never with the number in it.
    pub(super) fn person(&self, account: &str, written: &str) -> Result<Person, Refusal> {
        let number = Number::international(written).map_err(|wrong| Refusal::unwanted(wrong.to_string()))?;
        let registry = self.registry()?;
        let id = registry.enrolled.account_id(account).ok_or_else(|| Refusal::unknown("no such account"))?;
        let (token, home) = (self.key.number(id, &number), registry.policy.home_of(account));
        Ok(Person { account: account.to_owned(), id, number, token, home })
    }

    /// Writes down a decision about persons.
    pub(super) async fn decide<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&mut Persons) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let keeper = Arc::clone(&self.keeper);
        let deciding = tokio::task::spawn_blocking(move || {
            let mut outcome = None;
            keeper.change(|standing| outcome = Some(decide(&mut standing.persons))).map(|()| outcome)
        });
        let decided = deciding.await.map_err(|_panicked| "not kept".to_owned())?;
        decided.map_err(|fault| format!("not kept: {fault}"))?.ok_or_else(|| "not kept".to_owned().into())
    }

    fn decided(&self, instruction: &str) -> Decided {
        Decided { at_ms: self.clock.now().unix.0, instruction: crate::audit::entry::without_numbers(instruction) }
    }

    /// Shows all records of a person; says how many, and of how many the text was shown.
    pub(super) async fn export(
        &self,
        person: &Person,
        unmask: bool,
        rows: &mpsc::Sender<Answer>,
    ) -> Result<String, Refusal> {
        let registry = self.registry()?;
        let wanted = Arc::new(Wanted::number(person.id, person.home, person.number, self.key.clone()));
        let (mut shown, mut texts) = (HashSet::new(), 0_u64);
        let retention = registry.policy.retention_of(&person.account);
        let mut walk = Walk::new(&registry, &wanted, Some(rows.clone())).await?;
        while let Some(hits) = walk.journal().await? {
            let records = hits.iter().flat_map(|(block, offsets)| offsets.iter().map(move |at| (block, *at)));
            let records: Vec<_> = records.collect();
            let named = |(block, offset): &(&crate::store::Block, u32)| {
                let id = block.write_at(*offset).ok().and_then(|write| write.id()).unwrap_or_default();
                (id, Position { block: block.number, offset: *offset })
            };
            let standings = registry.stand(records.iter().map(named).collect()).await.map_err(said)?;
            for ((block, offset), standing) in records.iter().zip(standings) {
                let (Some(standing), Ok(write)) = (standing, block.write_at(*offset)) else { continue };
                let Some(row) = journal_row(&registry, &write, &standing, retention, unmask) else { continue };
                texts += shown_text(&row);
                shown.extend(write.id());
                send(rows, &row).await?;
            }
        }
        while let Some(Step { found, .. }) = walk.archive(false).await? {
            for found in found.chunks(TEXTS_AT_ONCE) {
                let ids = found.iter().map(|(_, record)| record.id).collect();
                let kept = registry.texts(ids).await.map_err(said)?;
                for (found, kept) in found.iter().zip(&kept) {
                    if shown.insert(found.1.id) {
                        let row = archived_row(&registry, found, kept.as_ref(), unmask);
                        texts += shown_text(&row);
                        send(rows, &row).await?;
                    }
                }
            }
        }
        let opted_out = self.opt_out_of(person.id, person.token).await?;
        let (records, persons) = (shown.len() as u64, &self.keeper.standing().persons);
        let summary = PersonSummary {
            account: person.account.clone(),
            number: shown_number(&person.number, unmask),
            records,
            restricted: persons.is_held(&person.account, person.token),
            notes: persons.notes_of(&person.account, person.token).to_vec(),
            opted_out,
            at: self.clock.now().unix.moment(),
        };
        send(rows, &summary).await?;
        Ok(format!("records={records} subjects={} texts={texts} masked={}", u64::from(records > 0), !unmask))
    }

    /// Erases all records of a person, also where the caller goes away meanwhile.
    pub(super) async fn erase(
        self: &Arc<Self>,
        person: Person,
        instruction: &str,
        rows: &mpsc::Sender<Answer>,
    ) -> Result<String, Refusal> {
        let (own, rows, decided) = (Arc::clone(self), rows.clone(), self.decided(instruction));
        let erasing = tokio::spawn(async move {
            let Person { account, id, number, token, home } = person;
            let name = account.clone();
            own.decide(move |persons| {
                _ = persons.erasing.entry(name).or_default().insert(token.to_string(), decided);
            })
            .await?;
            let wanted = Arc::new(Wanted::number(id, home, number, own.key.clone()));
            let mut row = own.finish(&account, token, wanted, Some(rows.clone())).await?;
            row.opted_out = own.opt_out_of(id, token).await?.is_some();
            // Whoever asked may be gone.
            let _gone = rows.send(Answer::row(&row)).await;
            Ok::<_, Refusal>(row)
        });
        let row =
            erasing.await.map_err(|_panicked| "the erasure failed; it goes on at the next start".to_owned())??;
        Ok(format!(
            "records={} subjects={} carriers={}",
            row.records(),
            u64::from(row.records() > 0),
            row.carriers.len()
        ))
    }

    /// Does what an erasure that is written down has to do, and crosses it out.
    async fn finish(&self, account: &str, token: Token, wanted: Arc<Wanted>, rows: Rows) -> Result<ErasedRow, Refusal> {
        let (mut row, graves) = self.take_out(&wanted, rows).await?;
        account.clone_into(&mut row.account);
        let (name, now) = (account.to_owned(), self.clock.now().unix);
        self.decide(move |persons| {
            persons.bury(&graves, now);
            remove(&mut persons.notes, &name, token);
            remove(&mut persons.erasing, &name, token);
        })
        .await?;
        Ok(row)
    }

    /// Goes on with the erasures that the last stop cut. Comes back when they are done, or cannot be.
    pub async fn resume(&self) {
        let mut registry = self.registry.clone();
        let Ok(running) = registry.wait_for(Option::is_some).await.map(|running| running.clone()) else { return };
        let Some(Registry { enrolled, policy, .. }) = running else { return };
        for (account, token) in self.keeper.standing().persons.all_erasing() {
            let Some(id) = enrolled.account_id(&account) else { continue };
            let wanted = Arc::new(Wanted::token(id, policy.home_of(&account), token, self.key.clone()));
            match self.finish(&account, token, wanted, None).await {
                Ok(row) => tracing::info!(account, records = row.records(), "an erasure that was cut is done"),
                Err(why) => tracing::warn!(account, %why, "an erasure that was cut goes on at the next start"),
            }
        }
    }

    /// Takes everything wanted out of journal and archive.
    pub(super) async fn take_out(
        &self,
        wanted: &Arc<Wanted>,
        rows: Rows,
    ) -> Result<(ErasedRow, Vec<(Token, u32)>), Refusal> {
        let _one = self.erasing.lock().await;
        let registry = self.registry()?;
        let (mut cleared, mut carriers, mut archived, mut texts) = (Cleared::default(), BTreeSet::new(), 0, 0);
        let mut walk = Walk::new(&registry, wanted, rows).await?;
        while let Some(hits) = walk.journal().await? {
            if !hits.is_empty() {
                cleared.add(registry.erase(hits).await.map_err(said)?);
            }
        }
        while let Some(Step { found, texts: more, .. }) = walk.archive(true).await? {
            (archived, texts) = (archived + found.len() as u64, texts + more.len() as u64);
            carriers.extend(found.iter().flat_map(|(_, record)| record.carriers()));
        }
        carriers.extend(&cleared.carriers);
        let row = |carrier: &CarrierId| carrier_row(&registry, *carrier);
        let row = ErasedRow {
            account: String::new(),
            unsent: cleared.unsent,
            sent: cleared.sent,
            ended: cleared.ended,
            inbound: cleared.inbound,
            archived,
            texts,
            receipts_dropped: cleared.graves.len() as u64,
            carriers: carriers.iter().map(row).collect(),
            opted_out: false,
        };
        Ok((row, cleared.graves))
    }

    /// Holds a number.
    pub(super) async fn restrict(&self, person: &Person, instruction: &str) -> Result<String, Refusal> {
        let (account, token, decided) = (person.account.clone(), person.token, self.decided(instruction));
        self.decide(move |persons| {
            _ = persons.held.entry(account).or_default().entry(token.to_string()).or_insert(decided);
        })
        .await?;
        self.apply_holds().await?;
        Ok("the number is restricted: nothing is sent to it, shown of it to clients, or forgotten".to_owned())
    }

    /// Lets a number go.
    pub(super) async fn release(&self, person: &Person) -> Result<String, Refusal> {
        let (account, token) = (person.account.clone(), person.token);
        let was_held = self.decide(move |persons| {
            if let Some(closing) = persons.closed.get_mut(&account) {
                // What was held outlived the destruction of the others.
                closing.destroyed = false;
            }
            remove(&mut persons.held, &account, token)
        });
        let was_held = was_held.await?;
        self.apply_holds().await?;
        Ok(if was_held { "the number is released" } else { "the number was not restricted" }.to_owned())
    }

    pub(super) async fn apply_holds(&self) -> Result<(), Refusal> {
        let registry = self.registry()?;
        let persons = &self.keeper.standing().persons;
        let (held, closed) = (persons.all_held(), persons.all_closed());
        let held = held.iter().map(|(account, token)| (account.as_str(), *token));
        let closed = closed.iter().map(String::as_str);
        let holds = holds(&self.key, held, closed, &registry.enrolled, &registry.policy);
        registry.hold(Arc::new(holds)).await.map_err(said)
    }

    /// Adds a correction.
    pub(super) async fn note(&self, person: &Person, text: &str, instruction: &str) -> Result<String, Refusal> {
        let note = Note {
            at: self.clock.now().unix.moment(),
            instruction: crate::audit::entry::without_numbers(instruction),
            text: text.to_owned(),
        };
        let (account, token) = (person.account.clone(), person.token);
        self.decide(move |persons| persons.note(&account, token, note)).await?.map_err(Refusal::conflict)?;
        Ok("the note is added".to_owned())
    }
}

impl Privacy {
    /// Closes an account: its records go through their stages from now on.
    pub(super) async fn close(&self, account: &str, instruction: &str) -> Result<String, Refusal> {
        let (registry, now) = (self.registry()?, self.clock.now().unix);
        let retention = registry.policy.retention_of(account);
        let closing = Closing::new(now, self.decided(instruction).instruction, retention);
        let said = format!(
            "account {account} is closed: its records are set aside until {}, sealed until {}, and destroyed then",
            Unix(closing.aside_until_ms).moment(),
            Unix(closing.sealed_until_ms).moment()
        );
        let name = account.to_owned();
        self.decide(move |persons| _ = persons.closed.entry(name).or_insert(closing)).await?;
        self.apply_holds().await?;
        Ok(said)
    }

    /// Opens a closed account again, if that may be; whether it is open then, and what to say.
    pub(super) async fn reopen(&self, account: &str, by: &str) -> Result<(bool, String), Refusal> {
        let (name, by, now) = (account.to_owned(), by.to_owned(), self.clock.now().unix);
        let outcome = self.decide(move |persons| {
            let outcome = persons.closed.get_mut(&name)?.reopen(&by, now);
            if matches!(outcome, Reopening::Restored | Reopening::Empty) {
                persons.closed.remove(&name);
            }
            Some(outcome)
        });
        match outcome.await? {
            Some(Reopening::Restored) => {
                self.apply_holds().await?;
                Ok((true, format!("account {account} is open again, with its records")))
            }
            Some(Reopening::Empty) => {
                self.apply_holds().await?;
                Ok((true, format!("account {account} is open again; its records were destroyed")))
            }
            Some(Reopening::NeedsSecond) => {
                Ok((false, "its records are sealed: a second operator has to ask too, within 24 hours".to_owned()))
            }
            Some(Reopening::SamePerson) => {
                Err(Refusal::conflict("a second operator has to ask, not the same one twice"))
            }
            Some(Reopening::TooLate) => {
                Err(Refusal::conflict("its records are being destroyed; ask again in a minute"))
            }
            None => Err(Refusal::conflict(format!("account {account} is not closed"))),
        }
    }

    /// Destroys the records of closed accounts whose time is over, now and whenever one's is. Does not end.
    pub async fn keep_closing(&self, recorder: &Recorder) {
        let mut registry = self.registry.clone();
        if registry.wait_for(Option::is_some).await.is_err() {
            return;
        }
        let mut looks = interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            let now = self.clock.now().unix;
            let closed = self.keeper.standing().persons.closed.clone();
            for (account, _) in closed.iter().filter(|(_, closing)| closing.stage(now) == Stage::Over) {
                let mut draft = Draft::system("account.destroy", "");
                (draft.object, draft.account) = (Object::new("account", account), account.clone());
                match self.destroy(account).await {
                    Ok(row) => draft.reason = format!("records={}", row.records()),
                    Err(why) => (draft.reason, draft.outcome) = (why.text, Outcome::Failed),
                }
                // The log counts what it cannot write.
                let _counted = recorder.record(draft).await;
            }
        }
    }

    /// Destroys all records of a closed account but those that are held.
    async fn destroy(&self, account: &str) -> Result<ErasedRow, Refusal> {
        let registry = self.registry()?;
        let persons = &self.keeper.standing().persons;
        let held = persons.all_held();
        let held = held.iter().map(|(account, token)| (account.as_str(), *token));
        let holds = holds(&self.key, held, std::iter::empty(), &registry.enrolled, &registry.policy);
        let mut row = ErasedRow::default();
        if let Some(id) = registry.enrolled.account_id(account) {
            let (taken, graves) = self.take_out(&Arc::new(Wanted::account(id, &holds)), None).await?;
            let now = self.clock.now().unix;
            self.decide(move |persons| persons.bury(&graves, now)).await?;
            row = taken;
            self.destroy_opt_outs(id).await?;
            // What is held can only be read with them.
            if persons.held.get(account).is_none_or(BTreeMap::is_empty) {
                registry.shred(id).await.map_err(said)?;
            }
        }
        let name = account.to_owned();
        self.decide(move |persons| {
            persons.notes.remove(&name);
            if let Some(closing) = persons.closed.get_mut(&name) {
                (closing.destroyed, closing.asked) = (true, None);
            }
        })
        .await?;
        Ok(row)
    }
}

/// A walk through journal and archive.
struct Walk<'a> {
    registry: &'a Registry,
    wanted: &'a Arc<Wanted>,
    rows: Rows,
    /// The next journal block, until the end is reached.
    from: Option<u64>,
    end: u64,
    after: Option<crate::store::ArchiveKey>,
    done: u64,
    found: u64,
    told: Instant,
}

impl<'a> Walk<'a> {
    async fn new(registry: &'a Registry, wanted: &'a Arc<Wanted>, rows: Rows) -> Result<Self, Refusal> {
        let end = registry.begin().await.map_err(said)?;
        let told = Instant::now();
        Ok(Self { registry, wanted, rows, from: Some(0), end, after: None, done: 0, found: 0, told })
    }

    /// The next step through the journal; `None` at its end.
    async fn journal(&mut self) -> Result<Option<Vec<crate::bridge::Hits>>, Refusal> {
        let Some(from) = self.from else { return Ok(None) };
        let scanned = self.registry.scan(from, self.end, self.wanted).await.map_err(said)?;
        self.from = scanned.next;
        let found = scanned.hits.iter().map(|(_, offsets)| offsets.len() as u64).sum();
        self.tell("journal", scanned.next.map_or(0, |next| next.saturating_sub(from)), found).await;
        Ok(Some(scanned.hits))
    }

    /// The next step through the archive; `None` at its end.
    async fn archive(&mut self, erase: bool) -> Result<Option<Step>, Refusal> {
        let step = self.registry.archive(self.after, self.wanted, erase).await.map_err(said)?;
        if step.next.is_none() {
            return Ok(None);
        }
        self.after = step.next;
        self.tell("archive", step.blocks, step.found.len() as u64).await;
        Ok(Some(step))
    }

    async fn tell(&mut self, part: &str, blocks: u64, found: u64) {
        (self.done, self.found) = (self.done + blocks, self.found + found);
        if let Some(rows) = self.rows.as_ref().filter(|_| self.told.elapsed() >= PROGRESS_EVERY) {
            self.told = Instant::now();
            let row = ProgressRow { part: part.to_owned(), done: self.done, found: self.found };
            // Whoever asked may be gone.
            let _gone = rows.send(Answer::Row(serde_json::json!({ "progress": row }))).await;
        }
    }
}

/// One for a row that shows a text.
fn shown_text(row: &PersonRow) -> u64 {
    u64::from(row.text.as_ref().is_some_and(|text| text.hex.is_some()))
}

/// A number as it may be shown.
pub(super) fn shown_number(number: &Number, unmask: bool) -> String {
    if unmask { format!("+{}", String::from_utf8_lossy(number.digits())) } else { number.masked() }
}

pub(super) async fn send(rows: &mpsc::Sender<Answer>, row: &impl Serialize) -> Result<(), Refusal> {
    rows.send(Answer::row(row)).await.map_err(|_gone| "whoever asked is gone".to_owned().into())
}

pub(super) fn said(fault: ErrandFault) -> Refusal {
    match fault {
        ErrandFault::Store(Fault::DamagedArchive { .. } | Fault::Damaged { .. }) => format!("stopped: {fault}").into(),
        other => other.to_string().into(),
    }
}
