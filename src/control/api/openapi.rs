//! The description of the HTTP interface in OpenAPI 3.1, made from the table.

use serde_json::{Map, Value, json};

use super::answer::{MEANINGS, status};
use super::table::{Endpoint, Field, Form, TABLE, Verb, WHY, name_of, part};

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut paths = Map::new();
    for endpoint in TABLE {
        let verb = if endpoint.verb == Verb::Get { "get" } else { "post" };
        let item = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(verb.to_owned(), operation(endpoint));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "smppgate",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What operators ask of a running process. Every request is recorded in the audit log.",
        },
        "security": [{ "password": [] }, { "certificate": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "password": { "type": "http", "scheme": "basic" },
                "certificate": { "type": "mutualTLS" },
            },
            "schemas": {
                "Rows": {
                    "type": "object",
                    "required": ["rows", "said"],
                    "properties": {
                        "rows": { "type": "array", "items": {} },
                        "said": { "type": "string", "description": "What was done, in words." },
                    },
                },
                "Refusal": {
                    "type": "object",
                    "required": ["error"],
                    "properties": { "error": { "type": "string" } },
                },
            },
        },
    })
}

fn operation(endpoint: &Endpoint) -> Value {
    let good = match endpoint.bare {
        true => json!({ "type": "object" }),
        false => json!({ "$ref": "#/components/schemas/Rows" }),
    };
    let mut responses = Map::new();
    responses.insert("200".to_owned(), response("Done.", &good));
    for (kind, about) in MEANINGS {
        let refusal = json!({ "$ref": "#/components/schemas/Refusal" });
        responses.insert(status(kind).as_str().to_owned(), response(about, &refusal));
    }
    let mut operation = json!({
        "operationId": name(endpoint),
        "summary": endpoint.about,
        "parameters": parameters(endpoint),
        "responses": responses,
    });
    if let (Verb::Post, Some(operation)) = (endpoint.verb, operation.as_object_mut()) {
        let schema = body(endpoint);
        let body = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        operation.insert("requestBody".to_owned(), body);
    }
    operation
}

/// The path in words: `accounts_disable`.
fn name(endpoint: &Endpoint) -> String {
    let parts = endpoint.path.split('/').skip(2).filter(|part| name_of(part).is_none());
    let name: Vec<_> = parts.map(|part| part.trim_end_matches(".json").replace('-', "_")).collect();
    name.join("_")
}

fn response(about: &str, schema: &Value) -> Value {
    json!({ "description": about, "content": { "application/json": { "schema": schema } } })
}

fn parameters(endpoint: &Endpoint) -> Vec<Value> {
    let parameter = |field: Field, place: &str| {
        json!({
            "name": field.name, "in": place, "required": field.needed, "description": field.about,
            "schema": schema(field), "example": example(field),
        })
    };
    let parts = endpoint.path.split('/').filter_map(name_of).map(|name| parameter(part(name), "path"));
    let query = endpoint.fields.iter().filter(|_| endpoint.verb == Verb::Get);
    parts.chain(query.map(|field| parameter(*field, "query"))).collect()
}

fn body(endpoint: &Endpoint) -> Value {
    let mut properties = Map::new();
    for field in endpoint.fields.iter().chain(&WHY) {
        let mut schema = schema(*field);
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".to_owned(), Value::from(field.about));
            schema.insert("examples".to_owned(), json!([example(*field)]));
        }
        properties.insert(field.name.to_owned(), schema);
    }
    let needed = endpoint.fields.iter().filter(|field| field.needed).map(|field| field.name);
    let needed: Vec<_> = needed.chain(endpoint.instructed.then_some("instruction")).collect();
    json!({ "type": "object", "additionalProperties": false, "required": needed, "properties": properties })
}

fn schema(field: Field) -> Value {
    match field.form {
        Form::Text => json!({ "type": "string" }),
        Form::Word(words) => json!({ "type": "string", "enum": words }),
        Form::Flag => json!({ "type": "boolean" }),
        Form::Number => json!({ "type": "integer", "minimum": 0 }),
    }
}

fn example(field: Field) -> Value {
    // An example that is no JSON is shown as nothing, and found by the test that asks with it.
    serde_json::from_str(field.example).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::given;
    use super::*;
    use crate::policy::Action;

    /// Every action of the process can be asked for, and what needs an instruction says so.
    #[test]
    fn the_table_has_every_action_and_no_row_without_one() {
        let mut actions = Vec::new();
        for endpoint in TABLE {
            for body in bodies(endpoint) {
                let parts: Vec<_> = endpoint.path.split('/').filter_map(name_of).map(|name| (name, "acme")).collect();
                let body = if endpoint.verb == Verb::Get { String::new() } else { body.to_string() };
                let ask = given::ask(endpoint, &parts, "", body.as_bytes()).unwrap();
                assert_eq!(ask.request.needs_instruction(), endpoint.instructed, "{}", endpoint.path);
                actions.push(ask.request.action());
            }
        }
        for action in Action::ALL {
            assert!(actions.contains(&action), "no row asks for {}", action.name());
        }
    }

    /// A body for each thing that a row can ask.
    fn bodies(endpoint: &Endpoint) -> Vec<Value> {
        match endpoint.path {
            "/v1/binds/close" => vec![json!({ "account": "acme" }), json!({ "link": 7 })],
            "/v1/subject-requests" => ["access", "erase", "restrict", "release", "note", "unmask"]
                .map(|kind| {
                    let mut body = json!({ "type": kind, "account": "acme", "number": "+4791234567" });
                    match kind {
                        "note" => body["text"] = json!("moved"),
                        "unmask" => (body["type"], body["unmask"]) = (json!("access"), json!(true)),
                        _ => {}
                    }
                    body
                })
                .into(),
            "/v1/opt-outs" => {
                ["add", "remove"].map(|kind| json!({ "type": kind, "account": "acme", "number": "+4791234567" })).into()
            }
            _ => vec![json!({})],
        }
    }

    #[test]
    fn the_document_names_every_path_and_its_fields_are_whole() {
        let document = document();
        let mut names = Vec::new();
        for endpoint in TABLE {
            let verb = if endpoint.verb == Verb::Get { "get" } else { "post" };
            let operation = &document["paths"][endpoint.path][verb];
            assert_eq!(operation["summary"], endpoint.about);
            assert_eq!(operation["requestBody"].is_object(), endpoint.verb == Verb::Post);
            names.push(operation["operationId"].as_str().unwrap().to_owned());
            for field in endpoint.fields {
                assert!(!example(*field).is_null(), "{}: the example of {} is no JSON", endpoint.path, field.name);
            }
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len(), "{names:?}");
        let subject = &document["paths"]["/v1/subject-requests"]["post"]["requestBody"]["content"]["application/json"];
        assert_eq!(subject["schema"]["required"], json!(["type", "account", "number", "instruction"]));
        assert_eq!(subject["schema"]["additionalProperties"], false);
    }
}
