//! The prefix trie agrees with reading the table row by row, and shared calling codes end in the right countries.

use proptest::prelude::*;
use smppgate::policy::{Country, Prefixes};

const TABLE: &str = include_str!("../src/policy/country-prefixes.tsv");

/// Longest match by reading every row: slow, and nothing in it to get wrong.
fn oracle(table: &str, digits: &str) -> Option<(Country, usize)> {
    let rows = table.lines().filter_map(|row| row.split_once('\t'));
    let (prefix, country) =
        rows.filter(|(prefix, _)| digits.starts_with(prefix)).max_by_key(|(prefix, _)| prefix.len())?;
    Some((Country::parse(country)?, prefix.len()))
}

#[test]
fn the_trie_finds_every_prefix_and_what_surrounds_it() {
    let trie = Prefixes::standard();
    for (prefix, _) in TABLE.lines().filter_map(|row| row.split_once('\t')) {
        for cut in 0..=prefix.len() {
            let start = &prefix[..cut];
            assert_eq!(trie.find_match(start.as_bytes()), oracle(TABLE, start), "{start}");
            for digit in 0..10 {
                for digits in
                    [format!("{start}{digit}"), format!("{start}{digit}0000000"), format!("{start}{digit}9999999")]
                {
                    assert_eq!(trie.find_match(digits.as_bytes()), oracle(TABLE, &digits), "{digits}");
                }
            }
        }
    }
}

#[test]
fn the_trie_agrees_on_all_numbers_of_four_digits() {
    let trie = Prefixes::standard();
    for number in 0..10_000 {
        let digits = format!("{number:04}");
        assert_eq!(trie.find_match(digits.as_bytes()), oracle(TABLE, &digits), "{digits}");
    }
}

proptest! {
    #[test]
    fn the_trie_agrees_on_random_numbers(digits in "[0-9]{0,20}") {
        prop_assert_eq!(Prefixes::standard().find_match(digits.as_bytes()), oracle(TABLE, &digits));
    }

    #[test]
    fn any_table_is_found_as_written(prefixes in prop::collection::btree_set("[0-3]{1,6}", 1..60), digits in "[0-3]{0,8}") {
        let countries = ["NO", "SE", "DK", "FI", "001"];
        // Longer and higher prefixes first: the table may be in any order.
        let rows = prefixes.iter().rev().zip(countries.into_iter().cycle());
        let table: String = rows.map(|(prefix, country)| format!("{prefix}\t{country}\n")).collect();
        let trie = Prefixes::parse(&table).unwrap();
        prop_assert_eq!(trie.find_match(digits.as_bytes()), oracle(&table, &digits));
    }

    #[test]
    fn octets_of_any_kind_are_looked_up_without_harm(octets in prop::collection::vec(any::<u8>(), 0..30)) {
        let digits: String = octets.iter().copied().take_while(u8::is_ascii_digit).map(char::from).collect();
        prop_assert_eq!(Prefixes::standard().find_match(&octets), oracle(TABLE, &digits));
    }
}

