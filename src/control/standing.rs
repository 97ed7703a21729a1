//! What operators decided and a restart must not undo: disabled accounts, revoked operators, what concerns persons. One
//! small file, replaced whole.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::persons::Persons;
use crate::audit::folder;

/// Names that are shut out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Accounts that may not bind.
    pub disabled_accounts: BTreeSet<String>,
    /// Operators that may do nothing.
    pub revoked_operators: BTreeSet<String>,
    /// What was decided about persons.
    #[serde(default)]
    pub persons: Persons,
}

/// A file that cannot be read or written. It says who is shut out, so nothing starts without it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct StandingFault {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// Keeps the file, and tells who watches.
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
    /// Held over a change, the writing included.
    changing: Mutex<()>,
    standing: watch::Sender<Arc<Standing>>,
}

impl Keeper {
    /// Reads the file; one that is not there is empty.
    ///
    /// # Errors
    /// [`StandingFault`].
    pub fn open(path: &Path) -> Result<Self, StandingFault> {
        let fault = |reason: String| StandingFault { path: path.to_owned(), reason };
        let standing: Standing = match std::fs::read(path) {
            Ok(octets) => serde_json::from_slice(&octets).map_err(|error| fault(format!("is damaged: {error}")))?,
            Err(error) if error.kind() == ErrorKind::NotFound => Standing::default(),
            Err(error) => return Err(fault(error.to_string())),
        };
        let standing = watch::Sender::new(Arc::new(standing));
        Ok(Self { path: path.to_owned(), changing: Mutex::default(), standing })
    }

    /// What holds now.
    #[must_use]
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing.borrow())
    }

    /// Follows it.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Standing>> {
        self.standing.subscribe()
    }

    /// Changes it, on disk first. Blocks while the disk works.
    ///
    /// # Errors
    /// [`StandingFault`]; then nothing is changed.
    pub fn change(&self, change: impl FnOnce(&mut Standing)) -> Result<(), StandingFault> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut standing = Standing::clone(&self.standing());
        change(&mut standing);
        let fault = |reason: String| StandingFault { path: self.path.clone(), reason };
        let text = serde_json::to_vec_pretty(&standing).map_err(|error| fault(error.to_string()))?;
        if let Some(parent) = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|error| fault(error.to_string()))?;
        }
        folder::replace(&self.path, &text).map_err(|error| fault(error.to_string()))?;
        self.standing.send_replace(Arc::new(standing));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_decided_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/standing.json");
        let keeper = Keeper::open(&path).unwrap();
        assert_eq!(*keeper.standing(), Standing::default());
        let watch = keeper.watch();
        keeper.change(|standing| _ = standing.disabled_accounts.insert("acme".into())).unwrap();
        keeper.change(|standing| _ = standing.revoked_operators.insert("Kari".into())).unwrap();
        assert!(watch.borrow().revoked_operators.contains("Kari"));
        let again = Keeper::open(&path).unwrap();
        assert_eq!(*again.standing(), *keeper.standing());
        again.change(|standing| _ = standing.disabled_accounts.remove("acme")).unwrap();
        assert!(Keeper::open(&path).unwrap().standing().disabled_accounts.is_empty());
    }

    #[test]
    fn a_damaged_file_starts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("standing.json");
        for text in
            ["", "{", "{\"disabled_accounts\":[]}", "{\"disabled_accounts\":[],\"revoked_operators\":[],\"x\":1}"]
        {
            std::fs::write(&path, text).unwrap();
            assert!(Keeper::open(&path).unwrap_err().to_string().contains("is damaged"), "{text}");
        }
    }
}
