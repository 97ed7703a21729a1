//! Which country a number belongs to: ISO 3166 codes and a table of calling-code prefixes.
//!
//! Answers for the numbering plan only: a ported or roaming subscriber may be elsewhere, and a prefix says nothing about
//! whether the rest of the number is valid.

use std::fmt;

/// Codes accepted: ISO 3166-1 alpha-2, and the three others that have calling codes of their own (Ascension AC,
/// Tristan da Cunha TA, Kosovo XK).
const CODES: &str = "AC AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR \
    BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET \
    FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ \
    IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML \
    MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS \
    PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TF TG TH TJ TK \
    TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

/// [`CODES`] by [`Country::index`], with `001`.
const KNOWN: [bool; Country::COUNT] = {
    let mut known = [false; Country::COUNT];
    known[Country::COUNT - 1] = true;
    let mut at = 0;
    while at + 1 < CODES.len() {
        known[(CODES.as_bytes()[at] - b'A') as usize * 26 + (CODES.as_bytes()[at + 1] - b'A') as usize] = true;
        at += 3;
    }
    known
};

/// The table shipped with this build: calling-code prefix, tab, country.
const STANDARD: &str = include_str!("country-prefixes.tsv");

/// A destination country.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// Numbers that belong to no country: satellite systems, international freephone and premium. Printed as `001`.
    pub const NON_GEOGRAPHIC: Self = Self(*b"00");

    /// How many values [`Country::index`] can have.
    pub const COUNT: usize = 26 * 26 + 1;

    /// A known country by its two capital letters, or `001`; `None` for anything else.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        if code == "001" {
            return Some(Self::NON_GEOGRAPHIC);
        }
        let octets = <[u8; 2]>::try_from(code.as_bytes()).ok()?;
        Self::from_octets(octets).filter(|country| *country != Self::NON_GEOGRAPHIC)
    }

    /// The country of what [`Country::octets`] gave; `None` for anything else.
    #[must_use]
    pub fn from_octets(octets: [u8; 2]) -> Option<Self> {
        let country = Self(octets);
        let well_formed = octets.iter().all(u8::is_ascii_uppercase) || country == Self::NON_GEOGRAPHIC;
        (well_formed && KNOWN[country.index()]).then_some(country)
    }

    /// All known countries, `001` among them, in the order of [`Country::index`].
    pub fn all() -> impl Iterator<Item = Self> {
        (0_u16..).zip(KNOWN).filter(|(_, known)| *known).map(|(index, _)| Self::at(index))
    }

    /// Two octets for records: the two letters, or `00` for [`Country::NON_GEOGRAPHIC`].
    #[must_use]
    pub fn octets(self) -> [u8; 2] {
        self.0
    }

    /// The code as written in configuration: two capital letters, or `001`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        if *self == Self::NON_GEOGRAPHIC { "001" } else { std::str::from_utf8(&self.0).unwrap_or("001") }
    }

    /// A small number below [`Country::COUNT`], the same in every run: for tables by country.
    #[must_use]
    pub fn index(self) -> usize {
        if self == Self::NON_GEOGRAPHIC {
            return Self::COUNT - 1;
        }
        usize::from(self.0[0] - b'A') * 26 + usize::from(self.0[1] - b'A')
    }

    /// Inverse of [`Country::index`] for indices it gave out.
    fn at(index: u16) -> Self {
        match (u8::try_from(index / 26), u8::try_from(index % 26)) {
            (Ok(first), Ok(second)) if first < 26 => Self([b'A' + first, b'A' + second]),
            _ => Self::NON_GEOGRAPHIC,
        }
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A row of a prefix table that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("prefix table line {line}: expected 1 to 15 digits, a tab and a country code, each prefix once")]
pub struct BadRow {
    /// Counted from 1.
    pub line: usize,
}

