//! When an X.509 certificate ends: the one field of it that nobody else reads for us. RFC 5280 §4.1.
//!
//! Verifies nothing; unknown shapes give `None`.

use crate::clock::Unix;

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The explicit tag of the version field, which version 1 leaves out.
const VERSION: u8 = 0xA0;

/// The end of validity of a certificate in DER.
pub(super) fn not_after(der: &[u8]) -> Option<Unix> {
    let (_, certificate, _) = element(der, SEQUENCE)?;
    let (_, mut fields, _) = element(certificate, SEQUENCE)?;
    if let Some((_, _, rest)) = element(fields, VERSION) {
        fields = rest;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        fields = any(fields)?.2;
    }
    let (_, validity, _) = element(fields, SEQUENCE)?;
    let (_, _, end) = any(validity)?;
    let (tag, time, _) = any(end)?;
    match tag {
        UTC_TIME => {
            let (years, rest) = two(time)?;
            moment(years + if years < 50 { 2000 } else { 1900 }, rest)
        }
        GENERALIZED_TIME => {
            let (centuries, rest) = two(time)?;
            let (years, rest) = two(rest)?;
            moment(centuries * 100 + years, rest)
        }
        _ => None,
    }
}

/// Splits an element off: its tag, its content, and what follows it.
fn any(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (octets, rest) =
            rest.split_at_checked(usize::from(first & 0x7F)).filter(|(octets, _)| octets.len() <= 4)?;
        (octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn element(der: &[u8], tag: u8) -> Option<(u8, &[u8], &[u8])> {
    any(der).filter(|(found, ..)| *found == tag)
}

fn two(digits: &[u8]) -> Option<(u64, &[u8])> {
    let (pair, rest) = digits.split_first_chunk::<2>()?;
    pair.iter().all(u8::is_ascii_digit).then(|| (u64::from(pair[0] - b'0') * 10 + u64::from(pair[1] - b'0'), rest))
}

/// `MMDDhhmmssZ` of a year since 1970.
fn moment(year: u64, rest: &[u8]) -> Option<Unix> {
    let (month, rest) = two(rest)?;
    let (day, rest) = two(rest)?;
    let (hour, rest) = two(rest)?;
    let (minute, rest) = two(rest)?;
    let (second, rest) = two(rest)?;
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) || rest != b"Z" {
        return None;
    }
    // Years that begin in March put the leap day last.
    let (shifted, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + (month * 153 + 2) / 5 + day - 1;
    let days_of_1970 = 719_468;
    let seconds = (days - days_of_1970) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(Unix(seconds * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        assert_eq!(moment(1970, b"0101000000Z"), Some(Unix(0)));
        assert_eq!(moment(2000, b"0229235959Z"), Some(Unix(951_868_799_000)));
        assert_eq!(moment(2026, b"0301000000Z"), Some(Unix(1_772_323_200_000)));
        for bad in [&b"1301000000Z"[..], b"0101000000", b"01010000", b"", b"0101000000+0100"] {
            assert_eq!(moment(2026, bad), None);
        }
    }

    #[test]
    fn the_end_of_a_certificate_is_found_and_no_octets_panic() {
        for (year, seconds) in [(2031, 1_924_992_000), (2055, 2_682_374_400_u64)] {
            let mut params = rcgen::CertificateParams::new(["gateway.example".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap();
            assert_eq!(not_after(certificate.der()), Some(Unix(seconds * 1000)));
            for cut in 0..certificate.der().len() {
                let _ = not_after(&certificate.der()[..cut]);
                let mut damaged = certificate.der().to_vec();
                damaged[cut] ^= 0xFF;
                let _ = not_after(&damaged);
            }
        }
    }
}
