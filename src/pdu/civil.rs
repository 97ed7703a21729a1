//! Calendar arithmetic: days since 1970-01-01 to year, month, day and back, in the proleptic Gregorian calendar.
//!
//! Knows no time zones and no leap seconds. Years count from March inside, which puts the leap day at the end.

/// Days of the 400 years after which the calendar repeats.
const ERA_DAYS: i32 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i32 = 719_468;
/// Seconds of a day.
pub(super) const DAY_S: i64 = 86_400;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    /// From −1,000,000 to 1,000,000, so that nothing here overflows.
    pub(super) year: i32,
    /// 1–12.
    pub(super) month: i32,
    /// 1–31.
    pub(super) day: i32,
}

impl Date {
    /// The day that is `days` after 1970-01-01.
    pub(super) fn from_days(days: i32) -> Self {
        let days = days + EPOCH_DAYS;
        let era = days.div_euclid(ERA_DAYS);
        let day_of_era = days.rem_euclid(ERA_DAYS);
        // Leave out the leap days before this one, then years are 365 days long.
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // From March on, 153 days make five months.
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        Self { year: era * 400 + year_of_era + i32::from(month <= 2), month, day }
    }

    /// Days after 1970-01-01. `month` must be 1–12; `day` may lie past the month's end and then runs on.
    pub(super) fn days(self) -> i32 {
        let year = self.year - i32::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let shifted = (self.month + 9) % 12;
        let day_of_year = (153 * shifted + 2) / 5 + self.day - 1;
        era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - EPOCH_DAYS
    }

    /// Days of its month.
    pub(super) fn month_length(self) -> i32 {
        match self.month {
            2 if self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    /// The day `months` later; a day the month does not have becomes its last.
    pub(super) fn after_months(self, months: i32) -> Self {
        let count = self.year * 12 + self.month - 1 + months;
        let mut date = Self { year: count.div_euclid(12), month: count.rem_euclid(12) + 1, day: self.day };
        date.day = date.day.min(date.month_length());
        date
    }
}

/// Two decimal digits; `None` for anything else.
pub(super) fn pair(octets: &[u8], at: usize) -> Option<i32> {
    match octets.get(at..at + 2)? {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some(i32::from(tens - b'0') * 10 + i32::from(ones - b'0')),
        _ => None,
    }
}

/// Writes the last two decimal digits of `value`, which is not negative.
pub(super) fn digits(value: i32) -> [u8; 2] {
    [b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8]
}

/// The century of a two-digit year: 00–37 are 20xx, 38–99 are 19xx. SMPP 3.4 §7.1.1.
pub(super) fn century(year: i32) -> i32 {
    if year <= 37 { 2000 + year } else { 1900 + year }
}

/// Seconds after 1970 of year, month, day, hour, minute and second; `None` when the calendar has no such instant.
pub(super) fn instant(year: i32, parts: [i32; 5]) -> Option<i64> {
    let [month, day, hour, minute, second] = parts;
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let date = Date { year, month, day };
    if day < 1 || day > date.month_length() {
        return None;
    }
    Some(i64::from(date.days()) * DAY_S + i64::from(hour * 3_600 + minute * 60 + second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_five_centuries_goes_there_and_back() {
        let mut before = Date::from_days(-100_001);
        for days in -100_000..100_000 {
            let date = Date::from_days(days);
            assert_eq!(date.days(), days);
            let next_day = date.day == before.day + 1 && date.month == before.month;
            assert!(next_day || (date.day == 1 && before.day == before.month_length()), "{before:?} {date:?}");
            before = date;
        }
        assert_eq!(Date::from_days(0), Date { year: 1970, month: 1, day: 1 });
        assert_eq!(Date::from_days(19_782), Date { year: 2024, month: 2, day: 29 });
    }

    #[test]
    fn months_clip_the_day() {
        let date = Date { year: 2027, month: 12, day: 31 };
        assert_eq!(date.after_months(2), Date { year: 2028, month: 2, day: 29 });
        assert_eq!(date.after_months(12), Date { year: 2028, month: 12, day: 31 });
    }
}
