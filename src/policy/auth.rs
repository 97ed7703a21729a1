//! Who may bind: passwords, password hashes and the networks an account may come from.
//!
//! Answers yes or no. Which `command_status` a refusal gets, and when a peer has failed too often, is decided elsewhere
//! ([`super::damping`] for the latter).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;
use std::str::FromStr;

use argon2::password_hash::phc;
use argon2::{ARGON2ID_IDENT, Argon2, Params, PasswordVerifier};
use ipnet::{IpNet, Ipv4Net};
use subtle::{Choice, ConstantTimeEq};

/// Most octets of a password. SMPP 3.4 §5.2.2 has 8, clients in the field send more.
pub const PASSWORD_MAX: usize = 128;

/// A password in clear. `Debug` hides it, there is no `Display`.
#[derive(Clone)]
pub struct Password {
    octets: [u8; PASSWORD_MAX],
    length: usize,
}

/// A password that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a password has 1 to {PASSWORD_MAX} octets and no NUL, this one has {length}")]
pub struct BadPassword {
    /// Octets given.
    pub length: usize,
}

impl Password {
    /// A password to compare with.
    ///
    /// # Errors
    /// [`BadPassword`] for an empty one, a long one, or a NUL, which SMPP cannot carry.
    pub fn new(octets: &[u8]) -> Result<Self, BadPassword> {
        Self::padded(octets)
            .filter(|password| password.length > 0 && !octets.contains(&0))
            .ok_or(BadPassword { length: octets.len() })
    }

    fn padded(octets: &[u8]) -> Option<Self> {
        let mut own = [0; PASSWORD_MAX];
        own.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(Self { octets: own, length: octets.len() })
    }

    /// Takes the same time wherever, and in whatever length, the two differ.
    fn matches(&self, offered: &[u8]) -> bool {
        let (offered, fits) = match Self::padded(offered) {
            Some(offered) => (offered, Choice::from(1)),
            None => (Self { octets: [0; PASSWORD_MAX], length: 0 }, Choice::from(0)),
        };
        let same_length = (self.length as u64).ct_eq(&(offered.length as u64));
        (self.octets.ct_eq(&offered.octets) & same_length & fits).into()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

/// A checked argon2id hash in PHC string form. `Debug` hides it, there is no `Display`.
#[derive(Clone)]
pub struct PasswordHash(phc::PasswordHash);

/// Why a password hash is refused. The hash itself is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHash {
    /// It is no PHC string with salt and hash.
    #[error("a password hash has the form $argon2id$v=19$m=…,t=…,p=…$salt$hash")]
    Form,
    /// It is of another algorithm or version.
    #[error("only argon2id of version 19 is accepted as password hash")]
    Algorithm,
    /// Checking it would cost too much.
    #[error(
        "a password hash may use at most {} MiB, {} passes and {} lanes",
        MEMORY_MAX_KIB / 1024,
        PASSES_MAX,
        LANES_MAX
    )]
    Cost,
}

/// Bounds of a hash's cost: each bind attempt pays it.
const MEMORY_MAX_KIB: u32 = 256 * 1024;
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 16;
/// The only version of argon2 in use (1.3).
const VERSION: u32 = 0x13;

impl FromStr for PasswordHash {
    type Err = BadHash;

    fn from_str(text: &str) -> Result<Self, BadHash> {
        let hash = phc::PasswordHash::new(text).map_err(|_| BadHash::Form)?;
        if hash.algorithm != ARGON2ID_IDENT || hash.version != Some(VERSION) {
            return Err(BadHash::Algorithm);
        }
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err(BadHash::Form);
        }
        let params = Params::try_from(&hash).map_err(|_| BadHash::Form)?;
        if params.m_cost() > MEMORY_MAX_KIB || params.t_cost() > PASSES_MAX || params.p_cost() > LANES_MAX {
            return Err(BadHash::Cost);
        }
        Ok(Self(hash))
    }
}

