//! `check`: a configuration in a few lines, and what deserves attention in it.

use std::time::Duration;

use super::{ConfigArgs, Failure};
use crate::config::{Config, Durability};
use crate::net::key_files;
use crate::policy::{
    Account, Carrier, Country, Destinations, Keyword, Member, Policy, Rate, Route, ScreenRule, TransferBasis, When,
};
use crate::store::Vault;

/// Prints what the configuration says; all its mistakes when it is refused.
pub(super) fn check(args: &ConfigArgs) -> Result<(), Failure> {
    let config = args.load()?;
    for warning in &config.warnings {
        eprintln!("{warning}");
    }
    let keys = keys(&config)?;
    println!("{}: good", args.config.display());
    print!("{}", summary(&config, &keys));
    Ok(())
}

/// Where the keys are, in words; a master key that is missing or does not fit is refused.
pub(super) fn keys(config: &Config) -> Result<String, Failure> {
    let refused = |fault: crate::store::KeyFault| Failure::refused(format!("encryption: {fault}"));
    let fingerprint = Vault::inspect(&key_files(config)).map_err(refused)?;
    let path = config.encryption.master_key.display();
    let state = fingerprint.map_or_else(
        || "made at the first start".to_owned(),
        |fingerprint| format!("there, fingerprint {fingerprint}"),
    );
    let place = if config.encryption.is_beside_the_data(&config.store) {
        "; it lies beside the data: who copies one copies both"
    } else {
        ""
    };
    Ok(format!("master key {path} ({state}{place}), destroyed keys in {}", config.encryption.destroyed_keys.display()))
}

fn summary(config: &Config, keys: &str) -> String {
    let api = if config.tls.is_some() { "api (HTTPS)" } else { "api (in clear)" };
    let own = &config.listen;
    let listen = [("smpp", own.smpp), ("smpps", own.smpps), ("admin", own.admin), (api, own.api)];
    let listen: Vec<_> =
        listen.iter().filter_map(|(name, address)| address.map(|address| format!("{name} {address}"))).collect();
    let durability = match config.store.durability {
        Durability::Flushed => "acknowledged = on disk",
        Durability::Buffered => "acknowledged = in memory, a crash can lose it",
    };
    let mut text = format!("listen    {}\n", listen.join(", "));
    text += &format!("store     {}, {durability}\n", config.store.path.display());
    text += &format!("keys      {keys}\n");
    for operator in &config.operators {
        let accounts = operator.accounts.as_ref().map_or_else(|| "all accounts".to_owned(), |names| names.join(" "));
        text += &format!("operator  {}: {}, {accounts}\n", operator.name, operator.role.name());
    }
    for account in &config.policy.accounts {
        let countries = account
            .countries
            .as_ref()
            .map_or_else(|| "all countries with a route".to_owned(), |countries| codes(countries));
        let (binds, window) = (account.max_binds, account.window);
        let rate = per_second(account.rate);
        let texts = match account.retention.body {
            Duration::ZERO => String::new(),
            kept => format!(", texts kept for {}", humantime::format_duration(kept)),
        };
        text +=
            &format!("account   {}: {countries}, {binds} binds, window {window}, {rate}{texts}\n", account.system_id);
    }
    for (carrier, reach) in config.carriers() {
        let tls = if reach.tls.is_some() { " with TLS" } else { "" };
        let place = match (&carrier.legal_entity, carrier.country, carrier.transfer_basis) {
            (Some(entity), Some(country), Some(basis)) => format!("{entity} in {country} ({})", basis.as_str()),
            _ => "where the data goes is not said".to_owned(),
        };
        let place = match carrier.effective_from {
            Some(from) => format!("{place}, from {}", from.date()),
            None => place,
        };
        let rate = per_second(carrier.rate);
        text += &format!(
            "carrier   {}: {}{tls}, {} links, window {}, {rate}; {place}\n",
            carrier.name, reach.address, carrier.links, carrier.window,
        );
    }
    for route in config.policy.routes.list() {
        let carriers = tiers(&config.policy, route);
        let rate = per_second(route.rate);
        text += &format!("route     {}: {carriers}, {rate}\n", purpose(&config.policy, route));
    }
    for (place, rule) in config.policy.screens.rules().enumerate() {
        text += &format!("screen    [{place}] {}\n", screen(&config.policy, rule));
    }
    for (place, rule) in config.policy.inbound.rules().iter().enumerate() {
        let account = config.policy.accounts.get(usize::from(rule.account)).map_or("", |account| &account.system_id);
        let numbers = match rule.to.len() {
            1 => "one number or beginning".to_owned(),
            count => format!("{count} numbers or beginnings"),
        };
        let keywords: Vec<_> = rule.keywords.iter().map(Keyword::as_str).collect();
        let keywords = if keywords.is_empty() { String::new() } else { format!(", keyword {}", keywords.join(" ")) };
        let carriers = rule.carriers.iter().filter_map(|index| config.policy.carriers.get(usize::from(*index)));
        let carriers: Vec<_> = carriers.map(|carrier| carrier.name.as_str()).collect();
        let carriers = if carriers.is_empty() { String::new() } else { format!(", from {}", carriers.join(" ")) };
        text += &format!("inbound   [{place}] {numbers}{keywords}{carriers}: to {account}\n");
    }
    text + &transfers(&config.policy)
}

