//! The tests that rows name, found in the tree by the text of the sources.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a test function named `file::function`, and what its file under `tests` gives all tests, constants and
/// the like; why not, where there is none.
pub(crate) fn test(named: &str) -> Result<String, String> {
    let (file, function) = named.rsplit_once("::").ok_or_else(|| format!("{named}: not FILE::FUNCTION"))?;
    let folder = if file.starts_with("src/") { root().to_owned() } else { root().join("tests") };
    let path = folder.join(format!("{file}.rs"));
    let text = fs::read_to_string(&path).map_err(|error| format!("{named}: {}: {error}", path.display()))?;
    let head = format!("fn {function}(");
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.contains(&head)).ok_or_else(|| format!("{named}: no such function"))?;
    let marked = lines[..at].iter().rev().take_while(|line| !line.trim().is_empty() && !line.trim().starts_with('}'));
    if !marked.clone().any(|line| line.contains("#[test]") || line.contains("#[tokio::test")) {
        return Err(format!("{named}: not a test"));
    }
    let indent = lines[at].len() - lines[at].trim_start().len();
    let end = format!("{}}}", " ".repeat(indent));
    let mut proof: String =
        lines[at..].iter().take_while(|line| **line != end).map(|line| format!("{line}\n")).collect();
    if indent == 0 {
        proof.push_str(&shared(&lines));
    }
    Ok(proof)
}

/// The lines outside test functions.
fn shared(lines: &[&str]) -> String {
    let (mut shared, mut within) = (String::new(), false);
    for line in lines {
        within |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        if !within {
            shared.push_str(line);
            shared.push('\n');
        }
        within &= *line != "}";
    }
    shared
}

/// The code that decides what smppgate sends: neither tests nor the simulated peers, nor what only names or reads statuses.
pub(crate) fn deciding_code() -> String {
    const LEFT_OUT: [&str; 4] = ["src/sandbox", "src/cli", "src/pdu/command.rs", "src/policy/retry.rs"];
    let mut folders = vec![root().join("src")];
    let mut code = String::new();
    while let Some(folder) = folders.pop() {
        let paths: Vec<PathBuf> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.expect("a readable folder").path())
            .filter(|path| !LEFT_OUT.iter().any(|left_out| path.ends_with(left_out)))
            .collect();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a readable file");
                let own = text.split("#[cfg(test)]").next().unwrap_or_default();
                let lines = own.lines().filter(|line| !line.trim_start().starts_with("//"));
                code.extend(lines.map(|line| format!("{line}\n")));
            }
        }
    }
    code
}