/// Calling-code prefixes as a digit trie in one flat array; a lookup allocates nothing and the standard table takes 4 KiB.
///
/// A node is eleven slots: one for each next digit, and one for a number that ends here. A slot is either `CHILD` and
/// a node, or a result: the length of the matched prefix and the country, 0 for none. Results are pushed down, so the
/// walk never goes back for a shorter match.
#[derive(Clone, Debug)]
pub struct Prefixes {
    slots: Vec<u16>,
}

const NODE: usize = 11;
const END: usize = 10;
const CHILD: u16 = 1 << 15;
const LENGTH_SHIFT: u32 = 10;
const LONGEST: usize = 15;

impl Prefixes {
    /// The table of this build: 363 prefixes of the world's numbering plans.
    #[must_use]
    pub fn standard() -> Self {
        Self::parse(STANDARD).expect("the built-in table is well formed, as its test shows")
    }

    /// Reads a table: one prefix and country a line, separated by a tab. Order does not matter.
    ///
    /// # Errors
    /// [`BadRow`] for the first line that is no such row or repeats a prefix.
    pub fn parse(table: &str) -> Result<Self, BadRow> {
        let mut rows = Vec::new();
        for (line, row) in (1..).zip(table.lines()) {
            let (prefix, country) = row.split_once('\t').ok_or(BadRow { line })?;
            let country = Country::parse(country).ok_or(BadRow { line })?;
            let digits = !prefix.is_empty() && prefix.len() <= LONGEST && prefix.bytes().all(|b| b.is_ascii_digit());
            if !digits {
                return Err(BadRow { line });
            }
            rows.push((prefix.as_bytes(), country, line));
        }
        // Shorter prefixes first, so that a longer one finds its parent's result to inherit.
        rows.sort_by_key(|(prefix, ..)| (prefix.len(), *prefix));
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(BadRow { line: pair[0].2.max(pair[1].2) });
        }
        let mut prefixes = Self { slots: vec![0; NODE] };
        for (prefix, country, line) in rows {
            prefixes.insert(prefix, country).ok_or(BadRow { line })?;
        }
        Ok(prefixes)
    }

    /// `None` when the table has more nodes than a slot can name.
    fn insert(&mut self, prefix: &[u8], country: Country) -> Option<()> {
        let (last, path) = prefix.split_last()?;
        let mut node = 0;
        for digit in path {
            let slot = node + usize::from(digit - b'0');
            let found = self.slots[slot];
            node = if found & CHILD != 0 {
                usize::from(found & !CHILD) * NODE
            } else {
                let child = self.slots.len() / NODE;
                self.slots[slot] = CHILD | u16::try_from(child).ok().filter(|child| child & CHILD == 0)?;
                self.slots.resize(self.slots.len() + NODE, found);
                child * NODE
            };
        }
        let length = u16::try_from(prefix.len()).ok()?;
        self.slots[node + usize::from(last - b'0')] = length << LENGTH_SHIFT | u16::try_from(country.index()).ok()?;
        Some(())
    }

    /// The country of the longest prefix of `digits`; `None` if none matches or the match would need an octet that is
    /// no digit.
    #[must_use]
    pub fn find(&self, digits: &[u8]) -> Option<Country> {
        self.find_match(digits).map(|(country, _)| country)
    }

    /// As [`Prefixes::find`], with the number of digits that decided.
    #[must_use]
    pub fn find_match(&self, digits: &[u8]) -> Option<(Country, usize)> {
        let mut node = 0;
        for octet in digits {
            let digit = usize::from(octet.wrapping_sub(b'0'));
            let slot = self.slots[node + if digit < END { digit } else { END }];
            if slot & CHILD == 0 {
                return result(slot);
            }
            node = usize::from(slot & !CHILD) * NODE;
        }
        result(self.slots[node + END])
    }
}

