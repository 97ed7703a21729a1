//! `report incident`: what the audit log and the activity log say of a stretch of time, as the notification of a breach
//! needs it (GDPR Art. 33(3)): who did what, which accounts, how many records and persons, whether texts were visible.
//!
//! Reads files only, and only what is in them: no number, no text. What nobody recorded is not in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::control::configuration;
use super::report::Format;
use super::{Failure, json};
use crate::audit::folder::{Day, Folder};
use crate::audit::reading::{Range, walk};
use crate::audit::{ActorKind, Entry, Outcome};
use crate::clock::{Clock, Unix};
use crate::config::Config;

/// Hours within which the client should be told, and must be.
const TARGET_HOURS: u64 = 24;
const LIMIT_HOURS: u64 = 72;
/// Lines of a timeline; the rest is counted.
const LINES_MAX: usize = 2_000;

#[derive(Args)]
pub(super) struct IncidentArgs {
    /// The first day, or the first moment
    #[arg(long, value_name = "DATE|TIME", value_parser = begin)]
    from: Unix,
    /// The last day, or the last moment
    #[arg(long, value_name = "DATE|TIME", value_parser = end)]
    to: Unix,
    /// Only what the actor with this name did
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// When it became known: says how many of the 24 and 72 hours are left
    #[arg(long, value_name = "DATE|TIME", value_parser = begin)]
    aware_at: Option<Unix>,
    /// The configuration that says where the logs are [default: conf/smppgate.toml, or the sandbox where there is no such
    /// file]
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
}

/// The report.
#[derive(Debug, Default, Serialize)]
struct Incident {
    from: String,
    to: String,
    actor: Option<String>,
    processor: Option<String>,
    contact: Option<String>,
    data_protection_officer: Option<String>,
    awareness: Option<Awareness>,
    /// Everybody who did something, with how much of it.
    actors: Vec<ActorRow>,
    accounts: Vec<AccountRow>,
    /// Revocations, disabled and closed accounts, closed binds.
    measures: Vec<String>,
    timeline: Vec<String>,
    /// Lines beyond those shown.
    more: u64,
}

#[derive(Debug, Serialize)]
struct Awareness {
    at: String,
    hours_since: u64,
    hours_left_to_target: i64,
    hours_left_to_limit: i64,
}

#[derive(Debug, Serialize)]
struct ActorRow {
    kind: &'static str,
    name: String,
    origins: BTreeSet<String>,
    done: u64,
    refused: u64,
}

#[derive(Debug, Default, Serialize)]
struct AccountRow {
    account: String,
    controller: Option<String>,
    contact: Option<String>,
    /// Records that were shown, changed or erased.
    records: u64,
    /// Different numbers among them.
    subjects: u64,
    /// Whether numbers were shown as they are.
    numbers_visible: bool,
    /// Whether texts were shown.
    texts_visible: bool,
    /// Binds of client systems let in and refused.
    binds: u64,
    binds_refused: u64,
    #[serde(skip)]
    tokens: BTreeSet<String>,
}

/// Prints the report.
pub(super) fn incident(args: &IncidentArgs) -> Result<(), Failure> {
    let config = configuration(args.config.as_deref())?;
    let folder = Folder::new(&config.audit.path);
    let mut gathered = Gathered::default();
    let range = Range { from: Some(Day::of(args.from)), to: Some(Day::of(args.to)) };
    let within = |at: Unix| args.from <= at && at <= args.to;
    let walked = walk(&folder, None, range, None, |entry| {
        if within(entry.at) && args.actor.as_ref().is_none_or(|actor| *actor == entry.said.actor.name) {
            gathered.take(entry);
        }
    });
    walked.map_err(|fault| Failure::refused(format!("{fault}; a report needs a log that is whole")))?;
    if args.actor.is_none() {
        gathered.activity(&config.audit.activity, within);
    }
    let report = gathered.report(args, &config, Clock::start().now().unix);
    match args.format {
        Format::Markdown => print!("{}", report.markdown()),
        Format::Json => println!("{}", json(&report)?),
    }
    Ok(())
}

/// What is summed up while reading.
#[derive(Debug, Default)]
struct Gathered {
    actors: BTreeMap<(ActorKind, String), (BTreeSet<String>, u64, u64)>,
    accounts: BTreeMap<String, AccountRow>,
    measures: Vec<String>,
    timeline: Vec<String>,
    more: u64,
}

