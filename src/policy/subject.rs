//! Persons as the gateway knows them, which is by their numbers: who is meant by a request, which numbers are held, and
//! the keyed tokens that stand for a number wherever it must not be.
//!
//! Numbers are compared in their international form; a national one counts where the account says whose it writes, and
//! is nobody's elsewhere. Keeps no list: what is
//! held is decided elsewhere and handed in.

use std::fmt;

use aws_lc_rs::hmac;
use rustc_hash::{FxHashMap, FxHashSet};

use super::number::{Home, Number, dialled};
use crate::message::AccountId;
use crate::pdu::Address;

/// Octets of a token.
const TOKEN_OCTETS: usize = 16;

/// Digits at the end of a number that a store makes its tokens of.
const SHARED_DIGITS: usize = 7;

/// Stands for a number within one account. Without the key nobody can tell which, not even by trying all numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token([u8; TOKEN_OCTETS]);

/// Makes tokens: HMAC-SHA-256 under a secret of this installation. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct TokenKey(hmac::Key);

/// Whose records are meant.
#[derive(Clone)]
enum Who {
    Number(Number),
    /// Where the number was not kept.
    Token(Token),
    Everybody,
}

/// Which records of which account are meant.
#[derive(Clone)]
pub struct Wanted {
    account: AccountId,
    who: Who,
    key: TokenKey,
    home: Option<Home>,
    /// Those that are not meant all the same.
    except: FxHashSet<Token>,
}

/// The numbers that are held: nothing is sent to them, and nothing of theirs is shown to clients or forgotten. And the
/// accounts that are closed.
#[derive(Clone)]
pub struct Holds {
    key: TokenKey,
    held: FxHashMap<AccountId, Held>,
    closed: FxHashSet<AccountId>,
}

/// What is held of one account.
#[derive(Clone, Default)]
struct Held {
    home: Option<Home>,
    tokens: FxHashSet<Token>,
}

/// The number of an address, for an account whose national numbers are those of `home`.
fn party(home: Option<Home>, address: &Address) -> Option<Number> {
    home.and_then(|home| home.destination(address).ok()).or_else(|| dialled(address))
}

/// The number of the person at an address, for an account whose national numbers are those of `home`. `None` where the
/// address is none in international form: a name, a short code, a national number of nobody knows where.
#[must_use]
pub fn person(home: Option<Home>, address: &Address) -> Option<Number> {
    party(home, address).filter(Number::is_international)
}

impl Number {
    /// A number in international form: 7 to 15 digits, the country first, `+` before them or not.
    ///
    /// # Errors
    /// [`NoNumber`]; it does not repeat what was written.
    pub fn international(text: &str) -> Result<Self, NoNumber> {
        Self::written(text).filter(Self::is_international).ok_or(NoNumber)
    }

    /// The number for those who may not see it: country and two more digits, then the last two.
    #[must_use]
    pub fn masked(&self) -> String {
        let digits: String = self.digits().iter().map(|digit| char::from(*digit)).collect();
        let (shown, end) = (4.min(digits.len() / 3), 2.min(digits.len() / 4));
        let hidden = "*".repeat(digits.len() - shown - end);
        format!("+{}{hidden}{}", &digits[..shown], &digits[digits.len() - end..])
    }
}

/// Not a number in international form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("that is no number in international form: expected 7 to 15 digits with the country first, such as +4791234567")]
pub struct NoNumber;

impl TokenKey {
    /// Octets of the secret.
    pub const OCTETS: usize = 32;

    /// A key of this secret.
    #[must_use]
    pub fn new(secret: &[u8; Self::OCTETS]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The token of a number within an account.
    #[must_use]
    pub fn number(&self, account: AccountId, number: &Number) -> Token {
        self.token(b"number", &account.0.to_le_bytes(), number.digits())
    }

    /// The token of what a carrier calls a message, itself already a hash under a secret.
    #[must_use]
    pub fn correlation(&self, key: u64) -> Token {
        self.token(b"correlation", &key.to_le_bytes(), b"")
    }

    /// The same for all tokens of this key: tells the tokens of another one.
    #[must_use]
    pub fn mark(&self) -> Token {
        self.token(b"mark", b"", b"")
    }

    /// A secret number that follows from this key and is the same each time.
    #[must_use]
    pub fn seed(&self) -> u64 {
        let [octets @ .., _, _, _, _, _, _, _, _] = self.token(b"seed", b"", b"").0;
        u64::from_le_bytes(octets)
    }

    /// `domain` and `scope` have a fixed length for each other, so that no two inputs are the same octets.
    fn token(&self, domain: &[u8], scope: &[u8], octets: &[u8]) -> Token {
        let mut context = hmac::Context::with_key(&self.0);
        [domain, &[0], scope, octets].into_iter().for_each(|part| context.update(part));
        let tag = context.sign();
        let mut token = [0; TOKEN_OCTETS];
        token.copy_from_slice(&tag.as_ref()[..TOKEN_OCTETS]);
        Token(token)
    }
}

impl Token {
    /// The token of these octets.
    #[must_use]
    pub fn of(octets: [u8; TOKEN_OCTETS]) -> Self {
        Self(octets)
    }

