//! `explain`: the decisions that a submit, or a message from a handset, would meet, in order and with their reasons. Looks at
//! the configuration only.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Failure;
use super::check::{codes, per_second, purpose};
use crate::bridge::{InboundRefusal, Refusal};
use crate::config::{Config, DEFAULT_PATH};
use crate::pdu::{Address, CommandStatus};
use crate::policy::inbound::word_of;
use crate::policy::{
    Candidate, DefaultAlphabet, Explanation, GuardAction, GuardRules, Habits, Home, Inbound, NoPlan, Number, Objection,
    OverRate, Plan, ReceiptIds, Remedy, Won, dialled, dialled_from,
};

/// Which message.
#[derive(Args)]
pub(super) struct ExplainArgs {
    /// The system_id of the account that would send it
    #[arg(long, value_name = "NAME", required_unless_present = "from_carrier", conflicts_with = "from_carrier")]
    account: Option<String>,
    /// Instead: the name of the carrier that would bring it from a handset
    #[arg(long, value_name = "NAME")]
    from_carrier: Option<String>,
    /// The text: for screens that look at words, or for rules that ask a handset's message for a keyword
    #[arg(long, value_name = "TEXT", default_value = "")]
    text: String,
    /// The destination, with country code; "+", blanks, hyphens and brackets are left out
    #[arg(long, value_name = "NUMBER")]
    to: String,
    /// The sender it would have, for routes and screens that look at it
    #[arg(long, value_name = "SENDER", default_value = "", conflicts_with = "from_carrier")]
    from: String,
    /// The dest_addr_ton it would have: 1 is international
    #[arg(long, value_name = "TON", default_value_t = 1)]
    ton: u8,
    /// The dest_addr_npi it would have: 1 is ISDN (E.164)
    #[arg(long, value_name = "NPI", default_value_t = 1)]
    npi: u8,
    /// The configuration [default: conf/smppgate.toml, or the sandbox where there is no such file]
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Prints what the message would meet.
pub(super) fn explain(args: &ExplainArgs) -> Result<(), Failure> {
    let (config, source) = configuration(args)?;
    if let Some(carrier) = &args.from_carrier {
        return inbound(&config, &source, carrier, args);
    }
    let account = args.account.clone().unwrap_or_default();
    let Some(index) = config.policy.account(account.as_bytes()) else {
        let names = config.policy.accounts.iter().map(|account| account.system_id.as_str());
        return Err(Failure::refused(unknown("account", &account, &source, names)));
    };
    let number: String = args.to.chars().filter(|c| !matches!(c, '+' | ' ' | '-' | '(' | ')')).collect();
    println!("configuration  {source}");
    println!("account        {account}: {}", sending(&config, index));
    let Some(destination) = Address::new(args.ton, args.npi, number.as_bytes()) else {
        return Err(Failure::refused(format!("the destination has {} digits; expected at most 20", number.len())));
    };
    let Some(from) = Address::new(1, 1, args.from.as_bytes()) else {
        return Err(Failure::refused(format!("the sender has {} characters; expected at most 20", args.from.len())));
    };
    match config.policy.explain(index, &from, &destination, &args.text) {
        Explanation::Routed(plan) => {
            print!("{}", routed(&config, index, &destination, &plan));
            print!("{}", screened(&config, index, args, &plan));
            Ok(())
        }
        Explanation::Refused(why) => {
            let (status, reason) = refused(&account, why);
            Err(Failure::refused(format!("refused        with {status} ({:#04x}): {reason}", status.0)))
        }
    }
}

/// What of the account's traffic would be too much.
fn guarded(rules: &GuardRules) -> String {
    let what = match rules.action {
        GuardAction::Warn => "tells of",
        GuardAction::Refuse => "refuses, with 0x402,",
    };
    let window = humantime::format_duration(rules.window);
    let prefix = rules.prefix_limit.map(|limit| {
        format!("more than {limit} messages in {window} to numbers with the same first {} digits", rules.prefix_digits)
    });
    let sequence = rules.sequence.map(|most| format!("{most} numbers in {window} that follow each other"));
    let seen: Vec<_> = prefix.into_iter().chain(sequence).collect();
    format!("guard          {what} {}\n", seen.join(", and "))
}

/// What looked at the message, and what did not for want of knowing it.
fn screened(config: &Config, account: u16, args: &ExplainArgs, plan: &Plan) -> String {
    let own: Vec<_> =
        config.policy.screens_of(account, plan.country).map(|screen| format!("screen[{screen}]")).collect();
    let guard = config.policy.accounts.get(usize::from(account)).and_then(|account| account.guard.as_ref());
    let mut text = guard.map_or_else(String::new, guarded);
    if !own.is_empty() {
        text += &format!("screens        passes {}\n", own.join(", "));
    }
    if args.from.is_empty() && (config.policy.routes.reads_sender() || !own.is_empty()) {
        text += "note           the sender was not looked at; --from SENDER says it\n";
    }
    if args.text.is_empty() && !own.is_empty() {
        text += "note           the text was not looked at; --text TEXT says it\n";
    }
    text
}

/// Prints who gets a message from a handset, and by which rule.
fn inbound(config: &Config, source: &str, carrier: &str, args: &ExplainArgs) -> Result<(), Failure> {
    let policy = &config.policy;
    let Some(index) = (0_u16..).zip(&policy.carriers).find(|(_, own)| own.name == carrier).map(|(index, _)| index)
    else {
        let names = policy.carriers.iter().map(|own| own.name.as_str());
        return Err(Failure::refused(unknown("carrier", carrier, source, names)));
    };
    println!("configuration  {source}");
    println!("message        from a handset, by {carrier}");
    let nobody = |reason: String| {
        let status = InboundRefusal::Nobody.status();
        Failure::refused(format!("refused        with {status} ({:#04x}): {reason}", status.0))
    };
    let address = Address::new(args.ton, args.npi, args.to.as_bytes());
    let Some(number) = address.as_ref().and_then(dialled) else {
        return Err(nobody("the destination is no number".to_owned()));
    };
    let word = word_of(&args.text);
    let Some(found) = policy.inbound.find(index, &number, word.as_deref()) else {
        let but =
            if policy.inbound.reads_word(index, &number) { ", unless its text begins with a keyword" } else { "" };
        return Err(nobody(format!("no rule says whose message to this number, from {carrier}, it is{but}")));
    };
    println!("rule           inbound[{}]: {}", found.rule, fitted(&found, &number));
    let account = policy.accounts.get(usize::from(found.account)).map_or("", |account| &account.system_id);
    let kept = humantime::format_duration(policy.retention.receipt_queue);
    println!(
        "account        {account}: gets it on its receiving binds in turn, and while there is none it waits for {kept}"
    );
    Ok(())
}

/// What of the rule fitted.
fn fitted(found: &Inbound<'_>, number: &Number) -> String {
    let digits = std::str::from_utf8(number.digits().get(..found.matched_digits).unwrap_or_default());
    let digits = digits.unwrap_or_default();
    let mut text = match (found.is_whole, found.matched_digits) {
        (true, _) => format!("by the number {digits}"),
        (false, 0) => "by \"*\", which is any number".to_owned(),
        (false, _) => format!("by the beginning {digits}"),
    };
    if let Some(keyword) = found.keyword {
        text += &format!(" and the keyword \"{}\"", keyword.as_str());
    }
    if found.names_carrier {
        text += ", from this carrier";
    }
    text
}

fn unknown<'a>(what: &str, name: &str, source: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    let known = if names.is_empty() { "there is none".to_owned() } else { names.join(", ") };
    format!("no {what} \"{name}\" in {source}; expected one of: {known}")
}

