//! What a caller gave: path, query and body, checked against the fields of a row before anything is made of it.
//!
//! Never says what a value was: it may be a number, or something that a stranger wrote.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::table::{Endpoint, Field, Form, Verb, WHY, part};
use crate::control::refusal::Refusal;
use crate::control::request::{Ask, Request};

/// Values by the names of their fields.
#[derive(Debug, Default)]
pub struct Given(BTreeMap<&'static str, Value>);

impl Given {
    /// A text; empty when it is not there.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        self.option(name).unwrap_or_default()
    }

    /// A text that may be left out.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// A flag; false when it is not there.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A number that may be left out.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(Value::as_u64)
    }
}

/// What is asked, from the parts of the path, the query and the body.
///
/// # Errors
/// What is wrong with them.
pub(super) fn ask(
    endpoint: &Endpoint,
    parts: &[(&'static str, &str)],
    query: &str,
    body: &[u8],
) -> Result<Ask, Refusal> {
    let mut given = Given::default();
    for (name, value) in parts {
        let text =
            decoded(value, false).ok_or_else(|| Refusal::unwanted("the path is not UTF-8 in percent-encoding"))?;
        take(&mut given, part(name), Value::String(text))?;
    }
    match endpoint.verb {
        Verb::Get if !body.is_empty() => return Err(Refusal::unwanted("a GET takes no body")),
        Verb::Get => {
            for (name, value) in pairs(query)? {
                take(&mut given, field(endpoint, &name)?, Value::String(value))?;
            }
        }
        Verb::Post if !query.is_empty() => {
            return Err(Refusal::unwanted("a POST takes no query: everything is in the body"));
        }
        Verb::Post => {
            for (name, value) in object(body)? {
                take(&mut given, field(endpoint, &name)?, value)?;
            }
        }
    }
    if let Some(missing) = endpoint.fields.iter().find(|field| field.needed && !given.0.contains_key(field.name)) {
        return Err(Refusal::unwanted(format!("\"{}\" is missing", missing.name)));
    }
    let request: Request = (endpoint.request)(&given)?;
    Ok(Ask { request, reason: given.text("reason"), instruction: given.text("instruction"), login: None })
}

/// The field of this name.
fn field(endpoint: &Endpoint, name: &str) -> Result<Field, Refusal> {
    let why = WHY.iter().filter(|_| endpoint.verb == Verb::Post);
    let found = endpoint.fields.iter().chain(why).find(|field| field.name == name);
    found.copied().ok_or_else(|| {
        let known = endpoint.fields.iter().chain(WHY.iter().filter(|_| endpoint.verb == Verb::Post));
        let known: Vec<_> = known.map(|field| format!("\"{}\"", field.name)).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Refusal::unwanted(format!("a field is unknown; known are {known}"))
    })
}

/// Takes a value that fits its field.
fn take(given: &mut Given, field: Field, value: Value) -> Result<(), Refusal> {
    let fits = match field.form {
        Form::Text => value.is_string(),
        Form::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        Form::Flag => value.is_boolean(),
        Form::Number => value.is_u64(),
    };
    if !fits {
        let expected = match field.form {
            Form::Text => "a text".to_owned(),
            Form::Word(words) => format!("one of {}", words.join(", ")),
            Form::Flag => "true or false".to_owned(),
            Form::Number => "a whole number".to_owned(),
        };
        return Err(Refusal::unwanted(format!("\"{}\": expected {expected}", field.name)));
    }
    match given.0.insert(field.name, value) {
        Some(_) => Err(Refusal::unwanted(format!("\"{}\" is there twice", field.name))),
        None => Ok(()),
    }
}

/// The members of a JSON object; nothing is an empty one.
fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    serde_json::from_slice(body).map_err(|error| {
        // What the reader says of the place is ours to tell; its words can quote the body.
        let (line, column) = (error.line(), error.column());
        Refusal::unwanted(format!("the body is no JSON object: {:?} at line {line}, column {column}", error.classify()))
    })
}

/// Names and values of a query.
fn pairs(query: &str) -> Result<Vec<(String, String)>, Refusal> {
    let odd = || Refusal::unwanted("the query is not name=value, with & between, in percent-encoding");
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').ok_or_else(odd)?;
            Ok((decoded(name, true).ok_or_else(odd)?, decoded(value, true).ok_or_else(odd)?))
        })
        .collect()
}