impl Prefixes {
    /// Countries of numbers that begin with `digits`, each once.
    #[must_use]
    pub fn countries(&self, digits: &[u8]) -> Vec<Country> {
        let mut nodes = vec![0];
        for octet in digits {
            let digit = usize::from(octet.wrapping_sub(b'0'));
            let slot = nodes.pop().map_or(0, |node| self.slots[node + digit.min(END)]);
            if slot & CHILD == 0 {
                return result(slot).map(|(country, _)| country).into_iter().collect();
            }
            nodes.push(usize::from(slot & !CHILD) * NODE);
        }
        let mut countries = Vec::new();
        while let Some(node) = nodes.pop() {
            for slot in &self.slots[node..node + NODE] {
                if slot & CHILD != 0 {
                    nodes.push(usize::from(slot & !CHILD) * NODE);
                } else {
                    countries.extend(result(*slot).map(|(country, _)| country));
                }
            }
        }
        countries.sort_unstable();
        countries.dedup();
        countries
    }
}

fn result(slot: u16) -> Option<(Country, usize)> {
    let length = usize::from(slot >> LENGTH_SHIFT);
    (length > 0).then(|| (Country::at(slot & ((1 << LENGTH_SHIFT) - 1)), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_distinct_and_reversible() {
        let all: Vec<_> = CODES.split_ascii_whitespace().chain(["001"]).collect();
        assert_eq!(all.len(), 249 + 3 + 1);
        for code in all {
            let country = Country::parse(code).unwrap();
            assert_eq!(country.as_str(), code);
            assert!(country.index() < Country::COUNT);
            assert_eq!(Country::from_octets(country.octets()), Some(country));
            assert_eq!(Country::at(u16::try_from(country.index()).unwrap()), country);
        }
    }

    #[test]
    fn the_countries_of_a_beginning_are_all_that_its_numbers_may_be_in() {
        let prefixes = Prefixes::parse("1\tUS\n1204\tCA\n1242\tBS\n47\tNO\n4779\tSJ").unwrap();
        for (digits, codes) in [
            ("47", &["NO", "SJ"][..]),
            ("4779", &["SJ"]),
            ("47791", &["SJ"]),
            ("4790", &["NO"]),
            ("12", &["BS", "CA", "US"]),
            ("4", &["NO", "SJ"]),
            ("9", &[]),
        ] {
            let found = prefixes.countries(digits.as_bytes());
            assert_eq!(found.iter().map(Country::as_str).collect::<Vec<_>>(), codes, "{digits}");
        }
        assert_eq!(Country::all().count(), 249 + 3 + 1);
    }

    #[test]
    fn only_known_codes_are_accepted() {
        for code in ["", "N", "no", "No", "ZZ", "EU", "NOR", "00", "1", "N\0", "Å"] {
            assert_eq!(Country::parse(code), None, "{code:?}");
        }
    }

    #[test]
    fn octets_of_no_country_are_none() {
        let known = (0..=u16::MAX).filter(|octets| Country::from_octets(octets.to_be_bytes()).is_some()).count();
        assert_eq!(known, 249 + 3 + 1);
    }

    #[test]
    fn the_standard_table_is_complete() {
        assert_eq!(STANDARD.lines().count(), 363);
        assert!(Prefixes::standard().slots.len() < 3000);
    }

    #[test]
    fn bad_rows_are_named() {
        for table in ["47 NO", "47\tZZ", "\tNO", "4a\tNO", "1234567890123456\tNO", "47\tNO\n"] {
            let line = Prefixes::parse(&format!("46\tSE\n{table}")).err();
            assert_eq!(line, (table != "47\tNO\n").then_some(BadRow { line: 2 }), "{table:?}");
        }
        assert_eq!(Prefixes::parse("46\tSE\n47\tNO\n46\tNO").err(), Some(BadRow { line: 3 }));
    }

    #[test]
    fn an_octet_that_is_no_digit_ends_the_number() {
        let prefixes = Prefixes::parse("1\tUS\n1204\tCA").unwrap();
        assert_eq!(prefixes.find_match(b"12:4"), Some((Country(*b"US"), 1)));
        assert_eq!(prefixes.find_match(b"120"), Some((Country(*b"US"), 1)));
        assert_eq!(prefixes.find_match(b"1204"), Some((Country(*b"CA"), 4)));
        assert_eq!(prefixes.find_match(b"\xFF"), None);
        assert_eq!(prefixes.find_match(b""), None);
    }
}