impl PasswordHash {
    pub(super) fn matches(&self, offered: &[u8]) -> bool {
        offered.len() <= PASSWORD_MAX && Argon2::default().verify_password(offered, &self.0).is_ok()
    }

    /// Memory times passes: what checking costs, in KiB.
    fn cost_kib(&self) -> u64 {
        Params::try_from(&self.0).map_or(0, |params| u64::from(params.m_cost()) * u64::from(params.t_cost()))
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(hidden)")
    }
}

/// How an account proves itself.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// By a password kept in clear.
    Plain(Password),
    /// By a password of which only the hash is kept. Checking takes milliseconds and megabytes, on purpose.
    Argon2(Box<PasswordHash>),
    /// By one of two, each [`Self::Plain`] or [`Self::Argon2`]: the old and the new one while a password is changed.
    Either(Box<[Self; 2]>),
}

impl Credentials {
    /// Whether `password` is right. Plain passwords are compared in constant time.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        Decoy::of([]).verify(Some(self), password)
    }

    /// Whether checking computes a hash.
    #[must_use]
    pub fn is_hashed(&self) -> bool {
        self.hashes().next().is_some()
    }

    fn parts(&self) -> &[Self] {
        match self {
            Self::Either(both) => both.as_slice(),
            one => std::slice::from_ref(one),
        }
    }

    fn plain(&self) -> impl Iterator<Item = &Password> {
        self.parts().iter().filter_map(|part| match part {
            Self::Plain(own) => Some(own),
            Self::Argon2(_) | Self::Either(_) => None,
        })
    }

    fn hashes(&self) -> impl Iterator<Item = &PasswordHash> {
        self.parts().iter().filter_map(|part| match part {
            Self::Argon2(own) => Some(own.as_ref()),
            Self::Plain(_) | Self::Either(_) => None,
        })
    }
}

/// Passwords an account can have at once.
const PARTS: usize = 2;

/// Work done in place of a check that cannot be made, so that time does not tell which names exist.
///
/// A bind costs two plain comparisons, and as many hashes as the account with the most has. For accounts with hashes of
/// different cost the time may still tell them apart.
#[derive(Clone, Debug)]
pub struct Decoy {
    plain: Password,
    /// By the number of the hash within its account.
    hashes: [Option<PasswordHash>; PARTS],
}

impl Decoy {
    /// The decoy for these credentials: as costly as the costliest of them.
    #[must_use]
    pub fn of<'a>(credentials: impl IntoIterator<Item = &'a Credentials>) -> Self {
        let mut hashes = [None, None];
        for own in credentials {
            for (slot, hash) in hashes.iter_mut().zip(own.hashes()) {
                if slot.as_ref().is_none_or(|costly: &PasswordHash| costly.cost_kib() < hash.cost_kib()) {
                    *slot = Some(hash.clone());
                }
            }
        }
        Self { plain: Password { octets: [0; PASSWORD_MAX], length: 0 }, hashes }
    }

    /// Whether `password` opens `credentials`; never for `None`, an unknown name, at the same cost. Does not stop at the
    /// first password that fits, for the same reason.
    #[must_use]
    pub fn verify(&self, credentials: Option<&Credentials>, password: &[u8]) -> bool {
        let mut plain = credentials.into_iter().flat_map(Credentials::plain);
        let mut hashes = credentials.into_iter().flat_map(Credentials::hashes);
        let mut is_open = false;
        for decoy in &self.hashes {
            let own = plain.next();
            is_open |= own.unwrap_or(&self.plain).matches(password) & own.is_some();
            let own = hashes.next();
            is_open |= own.or(decoy.as_ref()).is_some_and(|hash| hash.matches(password)) & own.is_some();
        }
        is_open
    }

    /// Hashes that each check computes.
    #[must_use]
    pub fn hashes(&self) -> usize {
        self.hashes.iter().flatten().count()
    }
}

/// The networks an account may bind from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowFrom {
    /// `None` for any; IPv4 networks written as IPv6 are kept as IPv4.
    networks: Option<Vec<IpNet>>,
}