/// Percent-encoding undone; with `plus`, a plus is a blank.
fn decoded(text: &str, plus: bool) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            b'+' if plus => b' ',
            other => other,
        });
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::super::table::find;
    use super::*;

    fn refused(verb: Verb, path: &str, query: &str, body: &str) -> String {
        let (endpoint, parts) = find(Some(verb), path).unwrap();
        let refusal = ask(endpoint, &parts, query, body.as_bytes()).unwrap_err();
        assert_eq!(refusal.kind, crate::control::refusal::Kind::Unwanted);
        refusal.text
    }

    fn asked(verb: Verb, path: &str, query: &str, body: &str) -> Ask {
        let (endpoint, parts) = find(Some(verb), path).unwrap();
        ask(endpoint, &parts, query, body.as_bytes()).unwrap()
    }

    #[test]
    fn paths_queries_and_bodies_become_requests() {
        let asked_for = asked(Verb::Post, "/v1/operators/Kari%20Nordmann/revoke", "", "");
        assert_eq!(asked_for.request, Request::OperatorRevoke { name: "Kari Nordmann".into() });
        let asked_for = asked(Verb::Get, "/v1/binds", "account=a%2Bb", "");
        assert_eq!(asked_for.request, Request::Binds { account: Some("a+b".into()) });
        let asked_for = asked(Verb::Get, "/v1/audit", "actor=Kari+Nordmann&from=2026-12-01", "");
        let (from, actor) = (Some("2026-12-01".to_owned()), Some("Kari Nordmann".to_owned()));
        assert_eq!(asked_for.request, Request::AuditShow { from, to: None, actor });
        let asked_for = asked(Verb::Post, "/v1/binds/close", "", r#"{"link": 7, "reason": "why"}"#);
        assert_eq!((asked_for.request, asked_for.reason.as_str()), (Request::UnbindLink { link: 7 }, "why"));
    }

    #[test]
    fn what_does_not_fit_is_refused_without_repeating_it() {
        let subject = "/v1/subject-requests";
        let whole = r#""account": "acme", "number": "+4791234567", "instruction": "letter 7""#;
        for (verb, path, query, body, why) in [
            (Verb::Post, subject, "", "{\"type\": \"+4791234567\"", "no JSON object: Eof at line 1"),
            (Verb::Post, subject, "", "[\"+4791234567\"]", "no JSON object: Data"),
            (Verb::Post, subject, "", "{\"+4791234567\": 1}", "a field is unknown; known are \"type\", \"account\""),
            (Verb::Post, subject, "", "{\"type\": \"+4791234567\"}", "\"type\": expected one of access, erase"),
            (Verb::Post, subject, "", "{\"type\": \"access\", \"account\": \"acme\"}", "\"number\" is missing"),
            (Verb::Post, subject, "", "{\"number\": 4791234567}", "\"number\": expected a text"),
            (Verb::Post, subject, "number=4791234567", "{}", "a POST takes no query"),
            (Verb::Post, subject, "", &format!("{{\"type\": \"note\", {whole}}}"), "a note needs it"),
            (
                Verb::Post,
                subject,
                "",
                &format!("{{\"type\": \"erase\", \"text\": \"x\", {whole}}}"),
                "nothing else takes it",
            ),
            (
                Verb::Post,
                subject,
                "",
                &format!("{{\"type\": \"erase\", \"unmask\": true, {whole}}}"),
                "for \"access\" only",
            ),
            (Verb::Post, "/v1/binds/close", "", "{}", "either \"account\" or \"link\""),
            (Verb::Post, "/v1/binds/close", "", "{\"link\": -4791234567}", "\"link\": expected a whole number"),
            (Verb::Post, "/v1/accounts/acme/disable", "", "{\"account\": \"other\"}", "a field is unknown"),
            (Verb::Get, "/v1/binds", "account=acme&account=4791234567", "", "\"account\" is there twice"),
            (Verb::Get, "/v1/binds", "number=4791234567", "", "a field is unknown"),
            (Verb::Get, "/v1/binds", "account=%4", "", "in percent-encoding"),
            (Verb::Get, "/v1/binds", "4791234567", "", "in percent-encoding"),
            (Verb::Get, "/v1/status", "", "{}", "a GET takes no body"),
            (Verb::Post, "/v1/accounts/%FF/disable", "", "", "not UTF-8"),
        ] {
            let said = refused(verb, path, query, body);
            assert!(said.contains(why) && !said.contains("912345"), "{path} {body}: {said}");
        }
    }

    #[test]
    fn paths_are_whole_and_methods_their_own() {
        for path in
            ["", "/", "/v1", "/v1/status/", "/v1//status", "/v2/status", "/v1/accounts//disable", "/v1/accounts/a/b"]
        {
            assert_eq!(find(Some(Verb::Get), path).err(), Some(Vec::new()), "{path}");
        }
        assert_eq!(find(Some(Verb::Post), "/v1/status").err(), Some(vec![Verb::Get]));
        assert_eq!(find(None, "/v1/drain").err(), Some(vec![Verb::Post]));
    }
}
