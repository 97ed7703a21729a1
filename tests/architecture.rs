//! The rules of the house, held by a test: which room may use which, what the pure rooms must not name, how large a file
//! and a function may be, and how a file begins.
//!
//! Reads the sources as text. It knows no types, so a rule is a name that must not occur.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each room may use of the others. A room that is not named here may use nothing.
const LAYERS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("limits", &[]),
    ("pdu", &["clock", "limits"]),
    ("message", &["clock", "limits"]),
    ("session", &["clock", "limits", "pdu"]),
    ("policy", &["clock", "limits", "message", "pdu"]),
    ("store", &["clock", "limits", "message", "pdu"]),
    ("audit", &["clock", "limits"]),
    ("bridge", &["clock", "limits", "message", "pdu", "session", "policy", "store"]),
    ("config", &["clock", "limits", "message", "pdu", "policy"]),
    ("net", &["clock", "limits", "message", "pdu", "session", "policy", "store", "bridge", "config", "audit"]),
    ("metrics", &["clock", "message", "policy", "bridge", "net", "admin"]),
    ("admin", &["clock", "message", "policy", "bridge", "net", "metrics", "session", "audit"]),
    ("control", &["clock", "message", "pdu", "policy", "store", "bridge", "net", "admin", "audit", "config"]),
    ("sandbox", &["clock", "pdu", "message", "session"]),
];

/// Rooms that decide and never act, and the files in them that may act all the same.
const PURE: &[&str] = &["pdu", "message", "session", "policy", "bridge"];
const PURE_FILES: &[&str] = &[
    "store/write.rs",
    "store/block.rs",
    "store/archive.rs",
    "store/index.rs",
    "store/envelope.rs",
    "audit/entry.rs",
    "audit/chain.rs",
    "audit/head.rs",
    "audit/gathering.rs",
];

/// What the pure rooms must not name, and why.
const BANNED: &[(&str, &str)] = &[
    ("tokio::", "the async world is the rim's"),
    ("std::net::Tcp", "sockets are the rim's"),
    ("std::fs", "files are the rim's"),
    ("std::thread", "threads are the rim's"),
    ("std::sync", "the core has one owner and no lock"),
    ("Instant", "time is an argument"),
    ("SystemTime", "time is an argument"),
    ("rand::", "randomness is an argument"),
    ("sled", "one file knows the engine"),
    ("info!(", "the core logs nothing above debug"),
    ("warn!(", "the core logs nothing above debug"),
    ("error!(", "the core logs nothing above debug"),
];

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 70;
const VAGUE: &[&str] = &["utils", "util", "helpers", "helper", "common", "manager", "misc"];

struct Source {
    /// Path below the folder read, with `/`.
    name: String,
    text: String,
}

impl Source {
    /// The room: the first folder, or the file's own name at the top.
    fn room(&self) -> &str {
        self.name.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// Lines of code with their numbers, without comments and without the tests at the end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.text.find("\n#[cfg(test)]\nmod ").unwrap_or(self.text.len());
        let lines = self.text[..end].lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn sources() -> Vec<Source> {
    below("src")
}

/// What ships and what tests it.
fn all() -> Vec<Source> {
    [below("src"), below("tests")].into_iter().flatten().collect()
}

fn below(folder: &str) -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    let read = |path: PathBuf| Source {
        name: path.strip_prefix(&root).expect("below the root").to_string_lossy().replace('\\', "/"),
        text: fs::read_to_string(&path).expect("readable text"),
    };
    paths.into_iter().map(read).collect()
}

fn fail_if_any(broken: &[String]) {
    assert!(broken.is_empty(), "{} broken:\n{}", broken.len(), broken.join("\n"));
}

/// Names of rooms used in a line, as `crate::room` or inside `use crate::{room, …}`.
fn rooms_used(line: &str) -> Vec<&str> {
    let mut used = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find("crate::") {
        rest = &rest[at + "crate::".len()..];
        let group = rest.strip_prefix('{').and_then(|group| group.split('}').next());
        for name in group.map_or_else(|| vec![rest], |group| group.split(',').map(str::trim).collect()) {
            let end = name.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_').unwrap_or(name.len());
            if end > 0 {
                used.push(&name[..end]);
            }
        }
    }
    used
}

#[test]
fn imports_run_one_way() {
    let layers: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let mut broken = Vec::new();
    let mut checked = 0;
    for source in sources().iter().filter(|source| !["lib", "main", "cli"].contains(&source.room())) {
        let Some(allowed) = layers.get(source.room()) else {
            broken.push(format!("{}: a room without a place in the layers", source.name));
            continue;
        };
        for (number, line) in source.code() {
            for used in rooms_used(line) {
                checked += 1;
                if layers.contains_key(used) && used != source.room() && !allowed.contains(&used) {
                    broken.push(format!("{}:{number}: {} may not use {used}", source.name, source.room()));
                }
            }
        }
    }
    assert!(checked > 100, "only {checked} imports seen: the reading of imports is broken");
    fail_if_any(&broken);
}

#[test]
fn the_core_names_nothing_impure() {
    let mut broken = Vec::new();
    for source in sources() {
        let pure = PURE.contains(&source.room()) || PURE_FILES.contains(&source.name.as_str());
        if !pure {
            continue;
        }
        for (number, line) in source.code() {
            for (banned, why) in BANNED {
                if line.contains(banned) {
                    broken.push(format!("{}:{number}: {banned}: {why}", source.name));
                }
            }
        }
    }
    fail_if_any(&broken);
}

#[test]
fn the_store_room_alone_knows_the_engine() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.room() != "store") {
        for (number, line) in source.code() {
            if line.contains("sled::") {
                broken.push(format!("{}:{number}: names the engine", source.name));
            }
        }
    }
    fail_if_any(&broken);
}