fn configuration(args: &ExplainArgs) -> Result<(Config, String), Failure> {
    let default = Path::new(DEFAULT_PATH);
    match &args.config {
        Some(path) => Ok((Config::load(path)?, path.display().to_string())),
        None if default.exists() => Ok((Config::load(default)?, DEFAULT_PATH.to_owned())),
        None => Ok((Config::sandbox(), "the built-in sandbox".to_owned())),
    }
}

fn sending(config: &Config, index: u16) -> String {
    let Some(account) = config.policy.accounts.get(usize::from(index)) else { return String::new() };
    let countries = account.countries.as_ref().map_or_else(
        || "may send to every country with a route".to_owned(),
        |countries| format!("may send to {}", codes(countries)),
    );
    format!("{countries}, {}", per_second(account.rate))
}

fn routed(config: &Config, account: u16, to: &Address, plan: &Plan) -> String {
    let home = config.policy.accounts.get(usize::from(account)).and_then(|account| account.home);
    let number = dialled_from(home, to).unwrap_or_default();
    let number = std::str::from_utf8(number.digits()).unwrap_or_default();
    let prefix = number.get(..plan.matched_digits).unwrap_or_default();
    let country = plan.country;
    let over = match (plan.country_rate, plan.over_rate) {
        (None, _) => "",
        (Some(_), OverRate::Defer) => "; above it, messages are accepted and sent later",
        (Some(_), OverRate::Throttle) => "; above it, the client gets ESME_RTHROTTLED (0x58)",
    };
    let route = config.policy.routes.list().get(usize::from(plan.won.route));
    let route = route.map_or_else(String::new, |route| purpose(&config.policy, route));
    let mut text = format!("country        {country}, by the prefix {prefix}\n");
    text += &format!("route          route[{}]: {route}\n", plan.won.route);
    if config.policy.routes.has_rules() {
        text += &format!("{:<14} {}\n", "", reason(&plan.won, number));
    }
    text += &match plan.country_rate {
        Some(rate) => format!("rate           {}/s to {country}{over}\n", rate.limit()),
        None => format!("rate           no limit to {country}\n"),
    };
    for (place, candidate) in plan.carriers.iter().enumerate() {
        let Candidate { index, name, rate, tier, percent } = candidate;
        let label = if place == 0 { "carriers" } else { "" };
        let reach = config.carriers.get(usize::from(*index)).map_or("", |reach| reach.address.as_str());
        let share = if *percent == 100 { String::new() } else { format!(", {percent} % while its equals are there") };
        text += &format!("{label:<14} {}. {name} at {reach}, {}{share}\n", tier + 1, per_second(*rate));
        let Some(carrier) = config.policy.carriers.get(usize::from(*index)) else { continue };
        for habit in habits(&carrier.habits, home, to) {
            text += &format!("{:<14}    {habit}\n", "");
        }
    }
    for (name, why) in &plan.barred {
        text += &format!("{:<14} {name} may not get it: {why}\n", "");
    }
    text
}

