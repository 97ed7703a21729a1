//! What a file that is read again says otherwise: what can be taken over while the process runs, and what needs a restart.
//!
//! Compares; applies nothing. Names accounts, carriers and operators, and never shows a value.

use std::fmt;

use toml::{Table, Value};

use super::Config;

/// Most names of a kind that are told in full.
const NAMES_MAX: usize = 8;

/// What is different in one kind of table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The table, such as `account`.
    pub kind: &'static str,
    /// Those that are new.
    pub added: Vec<String>,
    /// Those that are not there any more.
    pub removed: Vec<String>,
    /// Those that say something else.
    pub changed: Vec<String>,
}

/// Everything that is different between two files, of what can be taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(Vec<Difference>);

/// Tables whose entries have names, and the key of the name.
const NAMED: [(&str, &str); 3] = [("account", "system_id"), ("carrier", "name"), ("operator", "name")];
/// Tables whose entries are counted from 0.
const COUNTED: [&str; 4] = ["route", "screen", "guard", "inbound"];
/// Tables that are there once.
const SINGLE: [&str; 2] = ["retention", "privacy"];

impl Changes {
    /// What is different in two texts; both were good configurations.
    #[must_use]
    pub fn between(old: &str, new: &str) -> Self {
        let read = |text: &str| text.parse::<Table>().unwrap_or_default();
        let (old, new) = (read(old), read(new));
        let named = NAMED.iter().map(|(kind, key)| compare(kind, &by_name(&old, kind, key), &by_name(&new, kind, key)));
        let counted = COUNTED.iter().map(|kind| compare(kind, &by_place(&old, kind), &by_place(&new, kind)));
        let single = SINGLE.iter().map(|kind| Difference {
            kind,
            changed: if old.get(*kind) == new.get(*kind) { Vec::new() } else { vec![(*kind).to_owned()] },
            ..Difference::default()
        });
        Self(named.chain(counted).chain(single).filter(|difference| !difference.is_nothing()).collect())
    }

    /// Whether nothing is different.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }

    /// The accounts that are not there any more.
    #[must_use]
    pub fn removed_accounts(&self) -> &[String] {
        self.0.iter().find(|difference| difference.kind == "account").map_or(&[], |difference| &difference.removed)
    }

    /// With the names, for records: `account added nord; account changed acme; route[1] changed`.
    #[must_use]
    pub fn in_full(&self) -> String {
        self.0.iter().map(Difference::in_full).collect::<Vec<_>>().join("; ")
    }
}

/// In a few words: `2 accounts changed, 1 added; route[1] changed`.
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_nothing() {
            return f.write_str("nothing changed");
        }
        f.write_str(&self.0.iter().map(Difference::in_words).collect::<Vec<_>>().join("; "))
    }
}

impl Difference {
    fn is_nothing(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    fn has_names(&self) -> bool {
        NAMED.iter().any(|(kind, _)| *kind == self.kind)
    }

    fn lists(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        let lists = [("changed", &self.changed[..]), ("added", &self.added), ("removed", &self.removed)];
        lists.into_iter().filter(|(_, names)| !names.is_empty())
    }

    fn in_words(&self) -> String {
        if let ([only], [], []) = (&self.changed[..], &self.added[..], &self.removed[..])
            && !self.has_names()
        {
            return format!("{only} changed");
        }
        let mut words = Vec::new();
        for (verb, names) in self.lists() {
            let plural = if names.len() == 1 { "" } else { "s" };
            let kind = if words.is_empty() { format!(" {}{plural}", self.kind) } else { String::new() };
            words.push(format!("{}{kind} {verb}", names.len()));
        }
        words.join(", ")
    }

    fn in_full(&self) -> String {
        let list = |(verb, names): (&str, &[String])| {
            let more = names.len().saturating_sub(NAMES_MAX);
            let shown = names.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(" ");
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            if self.has_names() {
                format!("{} {verb} {shown}{more}", self.kind)
            } else {
                format!("{shown}{more} {verb}")
            }
        };
        self.lists().map(list).collect::<Vec<_>>().join("; ")
    }
}

type Entries<'a> = Vec<(String, &'a Value)>;

fn entries<'a>(table: &'a Table, kind: &str) -> impl Iterator<Item = &'a Value> {
    table.get(kind).and_then(Value::as_array).into_iter().flatten()
}

fn by_name<'a>(table: &'a Table, kind: &str, key: &str) -> Entries<'a> {
    let name = |entry: &Value| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    entries(table, kind).map(|entry| (name(entry), entry)).collect()
}

fn by_place<'a>(table: &'a Table, kind: &str) -> Entries<'a> {
    entries(table, kind).enumerate().map(|(place, entry)| (format!("{kind}[{place}]"), entry)).collect()
}

