//! The master key: read from a file, made where a store is new, and used to wrap other keys.
//!
//! It seals nothing but keys. Where it lies, and whether it may be made, the caller says.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;

use super::KeyFault;
use crate::store::files::{SystemDisk, make_folder};

/// Octets of every key.
pub(super) const KEY_LENGTH: usize = 32;
/// Octets of a wrapped key: it and its tag.
pub(super) const WRAPPED_LENGTH: usize = KEY_LENGTH + 16;

/// The key that wraps all others.
pub struct MasterKey {
    key: LessSafeKey,
    fingerprint: Fingerprint,
}

/// Tells one master key from another, and neither from chance.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint(pub(super) [u8; 8]);

/// Where master keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterFiles {
    /// The file of the key that is in force.
    pub current: PathBuf,
    /// Whether the file is a credential that the service manager guards: its mode is not ours to judge.
    pub guarded: bool,
    /// Whether the file may be made, for a store that has no keys yet.
    pub may_make: bool,
    /// The file of the key before, while keys are wrapped anew.
    pub previous: Option<PathBuf>,
}

impl MasterKey {
    /// A key of these octets.
    #[must_use]
    pub fn new(octets: &[u8; KEY_LENGTH]) -> Self {
        let digest = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, octets), b"smppgate: fingerprint of a master key");
        let mut fingerprint = [0; 8];
        fingerprint.copy_from_slice(&digest.as_ref()[..8]);
        Self { key: data_key(octets), fingerprint: Fingerprint(fingerprint) }
    }

    /// A key that nobody else has.
    ///
    /// # Errors
    /// [`KeyFault::NoChance`] when the system has no randomness.
    pub fn random() -> Result<Self, KeyFault> {
        random().map(|octets| Self::new(&octets))
    }

    /// Reads a key: 32 octets as they are, or in hexadecimal or base64.
    ///
    /// # Errors
    /// [`KeyFault::NoMaster`] when the file is not there, [`KeyFault::Exposed`] when others than its owner may read it,
    /// [`KeyFault::NotAKey`] when it holds anything else.
    pub fn read(path: &Path, guarded: bool) -> Result<Self, KeyFault> {
        let fault = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound => KeyFault::NoMaster { path: path.to_owned() },
            _ => KeyFault::file(path, &error),
        };
        let file = File::open(path).map_err(fault)?;
        let mode = file.metadata().map_err(fault)?.permissions().mode() & 0o777;
        if !guarded && mode & 0o077 != 0 {
            return Err(KeyFault::Exposed { path: path.to_owned(), mode });
        }
        let mut text = Vec::with_capacity(LONGEST);
        file.take(LONGEST as u64).read_to_end(&mut text).map_err(fault)?;
        let parsed = parse(&text);
        wipe(&mut text);
        let mut octets = parsed.ok_or_else(|| KeyFault::NotAKey { path: path.to_owned() })?;
        let key = Self::new(&octets);
        wipe(&mut octets);
        Ok(key)
    }

    /// Makes a file with a new key, readable by its owner only, and reads it.
    ///
    /// # Errors
    /// [`KeyFault::File`] when it cannot be made; one that is there is never written over.
    pub fn make(path: &Path) -> Result<Self, KeyFault> {
        let fault = |error: std::io::Error| KeyFault::file(path, &error);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        make_folder(folder, &SystemDisk).map_err(fault)?;
        let mut octets: [u8; KEY_LENGTH] = random()?;
        let mut text: Vec<u8> = octets.iter().flat_map(|octet| hex(*octet)).chain([b'\n']).collect();
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let written = file.and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()));
        let kept = written.and_then(|()| File::open(folder)?.sync_all());
        let key = Self::new(&octets);
        wipe(&mut text);
        wipe(&mut octets);
        kept.map(|()| key).map_err(fault)
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Wraps a key. `name` says which key it is: it cannot be unwrapped as another.
    pub(super) fn wrap(&self, name: &[u8], nonce: [u8; 12], key: &[u8; KEY_LENGTH]) -> [u8; WRAPPED_LENGTH] {
        let mut wrapped = [0; WRAPPED_LENGTH];
        let (text, tag) = wrapped.split_at_mut(KEY_LENGTH);
        text.copy_from_slice(key);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let made = self.key.seal_in_place_separate_tag(nonce, Aad::from(name), text);
        tag.copy_from_slice(made.expect("32 octets are within what the algorithm seals").as_ref());
        wrapped
    }

    /// The key that was wrapped under this name; `None` when it was not, or by another master key.
    pub(super) fn unwrap(&self, name: &[u8], nonce: [u8; 12], wrapped: &[u8; WRAPPED_LENGTH]) -> Option<[u8; 32]> {
        let mut key = [0; KEY_LENGTH];
        let (text, tag) = wrapped.split_at(KEY_LENGTH);
        key.copy_from_slice(text);
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.open_in_place_separate_tag(nonce, Aad::from(name), tag, &mut key).ok()?;
        Some(key)
    }
}

