//! Hashes, and heads: an Ed25519 signature that vouches for one entry and with it for all before it.
//!
//! A head is a line of text, so that a copy can be kept anywhere. Reads and writes no file.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::clock::Unix;

/// What a head line begins with.
const WORD: &str = "head1";
/// What is signed begins with this, so that a signature of ours is good for nothing else.
const DOMAIN: &[u8] = b"smppgate audit head 1\0";
/// What is hashed begins with this.
const ENTRY_DOMAIN: &[u8] = b"smppgate audit entry 1\0";

/// SHA-256.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The hash of an entry's octets.
    #[must_use]
    pub fn of_entry(octets: &[u8]) -> Self {
        let mut context = aws_lc_rs::digest::Context::new(&SHA256);
        context.update(ENTRY_DOMAIN);
        context.update(octets);
        Self::from_digest(context.finish().as_ref())
    }

    /// The hash of a file's octets.
    #[must_use]
    pub fn of_file(octets: &[u8]) -> Self {
        Self::from_digest(digest(&SHA256, octets).as_ref())
    }

    /// Reads hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        unhex(text).map(Self)
    }

    fn from_digest(octets: &[u8]) -> Self {
        let mut own = [0; 32];
        own.copy_from_slice(octets);
        Self(own)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The key that signs heads. `Debug` hides it.
pub struct Seal {
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

/// A key file that holds no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no Ed25519 key in PKCS #8")]
pub struct BadKey;

impl Seal {
    /// A new key and its PKCS #8 form, for the file.
    ///
    /// # Errors
    /// [`BadKey`] when the system has no randomness.
    pub fn generate() -> Result<(Self, Vec<u8>), BadKey> {
        let pair = Ed25519KeyPair::generate().map_err(|_| BadKey)?;
        let document = pair.to_pkcs8().map_err(|_| BadKey)?;
        Ok((Self::of(pair)?, document.as_ref().to_vec()))
    }

    /// The key in a file.
    ///
    /// # Errors
    /// [`BadKey`] for anything else.
    pub fn from_pkcs8(octets: &[u8]) -> Result<Self, BadKey> {
        Self::of(Ed25519KeyPair::from_pkcs8(octets).map_err(|_| BadKey)?)
    }

    fn of(pair: Ed25519KeyPair) -> Result<Self, BadKey> {
        let public = pair.public_key().as_ref().try_into().map_err(|_| BadKey)?;
        Ok(Self { pair, public })
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// Vouches for entry `seq`, whose hash is `hash`.
    #[must_use]
    pub fn sign(&self, seq: u64, at: Unix, hash: Hash) -> Head {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(&signed(seq, at, hash)).as_ref());
        Head { seq, at, hash, key: self.public, signature }
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seal(public {})", hex(&self.public))
    }
}

/// A signed head.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The entry it vouches for.
    pub seq: u64,
    /// When it was signed.
    pub at: Unix,
    /// The hash of that entry.
    pub hash: Hash,
    /// Who signed: an Ed25519 public key.
    pub key: [u8; 32],
    signature: [u8; 64],
}

impl Head {
    /// Whether the signature is its key's.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, self.key);
        key.verify(&signed(self.seq, self.at, self.hash), &self.signature).is_ok()
    }

    /// Reads a line. `None` for anything that is no head; signatures are not checked here.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let mut word = || words.next();
        if word()? != WORD {
            return None;
        }
        let (seq, at) = (word()?.parse().ok()?, Unix(word()?.parse().ok()?));
        let (hash, key, signature) = (Hash::parse(word()?)?, unhex(word()?)?, unhex(word()?)?);
        word().is_none().then_some(Self { seq, at, hash, key, signature })
    }
}

/// The line, without its end.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, at, hash, key, signature } = self;
        write!(f, "{WORD} {seq} {} {hash} {} {}", at.0, hex(key), hex(signature))
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn signed(seq: u64, at: Unix, hash: Hash) -> Vec<u8> {
    [DOMAIN, &seq.to_be_bytes(), &at.0.to_be_bytes(), &hash.0].concat()
}

/// Octets as hexadecimal digits.
#[must_use]
pub fn hex(octets: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(octets.len() * 2);
    for octet in octets {
        // Writing to a text cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}

/// Exactly `N` octets in lower-case hexadecimal digits, as [`hex`] writes them.
#[must_use]
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |octet: u8| match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        _ => None,
    };
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return None;
    }
    let mut own = [0; N];
    for (octet, pair) in own.iter_mut().zip(digits.chunks_exact(2)) {
        *octet = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_good_for_its_entry_and_key_only() {
        let (seal, document) = Seal::generate().unwrap();
        let head = seal.sign(3, Unix(5), Hash([7; 32]));
        assert!(head.is_signed());
        assert_eq!(Head::parse(&head.to_string()), Some(head));
        assert_eq!(Seal::from_pkcs8(&document).unwrap().sign(3, Unix(5), Hash([7; 32])), head);
        assert!(!Head { seq: 4, ..head }.is_signed());
        assert!(!Head { at: Unix(6), ..head }.is_signed());
        assert!(!Head { hash: Hash::default(), ..head }.is_signed());
        let (other, _) = Seal::generate().unwrap();
        assert!(!Head { key: other.public(), ..head }.is_signed());
        assert_eq!(Seal::from_pkcs8(b"no key").err(), Some(BadKey));
    }

    #[test]
    fn a_head_with_any_octet_changed_is_no_head_of_ours() {
        let (seal, _) = Seal::generate().unwrap();
        let line = seal.sign(12, Unix(5), Hash([7; 32])).to_string().into_bytes();
        for at in 0..line.len() {
            let mut changed = line.clone();
            changed[at] ^= 1;
            let head = std::str::from_utf8(&changed).ok().and_then(Head::parse);
            assert!(head.is_none_or(|head| !head.is_signed()), "octet {at}");
        }
    }
}