fn compare(kind: &'static str, old: &Entries<'_>, new: &Entries<'_>) -> Difference {
    let find = |entries: &Entries<'_>, name: &str| {
        entries.iter().find(|(other, _)| other == name).map(|(_, value)| (*value).clone())
    };
    let mut difference = Difference { kind, ..Difference::default() };
    for (name, value) in new {
        match find(old, name) {
            None => difference.added.push(name.clone()),
            Some(before) if before != **value => difference.changed.push(name.clone()),
            Some(_) => {}
        }
    }
    let gone = old.iter().filter(|(name, _)| find(new, name).is_none());
    difference.removed = gone.map(|(name, _)| name.clone()).collect();
    difference
}

/// The keys whose values the running process cannot take over, in the order of the sample.
#[must_use]
pub fn needing_restart(old: &Config, new: &Config) -> Vec<String> {
    let mut keys = Vec::new();
    let mut look = |key: &str, is_same: bool| {
        if !is_same {
            keys.push(key.to_owned());
        }
    };
    look("listen.smpp", old.listen.smpp == new.listen.smpp);
    look("listen.smpps", old.listen.smpps == new.listen.smpps);
    look("listen.admin", old.listen.admin == new.listen.admin);
    look("listen.api", old.listen.api == new.listen.api);
    look("listen.control", old.listen.control == new.listen.control);
    look("tls", old.tls == new.tls);
    look("store.path", old.store.path == new.store.path);
    look("store.durability", old.store.durability == new.store.durability);
    look("encryption", old.encryption == new.encryption);
    look("session", old.session == new.session);
    look("limits", old.limits == new.limits);
    look("audit", old.audit == new.audit);
    let (kept, keep) = (&old.policy.retention, &new.policy.retention);
    look("retention.activity", kept.activity_log == keep.activity_log);
    look("retention.audit", kept.audit_log == keep.audit_log);
    keys
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(Path::new("gate.toml"), text).expect("a good configuration")
    }

    #[test]
    fn what_is_different_is_told_by_kind_and_never_by_value() {
        let old = "[retention]\nmessage = \"5d\"\n[[account]]\nsystem_id = \"a\"\nrate = 1\n[[account]]\nsystem_id = \"b\"\n\
                   [[route]]\ncountry = [\"NO\"]\n[[route]]\ncountry = [\"*\"]\n";
        let changes = Changes::between(old, old);
        assert_eq!((changes.is_nothing(), changes.to_string().as_str()), (true, "nothing changed"));
        let new = "[retention]\nmessage = \"6d\"\n[[account]]\nsystem_id = \"c\"\n[[account]]\nsystem_id = \"a\"\nrate = 77\n\
                   [[route]]\ncountry = [\"NO\"]\n[[route]]\ncountry = [\"SE\"]\n";
        let changes = Changes::between(old, new);
        assert_eq!(changes.to_string(), "1 account changed, 1 added, 1 removed; route[1] changed; retention changed");
        assert_eq!(
            changes.in_full(),
            "account changed a; account added c; account removed b; route[1] changed; retention changed"
        );
        assert_eq!(changes.removed_accounts(), ["b"]);
    }

    #[test]
    fn order_and_form_of_what_has_a_name_are_no_change() {
        let old = "[[account]]\nsystem_id = \"a\"\n[[account]]\nsystem_id = \"b\"\nrate = 5\n";
        let new = "# a comment\n[[account]]\nrate = 5\nsystem_id = 'b'\n[[account]]\nsystem_id = \"a\"\n";
        assert!(Changes::between(old, new).is_nothing());
        let carriers = |names: [&str; 2]| names.map(|name| format!("[[carrier]]\nname = \"{name}\"\n")).concat();
        assert!(Changes::between(&carriers(["fjord", "backup"]), &carriers(["backup", "fjord"])).is_nothing());
        let changes = Changes::between(&carriers(["fjord", "backup"]), &carriers(["nord", "fjord"]));
        assert_eq!(changes.in_full(), "carrier added nord; carrier removed backup");
    }

    #[test]
    fn what_a_start_fixes_needs_another_start() {
        let old = config(Config::SANDBOX);
        assert!(needing_restart(&old, &old).is_empty());
        let other = |from: &str, to: &str| {
            assert!(Config::SANDBOX.contains(from), "{from}");
            needing_restart(&old, &config(&Config::SANDBOX.replacen(from, to, 1)))
        };
        assert_eq!(other("127.0.0.1:2775", "127.0.0.1:2799"), ["listen.smpp"]);
        let mut new = old.clone();
        new.carriers[0].address = "elsewhere:1".to_owned();
        (new.carriers[0].system_id, new.carriers[0].password) =
            ("other".to_owned(), crate::config::Secret::new("other"));
        new.limits.backlog += 1;
        new.session.drain += std::time::Duration::from_secs(1);
        assert_eq!(needing_restart(&old, &new), ["session", "limits"], "carriers come and go");
    }
}