/// By what a route won.
fn reason(won: &Won, number: &str) -> String {
    let mut named = Vec::new();
    if won.by_account {
        named.push("the account".to_owned());
    }
    if let Some(sender) = won.by_sender {
        named.push(format!("the sender {sender}"));
    }
    if let Some(prefix) = number.get(..won.prefix_digits).filter(|prefix| !prefix.is_empty()) {
        named.push(format!("the prefix {prefix}"));
    }
    if won.by_country {
        named.push("the country".to_owned());
    }
    match &named[..] {
        [] => "is for the rest; no more specific one fits".to_owned(),
        named => format!("names {}; no more specific one fits", named.join(", ")),
    }
}

/// What of the message changes for a carrier with these habits, and what its answers mean.
fn habits(habits: &Habits, home: Option<Home>, to: &Address) -> Vec<String> {
    let shown =
        |address: &Address| format!("{} ({}/{})", address.octets().escape_ascii(), address.ton(), address.npi());
    let mut lines = Vec::new();
    let destination = habits.destination(to, home);
    if destination != *to {
        lines.push(format!("gets it to {}", shown(&destination)));
    }
    for (from, _) in &habits.senders.known {
        let source = habits.source(from, home);
        lines.push(format!("gets it from {} in place of {}", shown(&source), shown(from)));
    }
    if let Some(others) = &habits.senders.others {
        lines.push(format!("gets it from {} in place of any other source", shown(&habits.source(others, home))));
    }
    let types = &habits.source_types;
    for (kind, own) in [("number", types.number), ("short code", types.short), ("name", types.name)] {
        if let Some(own) = own {
            lines.push(format!("gets a {kind} as source of type {}/{}", own.ton, own.npi));
        }
    }
    if habits.alphabet != DefaultAlphabet::Gsm {
        lines.push(format!("gets a text of data_coding 0 in {:?}", habits.alphabet));
    }
    if !habits.payload {
        lines.push("takes no message_payload, so longer texts are cut".to_owned());
    }
    match habits.receipt_ids {
        ReceiptIds::Learn => {}
        ReceiptIds::Decimal => lines.push("writes ids decimal in receipts, hexadecimal in answers".to_owned()),
        ReceiptIds::Hexadecimal => lines.push("writes ids hexadecimal in receipts, decimal in answers".to_owned()),
    }
    for (status, remedy) in habits.statuses.own() {
        let what = match remedy {
            Remedy::Retry => "is tried again",
            Remedy::Throttle => "slows it down",
            Remedy::FailOver => "sends the message to the next carrier",
            Remedy::Permanent => "ends the message",
        };
        lines.push(format!("its answer {status} ({:#05x}) {what}", status.0));
    }
    lines
}

/// What the client would be told, and why.
fn refused(account: &str, why: NoPlan) -> (CommandStatus, String) {
    match why {
        NoPlan::Account => (CommandStatus::ESME_RINVSYSID, format!("no account \"{account}\"")),
        NoPlan::Destination(status) => (
            Refusal::Address(status).status(),
            "no international number; expected country code and digits, such as 4791234567".to_owned(),
        ),
        NoPlan::Prefix => (Refusal::NoRoute.status(), "no country has such a prefix".to_owned()),
        NoPlan::Country(country) => (
            Refusal::CountryForbidden.status(),
            format!("the number is in {country}, where the account may not send to"),
        ),
        NoPlan::Screen(country, screen, why) => (
            Refusal::from(why).status(),
            format!("the number is in {country}, and screen[{screen}] refuses {}", objected(why)),
        ),
        NoPlan::Route(country) => {
            (Refusal::NoRoute.status(), format!("the number is in {country}, and no route leads there"))
        }
        NoPlan::Transfer(country) => (
            Refusal::Transfer.status(),
            format!("the number is in {country}, and the account permits no carrier of its route to get the data"),
        ),
    }
}

fn objected(why: Objection) -> &'static str {
    match why {
        Objection::SenderNotAllowed => "the sender, which is not among those allowed",
        Objection::SenderBlocked => "the sender, which is blocked",
        Objection::DestinationBlocked => "the number, whose beginning is blocked",
        Objection::WordBlocked => "a word of the text",
    }
}