    /// Its octets, as they may be stored.
    #[must_use]
    pub fn octets(self) -> [u8; TOKEN_OCTETS] {
        self.0
    }

    /// Reads what [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 2 * TOKEN_OCTETS || !text.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return None;
        }
        let mut token = [0; TOKEN_OCTETS];
        for (octet, at) in token.iter_mut().zip((0..).step_by(2)) {
            *octet = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self(token))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(..)")
    }
}

impl Wanted {
    /// The records with this number as source or destination.
    #[must_use]
    pub fn number(account: AccountId, home: Option<Home>, number: Number, key: TokenKey) -> Self {
        Self { account, who: Who::Number(number), key, home, except: FxHashSet::default() }
    }

    /// The records with the number of this token as source or destination.
    #[must_use]
    pub fn token(account: AccountId, home: Option<Home>, token: Token, key: TokenKey) -> Self {
        Self { account, who: Who::Token(token), key, home, except: FxHashSet::default() }
    }

    /// All records of an account but those that are held.
    #[must_use]
    pub fn account(account: AccountId, holds: &Holds) -> Self {
        let Held { home, tokens: except } = holds.held.get(&account).cloned().unwrap_or_default();
        Self { account, who: Who::Everybody, key: holds.key.clone(), home, except }
    }

    /// The account and the digits of the number, where one number is meant and all its spellings end with the same seven
    /// digits: what a store can look for. Not so where the account may write it without the country, and it is shorter then.
    #[must_use]
    pub fn digits(&self) -> Option<(AccountId, &[u8])> {
        match &self.who {
            Who::Number(number) => {
                let digits = number.digits();
                let national = self.home.and_then(|home| digits.strip_prefix(home.code()));
                national.is_none_or(|national| national.len() >= SHARED_DIGITS).then_some((self.account, digits))
            }
            Who::Token(_) | Who::Everybody => None,
        }
    }

    /// Whether a record is meant.
    #[must_use]
    pub fn is(&self, account: AccountId, source: &Address, destination: &Address) -> bool {
        if account != self.account {
            return false;
        }
        let mut parties = [source, destination].into_iter().filter_map(|address| party(self.home, address));
        match &self.who {
            Who::Number(number) => parties.any(|party| party == *number),
            Who::Token(token) => parties.any(|party| self.key.number(account, &party) == *token),
            Who::Everybody => {
                self.except.is_empty() || !parties.any(|party| self.except.contains(&self.key.number(account, &party)))
            }
        }
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match &self.who {
            Who::Number(_) => "a number",
            Who::Token(_) => "a token",
            Who::Everybody => "everybody",
        };
        write!(f, "Wanted({who} of {:?})", self.account)
    }
}

impl Holds {
    /// Nothing is held.
    #[must_use]
    pub fn none(key: TokenKey) -> Self {
        Self { key, held: FxHashMap::default(), closed: FxHashSet::default() }
    }

    /// Holds a number of an account whose national numbers are those of `home`.
    pub fn hold(&mut self, account: AccountId, home: Option<Home>, token: Token) {
        let held = self.held.entry(account).or_default();
        held.home = home;
        held.tokens.insert(token);
    }

    /// Notes that an account is closed: nobody sends it anything any more.
    pub fn close(&mut self, account: AccountId) {
        self.closed.insert(account);
    }

    /// Whether an account is closed.
    #[must_use]
    pub fn is_closed(&self, account: AccountId) -> bool {
        self.closed.contains(&account)
    }

    /// The key of the tokens.
    #[must_use]
    pub fn key(&self) -> &TokenKey {
        &self.key
    }

    /// Whether nothing is held at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether one of the two numbers is held for this account. Costs next to nothing where nothing of the account is.
    #[must_use]
    pub fn cover(&self, account: AccountId, source: &Address, destination: &Address) -> bool {
        let Some(held) = self.held.get(&account) else { return false };
        let mut parties = [source, destination].into_iter().filter_map(|address| party(held.home, address));
        parties.any(|party| held.tokens.contains(&self.key.number(account, &party)))
    }
}

