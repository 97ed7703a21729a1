//! What the README says is what the code does.

use std::process::Command;

use smppgate::config::Config;
use smppgate::metrics;

const README: &str = include_str!("../README.md");

/// The operators' table is the code's table.
#[test]
fn the_table_of_metrics_is_the_code() {
    let table = metrics::markdown_table();
    assert!(README.contains(&table), "the section Metrics of README.md is:\n{table}");
}

#[test]
fn every_command_is_named() {
    let help = Command::new(env!("CARGO_BIN_EXE_smppgate")).arg("--help").output().expect("the binary runs");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<_> =
        commands.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    assert!(names.contains(&"serve"), "{help}");
    for name in names {
        assert!(README.contains(&format!("`smppgate {name} ")), "README.md does not name `smppgate {name}`");
    }
}

#[test]
fn the_sandbox_is_where_it_is_said_to_be() {
    let config = Config::sandbox();
    for address in [config.listen.smpp, config.listen.admin].into_iter().flatten() {
        assert!(README.contains(&address.to_string()), "README.md does not name {address}");
    }
}

/// The page about personal data names tests; each of them is there.
#[test]
fn the_tests_of_the_privacy_page_are_there() {
    let page = include_str!("../src/privacy.md");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let named: Vec<_> = page.split('`').skip(1).step_by(2).filter_map(|word| word.split_once("::")).collect();
    assert!(named.len() > 20, "{named:?}");
    for (file, function) in named {
        let folder = if file.starts_with("src/") { root.to_owned() } else { root.join("tests") };
        let texts = [format!("{file}.rs"), format!("{file}.py")].map(|name| std::fs::read_to_string(folder.join(name)));
        let text: String = texts.into_iter().flatten().collect();
        let is_there = [format!("fn {function}("), format!("def {function}(")].iter().any(|head| text.contains(head));
        assert!(is_there, "{file}::{function}");
    }
}
