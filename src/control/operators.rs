//! Who is at the other end: from a Unix user, or a name and a password, to an operator.
//!
//! Without any `[[operator]]`, the service's own user and root are built-in privacy officers, named by their uid: a fresh
//! installation and the sandbox can be used. With one, only configured persons can do anything.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, watch};

use super::refusal::{Kind, Refusal};
use super::request::Login;
use crate::clock::Clock;
use crate::policy::{Attempt, Damping, Operator, Role};

/// A person on a connection.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub operator: Arc<Operator>,
    /// How it is known, for the record: `uid 1001`, `uid 1001, password`, or `ip 192.0.2.1, certificate`.
    pub origin: String,
}

/// The persons of one configuration.
type Configured = Arc<[Arc<Operator>]>;

/// Everybody who may look after the service.
#[derive(Debug)]
pub struct Operators {
    configured: watch::Sender<Configured>,
    /// The user that this process runs as.
    own_uid: u32,
    clock: Clock,
    damping: Mutex<Damping>,
    /// One at a time: guessers cannot take the machine.
    hashing: Semaphore,
}

impl Operators {
    /// The operators of a configuration; `own_uid` is the user that this process runs as.
    #[must_use]
    pub fn new(configured: Vec<Operator>, own_uid: u32, clock: Clock) -> Self {
        let configured = watch::Sender::new(configured.into_iter().map(Arc::new).collect());
        Self { configured, own_uid, clock, damping: Mutex::default(), hashing: Semaphore::new(1) }
    }

    /// Takes the operators of a new configuration; who is connected and no longer there is told so.
    pub fn replace(&self, configured: Vec<Operator>) {
        self.configured.send_replace(configured.into_iter().map(Arc::new).collect());
    }

    /// Comes whenever others may be there.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Configured> {
        self.configured.subscribe()
    }

    fn configured(&self) -> Configured {
        Arc::clone(&self.configured.borrow())
    }

    /// The person with this Unix user, if there is one.
    #[must_use]
    pub fn by_uid(&self, uid: u32) -> Option<Caller> {
        let origin = format!("uid {uid}");
        let configured = self.configured();
        if let Some(operator) = configured.iter().find(|operator| operator.uid == Some(uid)) {
            return Some(Caller { operator: Arc::clone(operator), origin });
        }
        if !configured.is_empty() || (uid != 0 && uid != self.own_uid) {
            return None;
        }
        let operator = Operator {
            name: origin.clone(),
            uid: Some(uid),
            password: None,
            certificate: None,
            role: Role::PrivacyOfficer,
            accounts: None,
        };
        Some(Caller { operator: Arc::new(operator), origin })
    }

    /// What to tell a Unix user that is no operator's, and how that person can log in.
    #[must_use]
    pub fn unknown_user(&self, uid: u32) -> Refusal {
        let by_password = match self.configured().iter().any(|operator| operator.password.is_some()) {
            true => "log in with --operator NAME --password-file FILE, or ",
            false => "",
        };
        let text = format!(
            "uid {uid} is no operator's: {by_password}add `uid = {uid}` to the [[operator]] of the person whose user it is"
        );
        Refusal::new(Kind::Stranger, text)
    }

    /// The person with this name and password. Failures are counted by `peer`; `from` says for the record where the
    /// connection comes from.
    ///
    /// # Errors
    /// What to tell whoever asks: the same for an unknown name and a wrong password, after the same time.
    pub async fn by_password(&self, login: &Login, peer: IpAddr, from: &str) -> Result<Caller, Refusal> {
        let attempt = Attempt::new(peer, tag(&login.name));
        let now = self.clock.now().mono;
        if let Some(wait) = self.damping().before(attempt, now) {
            let seconds = wait.as_secs() + 1;
            return Err(Refusal::new(Kind::TooSoon(seconds), format!("too many failed logins: wait {seconds} s")));
        }
        let configured = self.configured();
        let named = configured.iter().find(|operator| operator.name == login.name);
        // An unknown name, and one without a password, cost what another does.
        let with_password = |operator: &&Arc<Operator>| operator.password.is_some();
        let checked = named.filter(with_password).or_else(|| configured.iter().find(with_password)).cloned();
        let password = login.password.clone();
        let is_right = match (checked, self.hashing.acquire().await) {
            (Some(checked), Ok(_permit)) => {
                let checking = tokio::task::spawn_blocking(move || checked.verify(password.as_bytes()));
                checking.await.unwrap_or(false)
            }
            _ => false,
        };
        match named.filter(|named| is_right && with_password(named)) {
            Some(operator) => {
                self.damping().succeeded(attempt);
                Ok(Caller { operator: Arc::clone(operator), origin: format!("{from}, password") })
            }
            None => {
                self.damping().failed(attempt, self.clock.now().mono);
                Err(Refusal::new(Kind::Stranger, "no such operator, or not that password"))
            }
        }
    }

    /// The person whose certificate has this fingerprint.
    #[must_use]
    pub fn by_certificate(&self, fingerprint: &[u8; 32], from: &str) -> Option<Caller> {
        let configured = self.configured();
        let operator = configured.iter().find(|operator| operator.certificate.as_ref() == Some(fingerprint))?;
        Some(Caller { operator: Arc::clone(operator), origin: format!("{from}, certificate") })
    }

    /// Whether this is a person of the configuration in force, with the same rights and the same ways to log in.
    #[must_use]
    pub fn has(&self, operator: &Arc<Operator>) -> bool {
        self.configured().iter().any(|own| Arc::ptr_eq(own, operator))
    }

    /// Whether this name can be revoked: a configured person, or a built-in one.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        let configured = self.configured();
        let is_built_in = configured.is_empty() && [0, self.own_uid].iter().any(|uid| name == format!("uid {uid}"));
        is_built_in || configured.iter().any(|operator| operator.name == name)
    }

    /// Whether others than the service's own user and root have to reach the socket.
    #[must_use]
    pub fn are_others(&self) -> bool {
        self.configured().iter().any(|operator| operator.password.is_some() || operator.uid.is_some_and(|uid| uid != 0))
    }

    fn damping(&self) -> std::sync::MutexGuard<'_, Damping> {
        // Entries are whole after every statement, so a panic elsewhere cannot have spoilt them.
        self.damping.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells names apart for damping. Chosen names can collide, which only makes them wait together.
