//! The one table of what can be asked over HTTP. Each row makes a [`Request`], so each passes the same gate as the control
//! socket; the description in OpenAPI is made from the same rows.

use super::given::Given;
use crate::control::refusal::Refusal;
use crate::control::request::{Request, Written};

/// The method of a row. What changes something, or shows a person's data, is [`Verb::Post`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Looks, and takes what it needs from path and query.
    Get,
    /// Takes the rest from a JSON body, where no log of a proxy sees it.
    Post,
}

/// What a field may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A text.
    Text,
    /// One of a few words.
    Word(&'static [&'static str]),
    /// True or false.
    Flag,
    /// A whole number.
    Number,
}

/// One field of a path, a query or a body.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it may hold.
    pub form: Form,
    /// Whether it must be there.
    pub needed: bool,
    /// What it says.
    pub about: &'static str,
    /// A value, as JSON.
    pub example: &'static str,
}

/// One row: a method and a path.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// The method.
    pub verb: Verb,
    /// The path; `{name}` stands for one part of it.
    pub path: &'static str,
    /// What it does.
    pub about: &'static str,
    /// What it takes, the parts of its path left out.
    pub fields: &'static [Field],
    /// Whether it is done on the client's documented instruction only.
    pub instructed: bool,
    /// Whether its one row is the whole answer.
    pub bare: bool,
    /// What it asks of the process.
    pub request: fn(&Given) -> Result<Request, Refusal>,
}

/// Every [`Verb::Post`] takes these too.
pub const WHY: [Field; 2] = [
    text("instruction", "The client's documented instruction, for the record. No numbers.", "\"letter 2026-17\""),
    text("reason", "Why, for the record. No numbers, no texts of messages.", "\"asked by the client\""),
];

const fn text(name: &'static str, about: &'static str, example: &'static str) -> Field {
    Field { name, form: Form::Text, needed: false, about, example }
}

const fn needed(field: Field) -> Field {
    Field { needed: true, ..field }
}

/// A part of a path.
#[must_use]
pub fn part(name: &'static str) -> Field {
    match name {
        "account" => needed(ACCOUNT),
        _ => needed(text(name, "The operator's name in the configuration.", "\"Kari Nordmann\"")),
    }
}

const ACCOUNT: Field = text("account", "The system_id of an account.", "\"acme\"");
const NUMBER: Field = text("number", "The number with its country.", "\"+4791234567\"");
const SUBJECT: [&str; 5] = ["access", "erase", "restrict", "release", "note"];

const NONE: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/",
    about: "",
    fields: &[],
    instructed: false,
    bare: false,
    request: |_| Ok(Request::Status {}),
};