impl Gathered {
    fn take(&mut self, entry: &Entry) {
        let said = &entry.said;
        let (origins, done, refused) = self.actors.entry((said.actor.kind, said.actor.name.clone())).or_default();
        if !said.actor.origin.is_empty() {
            origins.insert(said.actor.origin.clone());
        }
        let is_end = said.outcome == Outcome::Done;
        *done += u64::from(is_end || said.outcome == Outcome::Allowed);
        *refused += u64::from(said.outcome == Outcome::Denied);
        if self.timeline.len() < LINES_MAX {
            self.timeline.push(entry.to_string());
        } else {
            self.more += 1;
        }
        let is_measure = matches!(
            said.action.as_str(),
            "operator.revoke" | "account.disable" | "account.close" | "bind.close" | "process.drain"
        );
        if is_measure && said.outcome != Outcome::Denied {
            self.measures.push(format!(
                "{}: {} {}={}",
                entry.at.moment(),
                said.action,
                said.object.kind,
                said.object.id
            ));
        }
        // What was refused touched nothing, and may name an account that is none.
        if said.account.is_empty() || said.outcome == Outcome::Denied {
            return;
        }
        let row = self.accounts.entry(said.account.clone()).or_default();
        if said.action.starts_with("subject.") && is_end {
            let told = |name: &str| field(&said.reason, name).and_then(|value| value.parse::<u64>().ok());
            let records = told("records").unwrap_or_default();
            row.records += records;
            if records > 0 {
                row.tokens.insert(said.object.id.clone());
            }
            row.numbers_visible |= said.action == "subject.unmask" && records > 0;
            row.texts_visible |= told("texts").is_some_and(|texts| texts > 0);
        }
    }

    /// Adds what clients did, from the files of the days there are.
    fn activity(&mut self, folder: &Path, within: impl Fn(Unix) -> bool) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for text in entries.flatten().filter_map(|entry| std::fs::read_to_string(entry.path()).ok()) {
            for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
                let part = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
                if part("account").is_empty() || !moment(part("time")).is_some_and(&within) {
                    continue;
                }
                let row = self.accounts.entry(part("account").to_owned()).or_default();
                row.binds += u64::from(part("event") == "admitted");
                row.binds_refused += u64::from(part("event") == "refused");
            }
        }
    }

    fn report(self, args: &IncidentArgs, config: &Config, now: Unix) -> Incident {
        let account = |(name, row): (String, AccountRow)| {
            let known = config.privacy.controllers.iter().find(|known| known.system_id == name);
            AccountRow {
                controller: known.and_then(|known| known.name.clone()),
                contact: known.and_then(|known| known.contact.clone()),
                subjects: row.tokens.len() as u64,
                account: name,
                ..row
            }
        };
        let actor = |((kind, name), (origins, done, refused)): ((ActorKind, String), _)| ActorRow {
            kind: kind.name(),
            name,
            origins,
            done,
            refused,
        };
        Incident {
            from: args.from.moment(),
            to: args.to.moment(),
            actor: args.actor.clone(),
            processor: config.privacy.processor.clone(),
            contact: config.privacy.contact.clone(),
            data_protection_officer: config.privacy.dpo.clone(),
            awareness: args.aware_at.map(|at| Awareness::of(at, now)),
            actors: self.actors.into_iter().map(actor).collect(),
            accounts: self.accounts.into_iter().map(account).collect(),
            measures: self.measures,
            timeline: self.timeline,
            more: self.more,
        }
    }
}

impl Awareness {
    fn of(at: Unix, now: Unix) -> Self {
        let hours_since = now.0.saturating_sub(at.0) / 3_600_000;
        let left =
            |hours: u64| i64::try_from(hours).unwrap_or(i64::MAX) - i64::try_from(hours_since).unwrap_or(i64::MAX);
        Self {
            at: at.moment(),
            hours_since,
            hours_left_to_target: left(TARGET_HOURS),
            hours_left_to_limit: left(LIMIT_HOURS),
        }
    }
}

impl Incident {
    fn markdown(&self) -> String {
        let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "not said".to_owned());
        let mut text = format!("# Incident report (GDPR Art. 33(3)), {} to {}\n\n", self.from, self.to);
        text += &format!("* Processor: {}\n* Contact: {}\n", said(&self.processor), said(&self.contact));
        text += &format!("* Data protection officer: {}\n", said(&self.data_protection_officer));
        if let Some(actor) = &self.actor {
            text += &format!("* Actor: {actor}\n");
        }
        if let Some(awareness) = &self.awareness {
            let Awareness { at, hours_since, hours_left_to_target: target, hours_left_to_limit: limit } = awareness;
            text += &format!(
                "* Known since {at}: {hours_since} h ago; {target} h left of {TARGET_HOURS}, {limit} h of {LIMIT_HOURS}\n"
            );
        }
        text += "\n## Accounts, records and persons\n\n| account | controller | contact | records | persons | numbers \
                 visible | texts visible | binds | binds refused |\n|---|---|---|---|---|---|---|---|---|\n";
        for row in &self.accounts {
            let visible = |is: bool| if is { "yes" } else { "no" };
            text += &format!(
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
                row.account,
                said(&row.controller),
                said(&row.contact),
                row.records,
                row.subjects,
                visible(row.numbers_visible),
                visible(row.texts_visible),
                row.binds,
                row.binds_refused
            );
        }
        text += "\n## Who\n\n| kind | name | from | done | refused |\n|---|---|---|---|---|\n";
        for row in &self.actors {
            let origins = row.origins.iter().cloned().collect::<Vec<_>>().join(", ");
            text += &format!("| {} | {} | {origins} | {} | {} |\n", row.kind, row.name, row.done, row.refused);
        }
        text += "\n## Measures taken\n\n";
        self.measures.iter().for_each(|measure| text += &format!("* {measure}\n"));
        text += "\n## Timeline\n\n";
        self.timeline.iter().for_each(|line| text += &format!("    {line}\n"));
        if self.more > 0 {
            text += &format!("\n{} more entries: smppgate audit show\n", self.more);
        }
        text
    }
}