/// A network that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no network: expected an address such as 192.0.2.7, or one with its length such as 192.0.2.0/24")]
pub struct BadNetwork {
    /// What was written.
    pub text: String,
}

impl AllowFrom {
    /// Any address.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Addresses in these networks; none at all for an empty list.
    ///
    /// # Errors
    /// [`BadNetwork`] for the first that is no network, or has bits set beyond its length: it may mean less or more
    /// than its author thinks.
    pub fn only<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self, BadNetwork> {
        let networks = networks.into_iter().map(network).collect::<Result<_, _>>()?;
        Ok(Self { networks: Some(networks) })
    }

    /// Whether a peer at `address` may bind. An IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.as_ref().is_none_or(|networks| networks.iter().any(|network| network.contains(&address)))
    }
}

fn network(text: &str) -> Result<IpNet, BadNetwork> {
    let parsed = IpNet::from_str(text).or_else(|_| IpAddr::from_str(text).map(IpNet::from));
    match parsed {
        Ok(network) if network.addr() == network.network() => Ok(unmapped(network)),
        _ => Err(BadNetwork { text: text.to_owned() }),
    }
}

/// A network inside ::ffff:0:0/96 as the IPv4 network it means.
fn unmapped(network: IpNet) -> IpNet {
    const MAPPED_PREFIX: u8 = 96;
    let own = match network {
        IpNet::V6(v6) if v6.prefix_len() >= MAPPED_PREFIX => v6.addr().to_ipv4_mapped().map(|v4| (v4, v6.prefix_len())),
        _ => None,
    };
    own.and_then(|(address, length): (Ipv4Addr, u8)| Ipv4Net::new(address, length - MAPPED_PREFIX).ok())
        .map_or(network, IpNet::V4)
}