/// Numbers of calling codes that several countries share, and of codes that belong to none.
const SHARED: &[(&str, &str)] = &[
    // +1: area codes.
    ("12025550123", "US"),
    ("12125550123", "US"),
    ("18005550123", "US"),
    ("19005550123", "US"),
    ("14165550123", "CA"),
    ("16045550123", "CA"),
    ("16005550123", "CA"),
    ("12425550123", "BS"),
    ("12465550123", "BB"),
    ("12645550123", "AI"),
    ("12685550123", "AG"),
    ("12845550123", "VG"),
    ("13405550123", "VI"),
    ("13455550123", "KY"),
    ("14415550123", "BM"),
    ("14735550123", "GD"),
    ("16495550123", "TC"),
    ("16585550123", "JM"),
    ("18765550123", "JM"),
    ("16645550123", "MS"),
    ("16705550123", "MP"),
    ("16715550123", "GU"),
    ("16845550123", "AS"),
    ("17215550123", "SX"),
    ("17585550123", "LC"),
    ("17675550123", "DM"),
    ("17845550123", "VC"),
    ("17875550123", "PR"),
    ("19395550123", "PR"),
    ("18095550123", "DO"),
    ("18295550123", "DO"),
    ("18495550123", "DO"),
    ("18685550123", "TT"),
    ("18695550123", "KN"),
    // +7
    ("79161234567", "RU"),
    ("74951234567", "RU"),
    ("78121234567", "RU"),
    ("77011234567", "KZ"),
    ("77271234567", "KZ"),
    // +39
    ("393331234567", "IT"),
    ("390612345678", "IT"),
    ("390669812345", "VA"),
    // +44
    ("447400123456", "GB"),
    ("442071234567", "GB"),
    ("441481123456", "GG"),
    ("447781123456", "GG"),
    ("447839123456", "GG"),
    ("447911123456", "GG"),
    ("447911723456", "GG"),
    ("447911223456", "GB"),
    ("441534123456", "JE"),
    ("447509123456", "JE"),
    ("447700312345", "JE"),
    ("447700712345", "JE"),
    ("447700812345", "JE"),
    ("447700912345", "GB"),
    ("447797123456", "JE"),
    ("447829123456", "JE"),
    ("447937123456", "JE"),
    ("441624123456", "IM"),
    ("447457612345", "IM"),
    ("447524123456", "IM"),
    ("447624123456", "IM"),
    // +47
    ("4791234567", "NO"),
    ("4741234567", "NO"),
    ("4722123456", "NO"),
    ("4779021234", "SJ"),
    // +61
    ("61412345678", "AU"),
    ("61291234567", "AU"),
    ("61891641234", "CX"),
    ("61891621234", "CC"),
    ("61851001234", "CX"),
    ("61851002234", "CC"),
    ("61891703234", "CC"),
    ("61891958234", "CX"),
    // +212: Western Sahara is numbered as Morocco.
    ("212612345678", "MA"),
    ("212528812345", "MA"),
    ("212528912345", "MA"),
    // +262
    ("262692123456", "RE"),
    ("262262123456", "RE"),
    ("262269123456", "YT"),
    ("262268912345", "YT"),
    ("262639123456", "YT"),
    ("262709351234", "YT"),
    // +290
    ("29022158", "SH"),
    ("29081234", "TA"),
    // +358
    ("358401234567", "FI"),
    ("358912345678", "FI"),
    ("358181234567", "AX"),
    // +590
    ("590690123456", "GP"),
    ("590590200123", "GP"),
    ("590590271234", "BL"),
    ("590590511234", "BL"),
    ("590590001234", "MF"),
    ("590590871234", "BL"),
    ("590590791234", "MF"),
    // +599
    ("59995181234", "CW"),
    ("5997171234", "BQ"),
    ("5993181234", "BQ"),
    ("5994161234", "BQ"),
    // Of no country.
    ("80012345678", "001"),
    ("80812345678", "001"),
    ("870773123456", "001"),
    ("878101234567", "001"),
    ("881612345678", "001"),
    ("882123456789", "001"),
    ("883510012345", "001"),
    ("888123456789", "001"),
    ("979123456789", "001"),
    // Neighbours whose codes begin alike.
    ("35012345678", "GI"),
    ("35112345678", "PT"),
    ("42012345678", "CZ"),
    ("42112345678", "SK"),
    ("42312345678", "LI"),
    ("38344123456", "XK"),
    ("38161123456", "RS"),
    ("24712345", "AC"),
    ("672312345", "NF"),
];

#[test]
fn shared_codes_end_in_the_right_countries() {
    let trie = Prefixes::standard();
    for (digits, country) in SHARED {
        assert_eq!(trie.find(digits.as_bytes()), Country::parse(country), "{digits}");
    }
}

#[test]
fn unassigned_codes_end_nowhere() {
    let trie = Prefixes::standard();
    for code in [
        "0", "210", "214", "215", "217", "219", "259", "28", "292", "296", "384", "388", "422", "671", "684", "693",
        "699", "801", "807", "809", "83", "851", "854", "857", "859", "871", "874", "875", "877", "879", "884", "885",
        "887", "889", "89", "978", "990", "991", "997", "999",
    ] {
        assert_eq!(trie.find(format!("{code}12345678").as_bytes()), None, "{code}");
    }
}
