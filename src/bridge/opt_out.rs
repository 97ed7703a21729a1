//! Numbers that must not be written to any more: each account's list, kept by the words of handsets and by operators.
//!
//! In memory is a set of tokens an account; what else is known of an entry is the store's. A message to a number on the
//! list is refused, and one that waits for a carrier ends when it would leave, at the latest: only those accepted before the
//! newest entry are looked at then. What a carrier has been handed stays with it. Lists of accounts that keep none any more
//! stay and mean nothing.

use rustc_hash::FxHashSet;

use super::Bridge;
use super::refusal::InboundRefusal;
use crate::clock::Now;
use crate::limits;
use crate::message::{AccountId, MessageId, MessageState};
use crate::pdu::Sm;
use crate::policy::{ListedBy, Number, OptOutWords, Token, Wish, person, retry};
use crate::store::{Listed, OptOut, OptOutKey};

/// Under this number of an account, which none has, is the mark of the key that made the tokens.
const MARK: AccountId = AccountId(u16::MAX);

/// All lists, apart from their entries.
#[derive(Debug, Default)]
pub(super) struct OptOuts {
    /// Entries of all lists.
    total: u64,
    /// Whether the key's mark is stored.
    is_marked: bool,
    /// What the open commit changes.
    pub(super) changes: Vec<OptOut>,
}

/// An account's list.
#[derive(Debug, Default)]
pub(super) struct List {
    /// The words that handsets may say; `None` where nothing is heard, refused or ended.
    pub(super) words: Option<Box<OptOutWords>>,
    tokens: FxHashSet<Token>,
    /// Messages from this one on were accepted by the list as it is.
    checked_from: MessageId,
}

/// The lists were made with another key of tokens, so no number would be found on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the store's lists of opted-out numbers were made with another key of tokens: without the key they are lost; restore \
     the folder of the keys from a backup"
)]
pub struct ForeignList;

/// What became of a change by an operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relisted {
    /// Entries that were put or taken away; the others were so already.
    pub changed: u64,
    /// Entries that found no room.
    pub refused: u64,
}

impl List {
    /// Entries.
    pub(super) fn len(&self) -> u64 {
        self.tokens.len() as u64
    }

    /// Whether anything would be refused.
    fn applies(&self) -> bool {
        self.words.is_some() && !self.tokens.is_empty()
    }
}

impl Bridge {
    /// Takes in entries of the store, before [`Bridge::recovered`]; in the order of their keys.
    ///
    /// # Errors
    /// [`ForeignList`]; then the bridge must not be used.
    pub fn restore_opt_outs(&mut self, entries: &[(OptOutKey, Listed)]) -> Result<(), ForeignList> {
        for (key, _) in entries {
            if key.account == MARK {
                self.read_mark(*key)?;
                continue;
            }
            self.provide_account(key.account);
            let list = &mut self.accounts[key.account.0 as usize].opt_outs;
            self.opt_outs.total += u64::from(list.tokens.insert(Token::of(key.token)));
        }
        Ok(())
    }

    /// The mark comes last. That of another key goes where it marks nothing.
    fn read_mark(&mut self, key: OptOutKey) -> Result<(), ForeignList> {
        if key.token == self.rights.holds.key().mark().octets() {
            self.opt_outs.is_marked = true;
        } else if self.opt_outs.total > 0 {
            return Err(ForeignList);
        } else {
            self.opt_outs.changes.push(OptOut { key, listed: None });
        }
        Ok(())
    }

    /// Everything that waits is looked at when it leaves: it may have been accepted by other lists.
    pub(super) fn recheck_opt_outs(&mut self) {
        let checked_from = MessageId(self.next_id);
        self.accounts.iter_mut().for_each(|account| account.opt_outs.checked_from = checked_from);
    }