/// The part of a peer's address by which it is counted: all of IPv4, the network half of IPv6.
pub(super) fn counted(address: IpAddr) -> u128 {
    const NETWORK_HALF: u128 = !0 << 64;
    match address.to_canonical() {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(Ipv6Addr::from(u128::from(v6) & NETWORK_HALF)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// argon2id of "secret" with the least cost the algorithm allows.
    const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$fIbdC2xakJ6cNlONBQKde0ZQtJof49m9l+7mj3O30mA";

    fn plain(password: &str) -> Credentials {
        Credentials::Plain(Password::new(password.as_bytes()).unwrap())
    }

    fn hashed() -> Credentials {
        Credentials::Argon2(Box::new(HASH.parse().unwrap()))
    }

    #[test]
    fn only_the_password_opens() {
        for credentials in [plain("secret"), hashed()] {
            assert!(credentials.verify(b"secret"));
            for wrong in [&b"secre"[..], b"secret\0", b"secrets", b"Secret", b"", &[b'x'; PASSWORD_MAX + 1]] {
                assert!(!credentials.verify(wrong), "{credentials:?}");
            }
        }
    }

    #[test]
    fn the_decoy_opens_nothing_and_hides_no_account() {
        let (plain, hashed) = (plain("secret"), hashed());
        for decoy in [Decoy::of([]), Decoy::of([&plain]), Decoy::of([&plain, &hashed])] {
            for password in [&b"secret"[..], b"", b"wrong"] {
                assert!(!decoy.verify(None, password));
                assert_eq!(decoy.verify(Some(&plain), password), password == b"secret");
                assert_eq!(decoy.verify(Some(&hashed), password), password == b"secret");
            }
        }
    }

    #[test]
    fn either_of_two_opens_and_every_check_computes_as_many_hashes() {
        let other = "$argon2id$v=19$m=16,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$fIbdC2xakJ6cNlONBQKde0ZQtJof49m9l+7mj3O30mA";
        let costly = Credentials::Argon2(Box::new(other.parse().unwrap()));
        let both = |one: Credentials, two: Credentials| Credentials::Either(Box::new([one, two]));
        for (credentials, opens) in [
            (both(plain("old"), plain("new")), &[&b"old"[..], b"new"][..]),
            (both(plain("old"), hashed()), &[b"old", b"secret"]),
            (both(hashed(), plain("new")), &[b"secret", b"new"]),
            (both(costly.clone(), hashed()), &[b"secret"]),
        ] {
            for decoy in [Decoy::of([]), Decoy::of([&credentials]), Decoy::of([&costly, &credentials])] {
                for password in [&b"old"[..], b"new", b"secret", b"", b"wrong"] {
                    assert_eq!(
                        decoy.verify(Some(&credentials), password),
                        opens.contains(&password),
                        "{credentials:?}"
                    );
                    assert!(!decoy.verify(None, password));
                }
            }
        }
        assert_eq!(Decoy::of([&plain("a"), &both(plain("b"), plain("c"))]).hashes(), 0);
        assert_eq!(Decoy::of([&plain("a"), &both(plain("b"), hashed())]).hashes(), 1);
        let decoy = Decoy::of([&hashed(), &both(costly.clone(), hashed()), &plain("x")]);
        assert_eq!(decoy.hashes(), 2);
        assert_eq!(decoy.hashes[0].as_ref().unwrap().cost_kib(), 32, "the costliest of the first ones");
        assert!(both(plain("a"), hashed()).is_hashed() && !plain("a").is_hashed());
    }

    #[test]
    fn passwords_have_a_length_and_hide() {
        for bad in [&b""[..], b"a\0b", &[b'x'; PASSWORD_MAX + 1]] {
            assert_eq!(Password::new(bad).err(), Some(BadPassword { length: bad.len() }));
        }
        assert_eq!(
            format!("{:?} {:?}", plain("secret"), hashed()),
            "Plain(Password(hidden)) Argon2(PasswordHash(hidden))"
        );
    }

    #[test]
    fn only_affordable_argon2id_is_accepted() {
        let bad = |from: &str, to: &str| HASH.replacen(from, to, 1).parse::<PasswordHash>().unwrap_err();
        assert_eq!(bad("argon2id", "argon2i"), BadHash::Algorithm);
        assert_eq!(bad("argon2id", "scrypt"), BadHash::Algorithm);
        assert_eq!(bad("v=19", "v=16"), BadHash::Algorithm);
        assert_eq!(bad("v=19$", ""), BadHash::Algorithm);
        assert_eq!(bad("m=8", "m=262145"), BadHash::Cost);
        assert_eq!(bad("t=1", "t=17"), BadHash::Cost);
        assert_eq!(bad("m=8", "m=1"), BadHash::Form);
        let without_hash = HASH.rsplit_once('$').unwrap().0;
        assert_eq!(without_hash.parse::<PasswordHash>().unwrap_err(), BadHash::Form);
        for text in ["", "secret", "$argon2id$"] {
            assert!(text.parse::<PasswordHash>().is_err());
        }
    }

    #[test]
    fn networks_are_matched_in_both_spellings() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let allow = AllowFrom::only(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::ffff:198.51.100.0/120"]).unwrap();
        for inside in ["10.1.2.3", "::ffff:10.1.2.3", "192.0.2.7", "2001:db8::1", "198.51.100.9", "::ffff:198.51.100.9"]
        {
            assert!(allow.permits(address(inside)), "{inside}");
        }
        for outside in ["11.0.0.0", "192.0.2.8", "2001:db9::1", "::10.1.2.3", "198.51.101.1"] {
            assert!(!allow.permits(address(outside)), "{outside}");
        }
    }

    #[test]
    fn absent_permits_all_and_empty_none() {
        for address in ["127.0.0.1", "::1"] {
            assert!(AllowFrom::any().permits(address.parse().unwrap()));
            assert!(!AllowFrom::only([]).unwrap().permits(address.parse().unwrap()));
        }
    }

    #[test]
    fn networks_with_stray_bits_are_refused() {
        for text in ["10.0.0.1/8", "10.0.0.0/33", "localhost", "", "10.0.0"] {
            assert_eq!(AllowFrom::only([text]).err(), Some(BadNetwork { text: text.to_owned() }));
        }
    }
}