impl fmt::Debug for MasterKey {
    /// Shows the fingerprint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.fingerprint)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// AES-256-GCM-SIV with this key.
pub(super) fn data_key(octets: &[u8; KEY_LENGTH]) -> LessSafeKey {
    let key = UnboundKey::new(&AES_256_GCM_SIV, octets);
    LessSafeKey::new(key.expect("32 octets are a key of AES-256"))
}

/// Octets of the system's randomness.
pub(super) fn random<const N: usize>() -> Result<[u8; N], KeyFault> {
    let mut octets = [0; N];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| KeyFault::NoChance)?;
    Ok(octets)
}

/// Leaves nothing of a key in memory that is used no more.
pub(super) fn wipe(octets: &mut [u8]) {
    octets.fill(0);
    // Else the compiler may find that nobody looks at it.
    std::hint::black_box(octets);
}

fn parse(text: &[u8]) -> Option<[u8; KEY_LENGTH]> {
    if let Ok(octets) = text.try_into() {
        return Some(octets);
    }
    let text = text.trim_ascii();
    if text.len() == 2 * KEY_LENGTH {
        let mut octets = [0; KEY_LENGTH];
        for (octet, pair) in octets.iter_mut().zip(text.chunks_exact(2)) {
            *octet = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        return Some(octets);
    }
    base64(text)
}

/// 43 digits of base64, with or without the `=` behind them.
fn base64(text: &[u8]) -> Option<[u8; KEY_LENGTH]> {
    let text = text.strip_suffix(b"=").unwrap_or(text);
    if text.len() != 43 {
        return None;
    }
    let (mut octets, mut filled) = ([0; KEY_LENGTH], 0);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in text {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        (bits, count) = (bits << 6 | u32::from(value), count + 6);
        if count >= 8 {
            count -= 8;
            *octets.get_mut(filled)? = (bits >> count) as u8;
            filled += 1;
        }
    }
    // What is left of the last digit is padding, and zero.
    (filled == KEY_LENGTH && bits & ((1 << count) - 1) == 0).then_some(octets)
}

fn hex(octet: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]
}

/// Octets of the longest file that is read as a key.
const LONGEST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_key_is_read_in_three_forms_and_in_no_other() {
        let octets: [u8; 32] = std::array::from_fn(|index| (index * 37 + 11) as u8);
        let text: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(parse(&octets), Some(octets));
        assert_eq!(parse(text.as_bytes()), Some(octets));
        assert_eq!(parse(format!(" {}\n", text.to_uppercase()).as_bytes()), Some(octets));
        let text = "CzBVep/E6Q4zWH2ix+wRNluApcrvFDlegw" as &str;
        assert_eq!(parse(text.as_bytes()), None, "too short for base64 of 32 octets");
        for wrong in [&b""[..], b"secret", &[b'0'; 63], &[b'g'; 64], &[b'A'; 42], &[b'!'; 43], &[0; 33]] {
            assert_eq!(parse(wrong), None);
        }
    }

    #[test]
    fn base64_is_read_to_the_last_bit() {
        assert_eq!(base64(&[b'A'; 43]), Some([0; 32]));
        let mut text = [b'/'; 43];
        assert_eq!(base64(&text), None, "the last digit says more than 32 octets hold");
        text[42] = b'8';
        assert_eq!(base64(&text), Some([255; 32]));
        assert_eq!(base64(b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), Some(std::array::from_fn(|at| at as u8)));
    }

    #[test]
    fn a_key_is_unwrapped_only_as_what_it_was_wrapped() {
        let (master, other) = (MasterKey::new(&[7; 32]), MasterKey::new(&[8; 32]));
        let wrapped = master.wrap(b"one", [1; 12], &[9; 32]);
        assert_eq!(master.unwrap(b"one", [1; 12], &wrapped), Some([9; 32]));
        assert_eq!(master.unwrap(b"two", [1; 12], &wrapped), None);
        assert_eq!(master.unwrap(b"one", [2; 12], &wrapped), None);
        assert_eq!(other.unwrap(b"one", [1; 12], &wrapped), None);
        assert_ne!(master.fingerprint(), other.fingerprint());
    }

    #[test]
    fn a_file_is_made_once_and_for_its_owner_only() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("new").join("master.key");
        assert!(matches!(MasterKey::read(&path, false), Err(KeyFault::NoMaster { .. })));
        let made = MasterKey::make(&path).expect("made");
        assert_eq!(MasterKey::read(&path, false).expect("read").fingerprint(), made.fingerprint());
        assert!(matches!(MasterKey::make(&path), Err(KeyFault::File { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("changed");
        assert_eq!(MasterKey::read(&path, false).err(), Some(KeyFault::Exposed { path: path.clone(), mode: 0o640 }));
        assert!(MasterKey::read(&path, true).is_ok(), "a credential's mode is the service manager's");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changed");
        fs::write(&path, "no key").expect("written");
        assert_eq!(MasterKey::read(&path, false).err(), Some(KeyFault::NotAKey { path }));
    }
}