fn tag(name: &str) -> u64 {
    use std::hash::{BuildHasher as _, BuildHasherDefault};
    BuildHasherDefault::<rustc_hash::FxHasher>::default().hash_one(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// argon2id of "secret" at the least cost.
    const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$fIbdC2xakJ6cNlONBQKde0ZQtJof49m9l+7mj3O30mA";

    fn kari() -> Operator {
        Operator {
            name: "Kari".into(),
            uid: Some(1001),
            password: Some(HASH.parse().unwrap()),
            certificate: None,
            role: Role::Viewer,
            accounts: None,
        }
    }

    #[test]
    fn built_in_operators_are_there_only_without_persons() {
        let none = Operators::new(Vec::new(), 999, Clock::start());
        for uid in [0, 999] {
            let caller = none.by_uid(uid).unwrap();
            assert_eq!((caller.operator.role, caller.origin), (Role::PrivacyOfficer, format!("uid {uid}")));
            assert!(none.knows(&format!("uid {uid}")));
        }
        assert!(none.by_uid(1001).is_none() && !none.knows("Kari") && !none.are_others());
        let one = Operators::new(vec![kari()], 999, Clock::start());
        assert!(one.by_uid(0).is_none() && one.by_uid(999).is_none());
        assert_eq!(one.by_uid(1001).unwrap().operator.name, "Kari");
        assert!(one.knows("Kari") && !one.knows("uid 0") && one.are_others());
    }

    #[test]
    fn who_is_unknown_learns_how_to_log_in() {
        let told = |operator| Operators::new(vec![operator], 999, Clock::start()).unknown_user(0);
        let add = "add `uid = 0` to the [[operator]] of the person whose user it is";
        let (with, without) = (told(kari()), told(Operator { password: None, ..kari() }));
        let log_in = "log in with --operator NAME --password-file FILE";
        assert_eq!(with.text, format!("uid 0 is no operator's: {log_in}, or {add}"));
        assert_eq!(without.text, format!("uid 0 is no operator's: {add}"));
        assert_eq!(with.kind, Kind::Stranger);
    }

    #[tokio::test(start_paused = true)]
    async fn a_password_opens_and_guessing_waits() {
        let here = IpAddr::from([127, 0, 0, 1]);
        let operators = Operators::new(vec![kari()], 999, Clock::start());
        let login = |name: &str, password: &str| Login { name: name.into(), password: password.into() };
        let caller = operators.by_password(&login("Kari", "secret"), here, "uid 5").await.unwrap();
        assert_eq!((caller.operator.name.as_str(), caller.origin.as_str()), ("Kari", "uid 5, password"));
        let wrong = operators.by_password(&login("Kari", "guess"), here, "uid 5").await.unwrap_err();
        assert_eq!(operators.by_password(&login("Ola", "secret"), here, "uid 5").await.unwrap_err(), wrong);
        assert_eq!(wrong.kind, Kind::Stranger);
        let waits = operators.by_password(&login("Kari", "secret"), here, "uid 5").await.unwrap_err();
        assert!(matches!(waits.kind, Kind::TooSoon(1..=2)) && waits.text.contains("wait"), "{waits}");
        let there = IpAddr::from([192, 0, 2, 1]);
        assert!(
            operators.by_password(&login("Kari", "secret"), there, "ip 192.0.2.1").await.is_ok(),
            "others do not wait"
        );
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert!(operators.by_password(&login("Kari", "secret"), here, "uid 5").await.is_ok());
    }
}
