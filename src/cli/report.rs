//! `report processing`: the record of processing activities of a processor (GDPR Art. 30(2)) and the list of its
//! sub-processors, from the configuration.
//!
//! Reads no store and no messages: what it says holds for every message that the configuration lets through.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::incident::{IncidentArgs, incident};
use super::{ConfigArgs, Failure, json};
use crate::clock::Unix;
use crate::config::Config;
use crate::policy::{Account, Carrier, Class, Policy, Retention, TransferBasis};

/// Which report.
#[derive(Args)]
pub(super) struct ReportArgs {
    #[command(subcommand)]
    report: Report,
}

#[derive(Subcommand)]
enum Report {
    /// The record of processing activities (GDPR Art. 30(2)), with the list of sub-processors
    Processing(ProcessingArgs),
    /// What the logs say of a stretch of time, for the notification of a breach (GDPR Art. 33(3))
    Incident(IncidentArgs),
}

#[derive(Args)]
struct ProcessingArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Format {
    Markdown,
    Json,
}

/// Art. 30(2), point by point.
#[derive(Serialize)]
struct Record {
    processor: Option<String>,
    contact: Option<String>,
    data_protection_officer: Option<String>,
    controllers: Vec<ControllerRow>,
    categories_of_processing: Vec<&'static str>,
    sub_processors: Vec<SubProcessor>,
    retention: Vec<Kept>,
    security_measures: Vec<String>,
}

#[derive(Serialize)]
struct ControllerRow {
    account: String,
    controller: Option<String>,
    contact: Option<String>,
    /// Carriers that may get its data, and those that may not with the reason.
    may_go_to: Vec<String>,
    may_not_go_to: Vec<Barred>,
}

#[derive(Serialize)]
struct Barred {
    carrier: String,
    reason: String,
}

#[derive(Serialize)]
struct SubProcessor {
    carrier: String,
    legal_entity: Option<String>,
    country: Option<String>,
    transfer_basis: Option<&'static str>,
    effective_from: Option<String>,
}

#[derive(Serialize)]
struct Kept {
    class: String,
    period: String,
}

/// What happens to personal data here, whatever the configuration.
const CATEGORIES: [&str; 4] = [
    "reception of text messages and recipients' numbers from the controllers' systems over SMPP",
    "routing by destination country and transmission to telecommunication carriers",
    "reception of delivery receipts and their return to the controller",
    "storage of the message until it is final, of its traffic data and, where the controller asks for it, its text for the \
     retention period",
];

/// Prints the report.
pub(super) fn report(args: &ReportArgs) -> Result<(), Failure> {
    let args = match &args.report {
        Report::Processing(args) => args,
        Report::Incident(args) => return incident(args),
    };
    let record = Record::of(&args.config.load()?);
    match args.format {
        Format::Markdown => print!("{}", record.markdown()),
        Format::Json => println!("{}", json(&record)?),
    }
    Ok(())
}

impl Record {
    fn of(config: &Config) -> Self {
        let policy = &config.policy;
        let controllers = policy.accounts.iter().map(|account| ControllerRow::of(config, account)).collect();
        Self {
            processor: config.privacy.processor.clone(),
            contact: config.privacy.contact.clone(),
            data_protection_officer: config.privacy.dpo.clone(),
            controllers,
            categories_of_processing: CATEGORIES.to_vec(),
            sub_processors: policy.carriers.iter().map(SubProcessor::of).collect(),
            retention: retention(policy),
            security_measures: measures(config),
        }
    }

    fn markdown(&self) -> String {
        let mut text = "# Record of processing activities (GDPR Art. 30(2))\n\n".to_owned();
        let named = [
            ("Processor", &self.processor),
            ("Contact", &self.contact),
            ("Data protection officer", &self.data_protection_officer),
        ];
        for (name, value) in named {
            text += &format!("* {name}: {}\n", said(value.as_deref()));
        }
        text += "\n## Categories of processing\n\n";
        text += &list(self.categories_of_processing.iter().map(ToString::to_string));
        text += "\n## Controllers\n\n| account | controller | contact | data may go to | data may not go to |\n|---|---|---|---|---|\n";
        for row in &self.controllers {
            let barred = row.may_not_go_to.iter().map(|barred| format!("{} ({})", barred.carrier, barred.reason));
            let cells = [
                row.account.clone(),
                said(row.controller.as_deref()),
                said(row.contact.as_deref()),
                row.may_go_to.join(", "),
                barred.collect::<Vec<_>>().join(", "),
            ];
            text += &line(&cells);
        }
        text += "\n## Sub-processors and transfers\n\n| carrier | legal entity | country | transfer basis | from |\n|---|---|---|---|---|\n";
        for row in &self.sub_processors {
            let cells = [
                row.carrier.clone(),
                said(row.legal_entity.as_deref()),
                said(row.country.as_deref()),
                said(row.transfer_basis),
                row.effective_from.clone().unwrap_or_else(|| "in use".to_owned()),
            ];
            text += &line(&cells);
        }
        text += "\n## Retention\n\n| class | kept after its clock starts |\n|---|---|\n";
        for row in &self.retention {
            text += &line(&[row.class.to_owned(), row.period.clone()]);
        }
        text += "\n## Security measures (Art. 32)\n\n";
        text + &list(self.security_measures.iter().cloned())
    }
}

