//! The key of the tokens that stand for persons outside the store: lent to who makes them, and taken over from the file in
//! which versions before kept it unwrapped.
//!
//! Makes no token, and knows nothing of who is meant.

use std::path::Path;
use std::sync::Arc;

use super::drawer::{Drawer as _, Folder};
use super::master::{KEY_LENGTH, wipe};
use super::page::PERSONS;
use super::{KeyFault, Vault};
use crate::store::files::{Disk, SystemDisk};

impl Vault {
    /// Lends the key to `take`. It is in the ring; one that `plain` holds, as versions before kept it, is put there first, and
    /// the file is removed once that is durable. A new one is made where there is none, if `may_make`.
    ///
    /// # Errors
    /// [`KeyFault::NoPersons`] when there is none and none may be made, [`KeyFault::TwoKeys`] when `plain` holds another than
    /// the ring, [`KeyFault::DamagedFile`] when it holds none, and other faults of files: nothing must be started then.
    pub fn person_key<T>(
        &mut self,
        plain: &Path,
        may_make: bool,
        take: impl FnOnce(&[u8; KEY_LENGTH]) -> T,
    ) -> Result<T, KeyFault> {
        self.person_key_on(&(Arc::new(SystemDisk) as Arc<dyn Disk>), plain, may_make, take)
    }

    /// [`Vault::person_key`], with another disk than the system's for `plain`.
    pub(in crate::store) fn person_key_on<T>(
        &mut self,
        disk: &Arc<dyn Disk>,
        plain: &Path,
        may_make: bool,
        take: impl FnOnce(&[u8; KEY_LENGTH]) -> T,
    ) -> Result<T, KeyFault> {
        let mut folder = Folder::new(plain.parent().unwrap_or_else(|| Path::new("")), Arc::clone(disk));
        let name = plain.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let mut given = folder.read(&name)?;
        let parsed = given.as_deref().map(<[u8; KEY_LENGTH]>::try_from).transpose();
        let what = "it holds no key of tokens, which is 32 octets";
        let mut known = parsed.map_err(|_| KeyFault::DamagedFile { path: plain.to_owned(), what })?;
        let mut key = self.ring.person_key(known.as_ref().filter(|known| **known != BLANK), may_make)?;
        let outcome = match known {
            Some(known) if known != key && known != BLANK => {
                Err(KeyFault::TwoKeys { plain: plain.to_owned(), ring: self.ring.place(PERSONS) })
            }
            Some(_) => folder.destroy(&[name]).map(|()| take(&key)),
            None => Ok(take(&key)),
        };
        [given.as_deref_mut(), known.as_mut().map(|known| &mut known[..]), Some(&mut key[..])]
            .into_iter()
            .flatten()
            .for_each(wipe);
        outcome
    }
}

