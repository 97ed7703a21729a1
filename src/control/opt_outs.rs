//! Requests about the lists of those who want no more messages of an account. An entry is a token: no request, and nothing
//! that is stored, tells whose it is.
//!
//! What follows from an entry is the bridge's; this walks the store's lists in small steps and asks for changes.

use tokio::sync::mpsc;

use super::privacy::{Person, Privacy, said, send};
use super::refusal::Refusal;
use super::request::{Answer, OptOutRow};
use crate::message::AccountId;
use crate::net::{OPT_OUTS_STEP, Registry};
use crate::policy::{ListedBy, Token, Wish};
use crate::store::{Listed, OptOutKey};

impl Privacy {
    /// Shows an account's list.
    pub(super) async fn list_opt_outs(&self, account: &str, rows: &mpsc::Sender<Answer>) -> Result<String, Refusal> {
        let (registry, id) = self.account_number(account)?;
        let (mut from, mut count) = (Some(OptOutKey::first(id)), 0_u64);
        while let Some(key) = from {
            let step = registry.opt_outs(key, OPT_OUTS_STEP).await.map_err(said)?;
            from = step.last().and_then(|(last, _)| last.next()).filter(|_| step.len() == OPT_OUTS_STEP);
            for (key, listed) in step {
                if key.account != id {
                    from = None;
                    break;
                }
                send(rows, &row(key, listed)).await?;
                count += 1;
            }
        }
        let is_kept = keeps(&registry, account);
        Ok(format!("{} on the list{}", numbers(count), if is_kept { "" } else { ", which is not kept now (opt_out)" }))
    }

    /// Puts a number on the list, or takes it off.
    pub(super) async fn relist(&self, person: &Person, wish: Wish) -> Result<String, Refusal> {
        let (registry, account) = (self.registry()?, &person.account);
        if wish == Wish::Out && !keeps(&registry, account) {
            return Err(Refusal::conflict(format!("account {account} keeps no list: say opt_out = true first")));
        }
        let relisted = registry.relist(person.id, vec![person.token], wish).await.map_err(said)?;
        if relisted.refused > 0 {
            return Err(Refusal::conflict("the lists of all accounts together are as long as they may be"));
        }
        let text = match (wish, relisted.changed > 0) {
            (Wish::Out, true) => "the number is on the list: nothing is sent to it",
            (Wish::Out, false) => "the number was on the list",
            (Wish::In, true) => "the number is taken off the list",
            (Wish::In, false) => "the number was not on the list",
        };
        Ok(text.to_owned())
    }

    /// What the list says of a person; `None` for nothing.
    pub(super) async fn opt_out_of(&self, id: AccountId, token: Token) -> Result<Option<OptOutRow>, Refusal> {
        let key = OptOutKey { account: id, token: token.octets() };
        let found = self.registry()?.opt_outs(key, 1).await.map_err(said)?;
        Ok(found.first().filter(|(own, _)| *own == key).map(|(key, listed)| row(*key, *listed)))
    }

    /// Takes everything off the list of an account whose records are destroyed.
    pub(super) async fn destroy_opt_outs(&self, id: AccountId) -> Result<(), Refusal> {
        let registry = self.registry()?;
        loop {
            let step = registry.opt_outs(OptOutKey::first(id), OPT_OUTS_STEP).await.map_err(said)?;
            let own = step.iter().filter(|(key, _)| key.account == id);
            let tokens: Vec<Token> = own.map(|(key, _)| Token::of(key.token)).collect();
            if tokens.is_empty() {
                return Ok(());
            }
            if registry.relist(id, tokens, Wish::In).await.map_err(said)?.changed == 0 {
                return Err("the list of opted-out numbers cannot be destroyed".to_owned().into());
            }
        }
    }

    fn account_number(&self, account: &str) -> Result<(Registry, AccountId), Refusal> {
        let registry = self.registry()?;
        let id = registry.enrolled.account_id(account).ok_or_else(|| Refusal::unknown("no such account"))?;
        Ok((registry, id))
    }
}

/// Whether an account of this name keeps a list.
fn keeps(registry: &Registry, account: &str) -> bool {
    registry.policy.account_of(account).is_some_and(|own| own.opt_out.is_some())
}

fn row(key: OptOutKey, listed: Listed) -> OptOutRow {
    OptOutRow {
        token: Token::of(key.token).to_string(),
        since: listed.since.moment(),
        by: ListedBy::name(listed.by).to_owned(),
    }
}

fn numbers(count: u64) -> String {
    if count == 1 { "1 number is".to_owned() } else { format!("{count} numbers are") }
}