    /// Puts numbers on an account's list, or takes them off it. Durable with the next commit.
    pub fn relist(&mut self, account: AccountId, tokens: &[Token], wish: Wish, now: Now) -> Relisted {
        let mut relisted = Relisted::default();
        if usize::from(account.0) < self.accounts.len() {
            for token in tokens {
                match self.list(account, *token, wish, ListedBy::Operator, now) {
                    Some(changed) => relisted.changed += u64::from(changed),
                    None => relisted.refused += 1,
                }
            }
        }
        relisted
    }

    /// Whether the entry was not so before; `None` where there is no room for it.
    fn list(&mut self, account: AccountId, token: Token, wish: Wish, by: ListedBy, now: Now) -> Option<bool> {
        let list = &mut self.accounts[account.0 as usize].opt_outs;
        let is_there = list.tokens.contains(&token);
        if is_there == (wish == Wish::Out) {
            return Some(false);
        }
        let listed = match wish {
            Wish::Out if self.opt_outs.total >= limits::OPT_OUTS_MAX => return None,
            Wish::Out => {
                list.tokens.insert(token);
                list.checked_from = MessageId(self.next_id);
                self.opt_outs.total += 1;
                Some(Listed { since: now.unix, by: by as u8 })
            }
            Wish::In => {
                list.tokens.remove(&token);
                self.opt_outs.total -= 1;
                None
            }
        };
        if !self.opt_outs.is_marked {
            self.opt_outs.is_marked = true;
            let key = OptOutKey { account: MARK, token: self.rights.holds.key().mark().octets() };
            let listed = Some(Listed { since: now.unix, by: by as u8 });
            self.opt_outs.changes.push(OptOut { key, listed });
        }
        self.opt_outs.changes.push(OptOut { key: OptOutKey { account, token: token.octets() }, listed });
        Some(true)
    }

    /// Does what a message from a handset says. Refused where that would be lost.
    pub(super) fn hear(&mut self, account: AccountId, sm: &Sm<'_>, now: Now) -> Result<(), InboundRefusal> {
        let state = &mut self.accounts[account.0 as usize];
        let Some(wish) = state.opt_outs.words.as_ref().and_then(|words| words.heard(sm)) else { return Ok(()) };
        let Some(number) = person(state.home, &sm.source) else {
            state.tally.opt_outs_unread += 1;
            return Ok(());
        };
        let token = self.rights.holds.key().number(account, &number);
        let changed = self.list(account, token, wish, ListedBy::Word, now).ok_or(InboundRefusal::OptOutsFull)?;
        let tally = &mut self.accounts[account.0 as usize].tally;
        match wish {
            Wish::Out => tally.opted_out += u64::from(changed),
            Wish::In => tally.opted_in += u64::from(changed),
        }
        Ok(())
    }

    /// Whether the account must not write to this number.
    pub(super) fn is_opted_out(&self, account: u16, number: &Number) -> bool {
        let list = &self.accounts[account as usize].opt_outs;
        list.applies() && list.tokens.contains(&self.rights.holds.key().number(AccountId(account), number))
    }

    /// Whether a message that waits is for somebody who opted out after it was accepted. Its record is at hand.
    pub(super) fn is_unwanted(&self, slot: u32) -> bool {
        if self.opt_outs.total == 0 {
            return false;
        }
        let entry = &self.book.slots[slot];
        let state = &self.accounts[entry.account.0 as usize];
        if entry.id >= state.opt_outs.checked_from || !state.opt_outs.applies() {
            return false;
        }
        let accept = self.pages.accepted(entry.position);
        let addresses = accept.and_then(|accept| Sm::addresses(accept.body).ok());
        let number = addresses.and_then(|(_, destination, _)| person(state.home, &destination));
        number.is_some_and(|number| self.is_opted_out(entry.account.0, &number))
    }

    /// Ends such a message, which is in its lane.
    pub(super) fn end_unwanted(&mut self, slot: u32, now: Now) {
        self.detach(slot);
        self.finish(slot, MessageState::Rejected, retry::ERROR_OPTED_OUT, now);
    }
}