/// What is in a file that was being removed when a crash came: it is written over first.
const BLANK: [u8; KEY_LENGTH] = [0; KEY_LENGTH];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use super::super::{KeyFigures, KeyFiles, MasterFiles, MasterKey};
    use super::*;
    use crate::clock::Unix;

    struct Site {
        directory: tempfile::TempDir,
    }

    impl Site {
        fn new() -> Self {
            let site = Self { directory: tempfile::tempdir().expect("a temporary directory") };
            fs::create_dir(site.directory.path().join("store")).expect("made");
            site
        }

        fn plain(&self) -> PathBuf {
            self.directory.path().join("store/token.key")
        }

        fn persons(&self) -> PathBuf {
            self.files().folder.join(PERSONS)
        }

        fn files(&self) -> KeyFiles {
            let path = self.directory.path();
            let current = path.join("secret/master.key");
            let master = MasterFiles { current, guarded: false, may_make: true, previous: None };
            KeyFiles { folder: path.join("store/keys"), master, register: path.join("secret/destroyed") }
        }

        fn key(&self, may_make: bool) -> Result<[u8; 32], KeyFault> {
            Vault::open(&self.files(), Unix(0))?.person_key(&self.plain(), may_make, |key| *key)
        }
    }

    #[test]
    fn a_key_is_made_once_wrapped_and_only_where_it_may_be() {
        let site = Site::new();
        assert_eq!(site.key(false), Err(KeyFault::NoPersons { path: site.persons() }));
        let made = site.key(true).expect("made");
        assert_eq!(site.key(true), Ok(made));
        assert_eq!(site.key(false), Ok(made));
        assert_ne!(Site::new().key(true), Ok(made), "keys are random");
        let stored = fs::read(site.persons()).expect("there");
        assert!(!stored.windows(8).any(|octets| octets == &made[..8]), "it lies there as it is");
        let mode = fs::metadata(site.persons()).expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "others may read it");
        assert!(!site.plain().exists());
        // Without the others there is no telling which one it was.
        fs::remove_file(site.files().folder.join("ring")).expect("removed");
        assert!(matches!(site.key(true), Err(KeyFault::DamagedFile { .. })));
    }

    #[test]
    fn a_plain_key_of_a_version_before_is_taken_over_once() {
        let site = Site::new();
        fs::write(site.plain(), [7; 31]).expect("written");
        assert!(matches!(site.key(true), Err(KeyFault::DamagedFile { path, .. }) if path == site.plain()));
        fs::write(site.plain(), [7; 32]).expect("written");
        assert_eq!(site.key(false), Ok([7; 32]), "tokens stay what they were");
        assert!(!site.plain().exists(), "it lies there as it was");
        assert_eq!(site.key(false), Ok([7; 32]));
        // The file is still there where a crash came between.
        for left in [7, 0] {
            fs::write(site.plain(), [left; 32]).expect("written");
            assert_eq!(site.key(false), Ok([7; 32]));
            assert!(!site.plain().exists());
        }
        fs::write(site.plain(), [8; 32]).expect("written");
        let two = KeyFault::TwoKeys { plain: site.plain(), ring: site.persons() };
        assert_eq!(site.key(true), Err(two));
        assert!(site.plain().exists(), "nothing is lost");
    }

    #[test]
    fn it_is_there_with_its_master_key_only_and_is_wrapped_anew_with_the_others() {
        let site = Site::new();
        let made = site.key(true).expect("made");
        let (master, away) = (site.files().master.current, site.directory.path().join("away"));
        fs::rename(&master, &away).expect("moved");
        assert_eq!(site.key(true), Err(KeyFault::NoMaster { path: master.clone() }));
        MasterKey::make(&master).expect("another");
        assert!(matches!(site.key(true), Err(KeyFault::WrongMaster { .. })));
        let mut both = site.files();
        both.master.previous = Some(away);
        let mut vault = Vault::open(&both, Unix(0)).expect("wrapped anew");
        assert_eq!(vault.person_key(&site.plain(), false, |key| *key), Ok(made));
        assert_eq!(vault.figures(), KeyFigures { rewrapped: 1, ..KeyFigures::default() });
        assert_eq!(site.key(false), Ok(made), "with the new one alone");
        // Only the ring was wrapped anew when a crash came.
        let before = fs::read(site.persons()).expect("there");
        let older = site.directory.path().join("older");
        fs::rename(&master, &older).expect("moved");
        MasterKey::make(&master).expect("a third");
        both.master.previous = Some(older);
        drop(Vault::open(&both, Unix(0)).expect("wrapped anew"));
        fs::write(site.persons(), before).expect("written");
        assert!(matches!(site.key(true), Err(KeyFault::WrongMaster { path, .. }) if path == site.persons()));
        drop(Vault::open(&both, Unix(0)).expect("wrapped anew"));
        assert_eq!(site.key(false), Ok(made));
    }

    #[test]
    fn a_damaged_or_foreign_file_is_named() {
        let (site, other) = (Site::new(), Site::new());
        site.key(true).expect("made");
        other.key(true).expect("made");
        let own = fs::read(site.persons()).expect("there");
        let mut changed = own.clone();
        changed[40] ^= 1;
        for octets in [changed, fs::read(other.persons()).expect("there"), own[..50].to_vec()] {
            fs::write(site.persons(), octets).expect("written");
            assert!(matches!(site.key(true), Err(KeyFault::DamagedFile { path, .. }) if path == site.persons()));
        }
        fs::write(site.persons(), own).expect("written");
        assert!(site.key(false).is_ok());
    }
}
