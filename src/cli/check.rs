//! `check`: a configuration in a few lines, and what deserves attention in it.

use super::{ConfigArgs, Failure};
use crate::config::{Config, Durability};
use crate::policy::{Country, Destinations, Rate, Route};

/// Prints what the configuration says; all its mistakes when it is refused.
pub(super) fn check(args: &ConfigArgs) -> Result<(), Failure> {
    let config = args.load()?;
    for warning in &config.warnings {
        eprintln!("{warning}");
    }
    println!("{}: good", args.config.display());
    print!("{}", summary(&config));
    Ok(())
}

fn summary(config: &Config) -> String {
    let listen = [("smpp", config.listen.smpp), ("smpps", config.listen.smpps), ("admin", config.listen.admin)];
    let listen: Vec<_> =
        listen.iter().filter_map(|(name, address)| address.map(|address| format!("{name} {address}"))).collect();
    let durability = match config.store.durability {
        Durability::Flushed => "acknowledged = on disk",
        Durability::Buffered => "acknowledged = in memory, a crash can lose it",
    };
    let mut text = format!("listen    {}\n", listen.join(", "));
    text += &format!("store     {}, {durability}\n", config.store.path.display());
    for account in &config.policy.accounts {
        let countries = account
            .countries
            .as_ref()
            .map_or_else(|| "all countries with a route".to_owned(), |countries| codes(countries));
        let (binds, window) = (account.max_binds, account.window);
        let rate = per_second(account.rate);
        text += &format!("account   {}: {countries}, {binds} binds, window {window}, {rate}\n", account.system_id);
    }
    for (carrier, reach) in config.carriers() {
        let tls = if reach.tls.is_some() { " with TLS" } else { "" };
        let place = match (&carrier.legal_entity, carrier.country, carrier.transfer_basis) {
            (Some(entity), Some(country), Some(basis)) => format!("{entity} in {country} ({})", basis.as_str()),
            _ => "where the data goes is not said".to_owned(),
        };
        let rate = per_second(carrier.rate);
        text += &format!(
            "carrier   {}: {}{tls}, {} links, window {}, {rate}; {place}\n",
            carrier.name, reach.address, carrier.links, carrier.window,
        );
    }
    for route in config.policy.routes.list() {
        let carriers = route.carriers.iter().filter_map(|index| config.policy.carriers.get(usize::from(*index)));
        let carriers: Vec<_> = carriers.map(|carrier| carrier.name.as_str()).collect();
        text +=
            &format!("route     {}: {}, {}\n", destinations(route), carriers.join(" then "), per_second(route.rate));
    }
    text
}

/// The countries of a route in words.
pub(super) fn destinations(route: &Route) -> String {
    match &route.destinations {
        Destinations::Rest => "all countries that no other route names".to_owned(),
        Destinations::Countries(countries) => codes(countries),
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