/// All rows.
pub const TABLE: &[Endpoint] = &[
    Endpoint {
        path: "/v1/openapi.json",
        about: "This description.",
        bare: true,
        request: |_| Ok(Request::ApiShow {}),
        ..NONE
    },
    Endpoint {
        path: "/v1/status",
        about: "Counters, rates and readiness; of the accounts in scope.",
        request: |_| Ok(Request::Status {}),
        ..NONE
    },
    Endpoint {
        path: "/v1/binds",
        about: "The binds of client systems, addresses masked.",
        fields: &[ACCOUNT],
        request: |given| Ok(Request::Binds { account: given.option("account") }),
        ..NONE
    },
    Endpoint {
        verb: Verb::Post,
        path: "/v1/binds/close",
        about: "Closes one bind, or all of an account; the client may bind again.",
        fields: &[
            ACCOUNT,
            Field {
                name: "link",
                form: Form::Number,
                needed: false,
                about: "The number of one bind, as /v1/binds shows it.",
                example: "7",
            },
        ],
        request: close,
        ..NONE
    },
    Endpoint {
        verb: Verb::Post,
        path: "/v1/accounts/{account}/disable",
        about: "Closes an account's binds and refuses new ones, also after a restart.",
        request: |given| Ok(Request::AccountDisable { account: given.text("account") }),
        ..NONE
    },
    Endpoint {
        verb: Verb::Post,
        path: "/v1/accounts/{account}/enable",
        about: "Lets it bind again.",
        request: |given| Ok(Request::AccountEnable { account: given.text("account") }),
        ..NONE
    },
    Endpoint {
        verb: Verb::Post,
        path: "/v1/accounts/{account}/close",
        about: "Closes an account for good: its records are set aside, then sealed, then destroyed.",
        instructed: true,
        request: |given| Ok(Request::AccountClose { account: given.text("account") }),
        ..NONE
    },
    Endpoint {
        verb: Verb::Post,
        path: "/v1/accounts/{account}/reopen",
        about: "Opens a closed account again; what is sealed needs a second operator to ask too.",
        instructed: true,
        request: |given| Ok(Request::AccountReopen { account: given.text("account") }),
        ..NONE
    },
    Endpoint {
        verb: Verb::Post,
        path: "/v1/subject-requests",
        about: "Serves a right of one person within one account: GDPR Art. 15 to 18.",
        fields: &[
            needed(Field { form: Form::Word(&SUBJECT), ..text("type", "Which right.", "\"access\"") }),
            needed(ACCOUNT),
            needed(NUMBER),
            text("text", "What a note says. No numbers.", "\"moved in May\""),
            Field {
                form: Form::Flag,
                ..text("unmask", "Shows numbers and texts as they are; needs a reason.", "true")
            },
        ],
        instructed: true,
        request: subject,
        ..NONE
    },
    Endpoint {
        path: "/v1/accounts/{account}/opt-outs",
        about: "Who opted out of an account's messages: a token for each number, since when, and how.",
        request: |given| Ok(Request::OptOutList { account: given.text("account") }),
        ..NONE
    },
    Endpoint {
        verb: Verb::Post,
        path: "/v1/opt-outs",
        about: "Puts a number on that list, so that nothing is sent to it, or takes it off.",
        fields: &[
            needed(Field { form: Form::Word(&["add", "remove"]), ..text("type", "Which of the two.", "\"add\"") }),
            needed(ACCOUNT),
            needed(NUMBER),
        ],
        instructed: true,
        request: |given| {
            let (account, number) = (given.text("account"), Written(given.text("number")));
            Ok(match given.text("type").as_str() {
                "add" => Request::OptOutAdd { account, number },
                _ => Request::OptOutRemove { account, number },
            })
        },
        ..NONE
    },
    Endpoint {
        path: "/v1/audit",
        about: "Lines of the audit log.",
        fields: &[
            text("from", "The first day (UTC).", "\"2026-12-01\""),
            text("to", "The last day (UTC).", "\"2026-12-31\""),
            text("actor", "Only entries of the actor with this name.", "\"Kari Nordmann\""),
        ],
        request: |given| {
            let option = |name| given.option(name);
            Ok(Request::AuditShow { from: option("from"), to: option("to"), actor: option("actor") })
        },
        ..NONE
    },
    Endpoint {
        verb: Verb::Post,
        path: "/v1/operators/{name}/revoke",
        about: "Closes an operator's connections and refuses new ones, also after a restart.",
        request: |given| Ok(Request::OperatorRevoke { name: given.text("name") }),
        ..NONE
    },
    Endpoint {
        verb: Verb::Post,
        path: "/v1/operators/{name}/restore",
        about: "Lets the operator come back.",
        request: |given| Ok(Request::OperatorRestore { name: given.text("name") }),
        ..NONE
    },
    Endpoint {
        verb: Verb::Post,
        path: "/v1/reload",
        about: "Takes a changed configuration over, all of it or nothing.",
        request: |_| Ok(Request::ConfigReload {}),
        ..NONE
    },
    Endpoint {
        verb: Verb::Post,
        path: "/v1/drain",
        about: "Drains and stops the process.",
        request: |_| Ok(Request::Drain {}),
        ..NONE
    },
];

fn close(given: &Given) -> Result<Request, Refusal> {
    match (given.option("account"), given.number("link")) {
        (Some(account), None) => Ok(Request::UnbindAccount { account }),
        (None, Some(link)) => Ok(Request::UnbindLink { link }),
        _ => Err(Refusal::unwanted("expected either \"account\" or \"link\"")),
    }
}

fn subject(given: &Given) -> Result<Request, Refusal> {
    let (account, number) = (given.text("account"), Written(given.text("number")));
    let (kind, text, unmask) = (given.text("type"), given.option("text"), given.flag("unmask"));
    if text.is_some() != (kind == "note") {
        return Err(Refusal::unwanted("\"text\" is what a note says: a note needs it, and nothing else takes it"));
    }
    if unmask && kind != "access" {
        return Err(Refusal::unwanted("\"unmask\" is for \"access\" only"));
    }
    Ok(match kind.as_str() {
        "access" => Request::SubjectExport { account, number, unmask },
        "erase" => Request::SubjectErase { account, number },
        "restrict" => Request::SubjectRestrict { account, number },
        "release" => Request::SubjectRelease { account, number },
        _ => Request::SubjectNote { account, number, text: text.unwrap_or_default() },
    })
}

/// Parts of a path, by the names that a row has for them.
pub type Parts<'a> = Vec<(&'static str, &'a str)>;

/// The row of a path, and the parts of the path that have a name.
///
/// # Errors
/// The other methods; none for an unknown path.
pub fn find(verb: Option<Verb>, path: &str) -> Result<(&'static Endpoint, Parts<'_>), Vec<Verb>> {
    let mut others = Vec::new();
    for endpoint in TABLE {
        match parts(endpoint.path, path) {
            Some(parts) if Some(endpoint.verb) == verb => return Ok((endpoint, parts)),
            Some(_) => others.push(endpoint.verb),
            None => {}
        }
    }
    Err(others)
}

/// The parts of `path` that `pattern` names; `None` when it does not fit.
fn parts<'a>(pattern: &'static str, path: &'a str) -> Option<Parts<'a>> {
    let (mut found, mut own) = (Vec::new(), path.split('/'));
    for wanted in pattern.split('/') {
        let part = own.next()?;
        match name_of(wanted) {
            Some(name) if !part.is_empty() => found.push((name, part)),
            None if wanted == part => {}
            _ => return None,
        }
    }
    own.next().is_none().then_some(found)
}

/// The name in `{name}`.
#[must_use]
pub fn name_of(part: &'static str) -> Option<&'static str> {
    part.strip_prefix('{')?.strip_suffix('}')
}
