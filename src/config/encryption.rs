//! Where the keys of the store are: the master key, the one before it, and the register of what is destroyed.
//!
//! Opens none of them; whether they are there and fit is found out where they are used, and by `check`.

use std::path::{Path, PathBuf};

use super::compile::Desk;
use super::cursor::At;
use super::raw::RawEncryption;
use super::{EncryptionConfig, StoreConfig};

/// The credential that a service manager hands over, and the one before it.
const CREDENTIAL: &str = "smppgate-master-key";
const CREDENTIAL_PREVIOUS: &str = "smppgate-master-key-previous";
/// Names of the files where nothing else is said.
const MASTER: &str = "master.key";
const REGISTER: &str = "destroyed-keys";

/// `[encryption]`, with the credentials in `handed_over` where it names no file.
pub(super) fn encryption(
    desk: &Desk<'_>,
    raw: &RawEncryption,
    store: &StoreConfig,
    handed_over: Option<&Path>,
) -> EncryptionConfig {
    let file = |key: &str, text: &At<String>| {
        let path = PathBuf::from(&text.value);
        if text.value.is_empty() || path.is_dir() {
            desk.ledger.mistake(text.at, &format!("encryption.{key}"), "is no file", "the name of a file");
        }
        path
    };
    let credential = |name: &str| handed_over.map(|folder| folder.join(name)).filter(|path| path.is_file());
    let named = raw.master_key.as_ref().map(|text| file("master_key", text));
    let previous = raw.master_key_previous.as_ref().map(|text| file("master_key_previous", text));
    let registered = raw.destroyed_keys.as_ref().map(|text| file("destroyed_keys", text));
    let (master_key, is_credential, beside) = match (named, credential(CREDENTIAL)) {
        (Some(named), _) => {
            let beside = named.with_file_name(REGISTER);
            (named, false, beside)
        }
        // Nothing can be written beside a credential.
        (None, Some(credential)) => (credential, true, store.path.with_file_name(REGISTER)),
        (None, None) => (store.path.join(MASTER), false, store.path.join(REGISTER)),
    };
    let previous = previous.or_else(|| credential(CREDENTIAL_PREVIOUS).filter(|_| is_credential));
    EncryptionConfig { master_key, is_credential, previous, destroyed_keys: registered.unwrap_or(beside) }
}

impl EncryptionConfig {
    /// Whether the master key lies in the store's own folder: whoever gets hold of one has the other.
    #[must_use]
    pub fn is_beside_the_data(&self, store: &StoreConfig) -> bool {
        self.master_key.starts_with(&store.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::mistake::Ledger;

    fn text(text: &str) -> Option<At<String>> {
        Some(At { at: 0, value: text.to_owned() })
    }

    fn resolved(raw: &RawEncryption, handed_over: Option<&Path>) -> EncryptionConfig {
        let ledger = Ledger::default();
        let desk = Desk { ledger: &ledger, folder: Path::new("") };
        let store = StoreConfig { path: PathBuf::from("here/data"), ..StoreConfig::default() };
        encryption(&desk, raw, &store, handed_over)
    }

    #[test]
    fn what_is_not_named_is_a_credential_or_in_the_folder_of_the_store() {
        let nothing = RawEncryption { master_key: None, master_key_previous: None, destroyed_keys: None };
        let folder = tempfile::tempdir().expect("a temporary directory");
        let own = resolved(&nothing, Some(folder.path()));
        assert_eq!(own.master_key, Path::new("here/data/master.key"));
        assert_eq!(own.destroyed_keys, Path::new("here/data/destroyed-keys"));
        assert!(!own.is_credential && own.previous.is_none());
        std::fs::write(folder.path().join(CREDENTIAL), "key").expect("written");
        std::fs::write(folder.path().join(CREDENTIAL_PREVIOUS), "key").expect("written");
        let handed = resolved(&nothing, Some(folder.path()));
        assert_eq!(handed.master_key, folder.path().join(CREDENTIAL));
        assert_eq!(handed.previous, Some(folder.path().join(CREDENTIAL_PREVIOUS)));
        assert_eq!(handed.destroyed_keys, Path::new("here/destroyed-keys"));
        assert!(handed.is_credential);
        let named = RawEncryption { master_key: text("/etc/gate/key"), ..nothing };
        let named = resolved(&named, Some(folder.path()));
        assert_eq!((named.master_key, named.previous), (PathBuf::from("/etc/gate/key"), None));
        assert_eq!(named.destroyed_keys, Path::new("/etc/gate/destroyed-keys"));
    }
}