impl ControllerRow {
    fn of(config: &Config, account: &Account) -> Self {
        let known = config.privacy.controllers.iter().find(|known| known.system_id == account.system_id);
        let (mut may, mut may_not) = (Vec::new(), Vec::new());
        for (position, carrier) in (0u16..).zip(&config.policy.carriers) {
            match account.transfers.permit(position, carrier) {
                Ok(()) => may.push(carrier.name.clone()),
                Err(why) => may_not.push(Barred { carrier: carrier.name.clone(), reason: why.to_string() }),
            }
        }
        Self {
            account: account.system_id.clone(),
            controller: known.and_then(|known| known.name.clone()),
            contact: known.and_then(|known| known.contact.clone()),
            may_go_to: may,
            may_not_go_to: may_not,
        }
    }
}

impl SubProcessor {
    fn of(carrier: &Carrier) -> Self {
        Self {
            carrier: carrier.name.clone(),
            legal_entity: carrier.legal_entity.clone(),
            country: carrier.country.map(|country| country.to_string()),
            transfer_basis: carrier.transfer_basis.map(TransferBasis::as_str),
            effective_from: carrier.effective_from.map(Unix::date),
        }
    }
}

/// Technical measures that this configuration has in force.
fn measures(config: &Config) -> Vec<String> {
    let mut measures = vec![
        "each client system has credentials of its own; wrong passwords slow further attempts down".to_owned(),
        "numbers, texts and passwords are in no log, metric or error message".to_owned(),
        "texts are deleted when a message is settled, traffic data when its retention ends".to_owned(),
    ];
    match (config.listen.smpp, config.listen.smpps) {
        (None, Some(_)) => measures.push("clients connect over TLS only".to_owned()),
        (Some(_), Some(_)) => measures.push("clients can connect over TLS, and in clear".to_owned()),
        _ => measures.push("clients connect in clear: expected is a private network or a tunnel".to_owned()),
    }
    let encrypted = config.carriers.iter().filter(|carrier| carrier.tls.is_some()).count();
    let all = config.carriers.len();
    measures.push(format!("{encrypted} of {all} carriers are reached over TLS with verified certificates"));
    measures
}

/// How long each class is kept, and of each account what is kept for another time.
fn retention(policy: &Policy) -> Vec<Kept> {
    let mut rows = Vec::new();
    let mut row = |name: &str, period: &dyn Fn(&Retention) -> Duration| {
        let all = period(&policy.retention);
        rows.push(Kept { class: name.to_owned(), period: kept(all) });
        let own = policy.accounts.iter().map(|account| (&account.system_id, period(&account.retention)));
        let other = own.filter(|(_, own)| *own != all);
        rows.extend(other.map(|(account, own)| Kept { class: format!("{name}, {account}"), period: kept(own) }));
    };
    for class in [Class::Message, Class::Body, Class::Inbound, Class::ReceiptQueue] {
        row(class.name(), &|retention| retention.kept_for(class));
    }
    row("any record, from its acceptance", &|retention| retention.max_age);
    row("records of a closed account, set aside", &|retention| retention.set_aside);
    row("after that, sealed", &|retention| retention.sealed);
    for class in [Class::ActivityLog, Class::AuditLog] {
        row(class.name(), &|retention| retention.kept_for(class));
    }
    rows
}

fn kept(period: Duration) -> String {
    match (period.as_secs() / 86_400, period.as_secs() % 86_400) {
        (0, 0) => "not at all".to_owned(),
        (days, 0) => format!("{days} days"),
        _ => humantime::format_duration(period).to_string(),
    }
}

fn said(value: Option<&str>) -> String {
    value.unwrap_or("not said").to_owned()
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.map(|item| format!("* {item}\n")).collect()
}

/// A row of a table. A bar in a cell would begin a new one.
fn line(cells: &[String]) -> String {
    let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}
