//! Times on the wire: `YYMMDDhhmmsstnnp`, absolute with an offset from UTC or relative to now. SMPP 3.4 §7.1.
//!
//! Reads no clock: a relative time needs the present as an argument.

use super::civil::{self, Date};
use super::sm::TIME_LENGTH;
use crate::clock::Unix;

/// A time that is neither empty nor one SMPP 3.4 §7.1 allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("time is not YYMMDDhhmmsstnnp with p one of + - R")]
pub struct BadTime;

/// A decoded `schedule_delivery_time` or `validity_period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Milliseconds since 1970-01-01T00:00:00Z, negative before it.
    Absolute(i64),
    /// A span from now.
    Relative {
        /// Calendar years.
        years: u8,
        /// Calendar months.
        months: u8,
        /// Days.
        days: u8,
        /// Hours, 0–23.
        hours: u8,
        /// Minutes, 0–59.
        minutes: u8,
        /// Seconds, 0–59.
        seconds: u8,
    },
}

impl Time {
    /// Reads a time field without its NUL. `None` for an empty field and for a relative time of zero: at once, or the
    /// server's default.
    ///
    /// # Errors
    /// [`BadTime`] for any other length than 0 and 16, for a date the calendar does not have, a part out of range, an
    /// offset over 12 hours.
    pub fn parse(octets: &[u8]) -> Result<Option<Self>, BadTime> {
        if octets.is_empty() {
            return Ok(None);
        }
        let octets: &[u8; TIME_LENGTH] = octets.try_into().map_err(|_| BadTime)?;
        let mut parts = [0; 6];
        for (index, part) in parts.iter_mut().enumerate() {
            *part = civil::pair(octets, index * 2).ok_or(BadTime)?;
        }
        let tenths = match octets[12] {
            digit @ b'0'..=b'9' => i32::from(digit - b'0'),
            _ => return Err(BadTime),
        };
        let quarters = civil::pair(octets, 13).ok_or(BadTime)?;
        let [year, month, day, hour, minute, second] = parts;
        let sign = match octets[15] {
            b'+' => 1,
            b'-' => -1,
            b'R' => return Self::relative(parts),
            _ => return Err(BadTime),
        };
        if quarters > 48 {
            return Err(BadTime);
        }
        let local = civil::instant(civil::century(year), [month, day, hour, minute, second]).ok_or(BadTime)?;
        let utc = local - i64::from(sign * quarters * 900);
        Ok(Some(Self::Absolute(utc * 1_000 + i64::from(tenths * 100))))
    }

    /// Months and days run to 99, as 0–99 is the only reading that can say "no months"; the clock does not overflow.
    fn relative(parts: [i32; 6]) -> Result<Option<Self>, BadTime> {
        let [years, months, days, hours, minutes, seconds] = parts.map(|part| u8::try_from(part).unwrap_or(u8::MAX));
        if hours > 23 || minutes > 59 || seconds > 59 {
            return Err(BadTime);
        }
        if parts == [0; 6] {
            return Ok(None);
        }
        Ok(Some(Self::Relative { years, months, days, hours, minutes, seconds }))
    }

    /// The instant meant. Years and months are the calendar's: 31 January and one month is the last of February.
    /// Instants before 1970 are 1970.
    #[must_use]
    pub fn resolve(self, now: Unix) -> Unix {
        let ms = match self {
            Self::Absolute(ms) => ms,
            Self::Relative { years, months, days, hours, minutes, seconds } => {
                let (today, ms) = day(now);
                let date = Date::from_days(today).after_months(i32::from(years) * 12 + i32::from(months));
                let span_s = i32::from(hours) * 3_600 + i32::from(minutes) * 60 + i32::from(seconds);
                let start_ms = i64::from(date.days() + i32::from(days)) * civil::DAY_S * 1_000;
                start_ms + i64::from(ms) + i64::from(span_s) * 1_000
            }
        };
        Unix(u64::try_from(ms).unwrap_or(0))
    }

    /// The absolute form of an instant, in UTC, without a NUL.
    #[must_use]
    pub fn absolute(at: Unix) -> [u8; TIME_LENGTH] {
        let mut octets = *b"0000000000000000";
        octets[..12].copy_from_slice(&calendar(at));
        octets[12] = b'0' + (at.0 / 100 % 10) as u8;
        octets[15] = b'+';
        octets
    }
}

/// Days since 1970, and milliseconds of the day. The last day told apart lies in the year 10889.
fn day(at: Unix) -> (i32, i32) {
    const DAY_MS: u64 = 86_400_000;
    const LAST_MS: u64 = 1 << 48;
    let ms = at.0.min(LAST_MS);
    ((ms / DAY_MS) as i32, (ms % DAY_MS) as i32)
}

/// `YYMMDDhhmmss` in UTC; the first ten are the dates of a receipt. SMPP 3.4 Appendix B.
pub(super) fn calendar(at: Unix) -> [u8; 12] {
    let (days, ms) = day(at);
    let date = Date::from_days(days);
    let clock = ms / 1_000;
    let parts = [date.year, date.month, date.day, clock / 3_600, clock / 60 % 60, clock % 60];
    let mut octets = [0; 12];
    for (pair, part) in octets.chunks_exact_mut(2).zip(parts) {
        pair.copy_from_slice(&civil::digits(part));
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-31T10:00:00Z.
    const NOW: Unix = Unix(1_769_853_600_000);

    fn resolved(text: &[u8]) -> Vec<u8> {
        Time::absolute(Time::parse(text).unwrap().unwrap().resolve(NOW)).to_vec()
    }

    #[test]
    fn relative_times_follow_the_calendar() {
        assert_eq!(Time::absolute(NOW), *b"260131100000000+");
        assert_eq!(resolved(b"000000010000000R"), b"260131110000000+");
        assert_eq!(resolved(b"000100000000000R"), b"260228100000000+");
        assert_eq!(resolved(b"020610233429000R"), b"280811093429000+");
        assert_eq!(Time::parse(b"000000000000000R"), Ok(None));
    }

    #[test]
    fn offsets_count_back_to_utc() {
        assert_eq!(resolved(b"261231235900004+"), b"261231225900000+");
        assert_eq!(resolved(b"261231235900720-"), b"270101045900700+");
        assert_eq!(resolved(b"380101000000000+"), b"700101000000000+");
    }
}