#[test]
fn files_and_functions_stay_small() {
    let mut broken = Vec::new();
    for source in all() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES {
            broken.push(format!("{}: {lines} lines, at most {FILE_LINES}", source.name));
        }
        let mut open: Option<(usize, String)> = None;
        for (number, line) in source.text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
            let indent = line.len() - line.trim_start().len();
            let code = line.trim_start();
            let head = code.split('(').next().unwrap_or_default();
            let begins = head.split(' ').any(|word| word == "fn") && !code.starts_with("//") && !code.ends_with(';');
            match &open {
                None if begins && !code.ends_with('}') => open = Some((number, format!("{:indent$}}}", ""))),
                Some((first, end)) if line == end => {
                    if number - first + 1 > FUNCTION_LINES {
                        broken.push(format!("{}:{first}: a function of {} lines", source.name, number - first + 1));
                    }
                    open = None;
                }
                _ => {}
            }
        }
    }
    fail_if_any(&broken);
}

#[test]
fn files_say_what_they_are_and_are_named_by_nouns() {
    let mut broken = Vec::new();
    for source in all() {
        if !source.text.starts_with("//!") {
            broken.push(format!("{}: does not begin with //!", source.name));
        }
        for part in source.name.trim_end_matches(".rs").split('/') {
            if VAGUE.contains(&part) {
                broken.push(format!("{}: \"{part}\" says nothing", source.name));
            }
        }
    }
    fail_if_any(&broken);
}

#[test]
fn nothing_unfinished_is_in_the_tree() {
    // Put together here, so that this file does not find itself.
    let marks =
        ["TO".to_owned() + "DO", "FIX".to_owned() + "ME", "todo".to_owned() + "!(", "unimplemented".to_owned() + "!("];
    let mut broken = Vec::new();
    for source in all() {
        for (number, line) in source.text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark.as_str())) {
                broken.push(format!("{}:{}: unfinished", source.name, number + 1));
            }
        }
    }
    fail_if_any(&broken);
}

#[test]
fn one_file_reads_the_clock() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.name != "clock.rs") {
        for (number, line) in source.code() {
            if line.contains("SystemTime::now") || line.contains("time::Instant::now") {
                broken.push(format!("{}:{number}: reads the clock", source.name));
            }
        }
    }
    fail_if_any(&broken);
}

/// A sleep in a test is part of a wait that ends, or the time is the test's own.
#[test]
fn no_test_sleeps_and_hopes() {
    let mut broken = Vec::new();
    for source in below("tests") {
        let ends =
            ["start_paused", "deadline", "timeout", "while clock.now()"].iter().any(|word| source.text.contains(word));
        if source.text.contains("sleep(Duration") && !ends {
            broken.push(format!("tests/{}: sleeps and hopes", source.name));
        }
    }
    fail_if_any(&broken);
}