/// The carriers of a route in words: `fjord 3 and sund 1 then backup`.
fn tiers(policy: &Policy, route: &Route) -> String {
    let name = |member: &Member| policy.carriers.get(usize::from(member.carrier)).map_or("", |carrier| &carrier.name);
    let tier = |members: &Vec<Member>| match &members[..] {
        [only] => name(only).to_owned(),
        equals => {
            let equals = equals.iter().map(|member| format!("{} {}", name(member), member.weight));
            equals.collect::<Vec<_>>().join(" and ")
        }
    };
    route.carriers.list().iter().map(tier).collect::<Vec<_>>().join(" then ")
}

/// Which carriers may get whose data, and on what ground: accounts down, carriers across.
fn transfers(policy: &Policy) -> String {
    let cell = |account: &Account, position: u16, carrier: &Carrier| match account.transfers.permit(position, carrier) {
        Ok(()) => carrier.transfer_basis.map_or("no basis given", TransferBasis::as_str).to_owned(),
        Err(why) => format!("refused: {why}"),
    };
    let head = std::iter::once(String::new()).chain(policy.carriers.iter().map(|carrier| carrier.name.clone()));
    let mut rows: Vec<Vec<String>> = vec![head.collect()];
    for account in &policy.accounts {
        let cells = (0u16..).zip(&policy.carriers).map(|(position, carrier)| cell(account, position, carrier));
        rows.push(std::iter::once(account.system_id.clone()).chain(cells).collect());
    }
    let columns = policy.carriers.len() + 1;
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let label = if index == 0 { "transfers" } else { "" };
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text += format!("{label:<9} {}", cells.join("  ")).trim_end();
        text.push('\n');
    }
    text
}

/// A screen in words: `acme, NO: 2 senders, any number; without 1 sender, 3 prefixes, 10 words`.
fn screen(policy: &Policy, rule: &ScreenRule) -> String {
    let own = rule.accounts.iter().filter_map(|position| policy.accounts.get(usize::from(*position)));
    let own: Vec<_> = own.map(|account| account.system_id.as_str()).collect();
    let own = if own.is_empty() { "all accounts".to_owned() } else { own.join(" ") };
    let to = if rule.countries.is_empty() { "all countries".to_owned() } else { codes(&rule.countries) };
    let counted = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("one {one}")),
        count => Some(format!("{count} {many}")),
    };
    let kinds = rule.kinds.iter().map(|kind| format!("any {}", kind.as_str().replace('_', " ")));
    let allowed: Vec<_> = counted(rule.senders.len(), "sender", "senders").into_iter().chain(kinds).collect();
    let blocked: Vec<_> = [
        counted(rule.block_senders.len(), "sender", "senders"),
        counted(rule.block_prefixes.len(), "prefix", "prefixes"),
        counted(rule.block_words.len(), "word", "words"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let allowed = if allowed.is_empty() { "any sender".to_owned() } else { allowed.join(", ") };
    let blocked = if blocked.is_empty() { String::new() } else { format!("; without {}", blocked.join(", ")) };
    format!("{own}, {to}: {allowed}{blocked}")
}

/// What a route is for in words: `NO SE, for acme, from acme*, to 2 prefixes`.
pub(super) fn purpose(policy: &Policy, route: &Route) -> String {
    let When { accounts, senders, prefixes } = &route.when;
    let mut text = match &route.destinations {
        Destinations::Rest if route.when.asks() => "any country".to_owned(),
        Destinations::Rest => "all countries that no other route names".to_owned(),
        Destinations::Countries(countries) => codes(countries),
    };
    let own = accounts.iter().filter_map(|position| policy.accounts.get(usize::from(*position)));
    let own: Vec<_> = own.map(|account| account.system_id.as_str()).collect();
    if !own.is_empty() {
        text += &format!(", for {}", own.join(" "));
    }
    if !senders.is_empty() {
        text += &format!(", from {}", senders.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    }
    match prefixes.len() {
        0 => text,
        1 => text + ", to one prefix",
        count => text + &format!(", to {count} prefixes"),
    }
}

/// Countries, with blanks between.
pub(super) fn codes(countries: &[Country]) -> String {
    countries.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// A rate in words.
pub(super) fn per_second(rate: Option<Rate>) -> String {
    rate.map_or_else(|| "no rate limit".to_owned(), |rate| format!("{}/s", rate.limit()))
}