impl fmt::Debug for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Holds({} numbers)", self.held.values().map(|held| held.tokens.len()).sum::<usize>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(octet: u8) -> TokenKey {
        TokenKey::new(&[octet; TokenKey::OCTETS])
    }

    fn address(ton: u8, octets: &[u8]) -> Address {
        Address::new(ton, 1, octets).unwrap()
    }

    #[test]
    fn numbers_are_international_or_refused_without_being_repeated() {
        for text in ["+4791234567", "4791234567", " +47 912 34 567 "] {
            assert_eq!(Number::international(text).unwrap().digits(), b"4791234567");
        }
        for text in ["", "+", "0047912345", "91", "1234567890123456", "47912x4567", "MyBrand", "+47+91234567"] {
            let why = Number::international(text).unwrap_err().to_string();
            assert!(text.is_empty() || text == "+" || text == "91" || !why.contains(text), "{why}");
        }
    }

    #[test]
    fn a_mask_hides_most_of_a_number() {
        for (text, masked) in
            [("4791234567", "+479*****67"), ("1234567", "+12****7"), ("123456789012345", "+1234*********45")]
        {
            assert_eq!(Number::international(text).unwrap().masked(), masked);
        }
    }

    #[test]
    fn tokens_differ_by_key_account_and_number_and_can_be_read_back() {
        let number = |text| Number::international(text).unwrap();
        let token = key(1).number(AccountId(0), &number("4791234567"));
        assert_eq!(token, key(1).number(AccountId(0), &number("+4791234567")));
        for other in [
            key(2).number(AccountId(0), &number("4791234567")),
            key(1).number(AccountId(1), &number("4791234567")),
            key(1).number(AccountId(0), &number("4791234568")),
            key(1).correlation(7),
        ] {
            assert_ne!(token, other);
        }
        assert_eq!(Token::parse(&token.to_string()), Some(token));
        for text in ["", "00", "+0000000000000000000000000000000", "zz00000000000000000000000000000z"] {
            assert_eq!(Token::parse(text), None, "{text}");
        }
        assert_ne!(key(1).seed(), key(2).seed());
        assert_ne!(key(1).mark(), key(2).mark());
        assert_eq!(Token::of(token.octets()), token);
        assert!(!format!("{:?}", key(0x41)).contains("41"));
    }

    #[test]
    fn a_number_is_meant_as_source_and_as_destination_of_its_account_only() {
        let (acme, other) = (AccountId(0), AccountId(1));
        let (number, brand) = (Number::international("4791234567").unwrap(), address(5, b"MyBrand"));
        let wanted = [
            Wanted::number(acme, None, number, key(1)),
            Wanted::token(acme, None, key(1).number(acme, &number), key(1)),
        ];
        for wanted in wanted {
            for form in [&b"4791234567"[..], b"+4791234567", b"004791234567"] {
                assert!(wanted.is(acme, &brand, &address(1, form)), "{wanted:?}");
                assert!(wanted.is(acme, &address(1, form), &brand), "{wanted:?}");
                assert!(!wanted.is(other, &brand, &address(1, form)), "{wanted:?}");
            }
            assert!(!wanted.is(acme, &brand, &address(1, b"4791234568")));
            assert!(!wanted.is(acme, &brand, &address(2, b"91234567")), "a national number would be a guess");
        }
        let home = Home::parse("47");
        let wanted = Wanted::number(acme, home, number, key(1));
        let mut holds = Holds::none(key(1));
        holds.hold(acme, home, key(1).number(acme, &number));
        for (ton, octets) in [(2, &b"91234567"[..]), (1, b"4791234567"), (1, b"+4791234567")] {
            assert!(wanted.is(acme, &brand, &address(ton, octets)), "{octets:?}");
            assert!(holds.cover(acme, &brand, &address(ton, octets)), "{octets:?}");
        }
        assert!(!wanted.is(acme, &brand, &address(2, b"91234568")));
    }

    #[test]
    fn what_is_held_is_nobodys_to_erase_with_the_account() {
        let (acme, brand) = (AccountId(0), address(5, b"MyBrand"));
        let number = Number::international("4791234567").unwrap();
        let mut holds = Holds::none(key(1));
        let held = address(1, b"+4791234567");
        assert!(!holds.cover(acme, &brand, &held) && Wanted::account(acme, &holds).is(acme, &brand, &held));
        holds.hold(acme, None, key(1).number(acme, &number));
        assert!(holds.cover(acme, &brand, &held) && holds.cover(acme, &held, &brand));
        assert!(!holds.cover(AccountId(1), &brand, &held) && !holds.cover(acme, &brand, &brand));
        let wanted = Wanted::account(acme, &holds);
        assert!(!wanted.is(acme, &brand, &held) && wanted.is(acme, &brand, &address(1, b"4790000000")));
        assert!(!wanted.is(AccountId(1), &brand, &address(1, b"4790000000")));
    }
}