/// The value of `name=value` in words.
fn field<'a>(words: &'a str, name: &str) -> Option<&'a str> {
    words.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn moment(text: &str) -> Option<Unix> {
    let since = humantime::parse_rfc3339(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(Unix)
}

fn begin(text: &str) -> Result<Unix, String> {
    let found = Unix::of_date(text).or_else(|| moment(text));
    found.ok_or_else(|| "expected a date such as 2026-12-01, or a time such as 2026-12-01T12:00:00Z".to_owned())
}

/// Of a day its last moment.
fn end(text: &str) -> Result<Unix, String> {
    match Day::parse(text) {
        Some(day) => Ok(Unix(day.end().0 - 1)),
        None => begin(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Actor, Draft, Object};

    fn entry(name: &str, action: &str, account: &str, object: &str, outcome: Outcome, reason: &str) -> Entry {
        let actor = Actor { kind: ActorKind::Operator, name: name.into(), origin: "uid 1001".into() };
        let object = Object::new("number", object);
        let (action, account, reason) = (action.into(), account.into(), reason.into());
        let said = Draft { actor, action, object, account, instruction: String::new(), reason, outcome };
        Entry { seq: 1, at: Unix(1_764_590_400_000), said }
    }

    #[test]
    fn what_an_intruder_saw_is_counted_and_nothing_else() {
        let mut gathered = Gathered::default();
        for (action, account, object, outcome, reason) in [
            ("subject.unmask", "acme", "aa", Outcome::Allowed, "curious"),
            ("subject.unmask", "acme", "aa", Outcome::Done, "records=3 subjects=1 texts=1 masked=false"),
            ("subject.unmask", "acme", "aa", Outcome::Done, "records=3 subjects=1 texts=1 masked=false"),
            ("subject.unmask", "acme", "bb", Outcome::Done, "records=0 subjects=0 texts=0 masked=false"),
            ("subject.export", "other", "cc", Outcome::Done, "records=2 subjects=1 texts=0 masked=true"),
            ("subject.erase", "third", "dd", Outcome::Denied, ""),
        ] {
            gathered.take(&entry("Kari", action, account, object, outcome, reason));
        }
        let args = IncidentArgs {
            from: Unix(0),
            to: Unix(1),
            actor: None,
            aware_at: Some(Unix(0)),
            config: None,
            format: Format::Json,
        };
        let report = gathered.report(&args, &Config::sandbox(), Unix(30 * 3_600_000));
        let rows: Vec<_> =
            report.accounts.iter().map(|row| (row.account.as_str(), row.records, row.subjects)).collect();
        assert_eq!(rows, [("acme", 6, 1), ("other", 2, 1)]);
        let visible: Vec<_> = report.accounts.iter().map(|row| (row.numbers_visible, row.texts_visible)).collect();
        assert_eq!(visible, [(true, true), (false, false)]);
        let awareness = report.awareness.as_ref().unwrap();
        assert_eq!(
            (awareness.hours_since, awareness.hours_left_to_target, awareness.hours_left_to_limit),
            (30, -6, 42)
        );
        assert_eq!((report.actors[0].done, report.actors[0].refused, report.timeline.len()), (5, 1, 6));
        let text = report.markdown();
        assert!(text.contains("| acme | not said | not said | 6 | 1 | yes | yes | 0 | 0 |"), "{text}");
        assert!(text.contains("30 h ago; -6 h left of 24, 42 h of 72"), "{text}");
    }

    #[test]
    fn times_are_days_or_moments() {
        assert_eq!(begin("1970-01-02"), Ok(Unix(86_400_000)));
        assert_eq!(end("1970-01-02"), Ok(Unix(2 * 86_400_000 - 1)));
        assert_eq!(end("1970-01-02T00:00:01Z"), Ok(Unix(86_401_000)));
        assert!(begin("yesterday").is_err());
    }
}
