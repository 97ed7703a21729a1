//! Time as a value: a monotonic instant, a wall-clock instant, and the pair of them.
//!
//! This is the only file that reads the operating system's clock. The decision core never calls [`Clock`]; it is handed
//! a [`Now`].

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Microseconds since the process started. Never goes back; all timers, rates and windows use it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// The instant `duration` later; saturates.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }

    /// Microseconds from `earlier` to `self`, 0 when `earlier` is later.
    #[must_use]
    pub fn since_us(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z. May jump; used for what is stored and for what people and peers read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unix(pub u64);

impl Unix {
    /// Whole seconds, as stored in compact records. Good until the year 2106.
    #[must_use]
    pub fn seconds(self) -> u32 {
        u32::try_from(self.0 / 1000).unwrap_or(u32::MAX)
    }

    /// The instant `duration` later; saturates.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// For people, in UTC to the millisecond: `2026-12-31T23:59:59.999Z`. Dates after the year 9999 have no agreed form;
    /// its end stands for them.
    #[must_use]
    pub fn moment(self) -> String {
        let since = Duration::from_millis(self.0.min(LAST_MOMENT_MS));
        humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
    }

    /// Its day in UTC: `2026-12-31`.
    #[must_use]
    pub fn date(self) -> String {
        self.moment().split('T').next().unwrap_or_default().to_owned()
    }

    /// The beginning of a day in UTC, as [`Self::date`] writes it; `None` for other texts and for days before 1970.
    #[must_use]
    pub fn of_date(text: &str) -> Option<Self> {
        let midnight = humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).ok()?;
        let since = midnight.duration_since(UNIX_EPOCH).ok()?;
        u64::try_from(since.as_millis()).ok().map(Self)
    }
}

/// The last moment of the year 9999.
const LAST_MOMENT_MS: u64 = 253_402_300_799_999;

/// The present, as handed to everything that decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For timers and rates.
    pub mono: Mono,
    /// For records and peers.
    pub unix: Unix,
}

/// Reads the operating system's clock. Owned by the I/O rim only.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts counting [`Mono`] at zero.
    #[must_use]
    pub fn start() -> Self {
        Self { origin: tokio::time::Instant::now().into_std() }
    }

    /// The present.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn now(&self) -> Now {
        // The runtime's instant is the system's, and follows along when a test lets the runtime's time stand or jump.
        let elapsed = tokio::time::Instant::now().into_std().saturating_duration_since(self.origin);
        let unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Now {
            mono: Mono(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)),
            unix: Unix(u64::try_from(unix_ms).unwrap_or(u64::MAX)),
        }
    }

    /// The operating system's instant of `mono`, for sleeping until it.
    #[must_use]
    pub fn instant(&self, mono: Mono) -> Instant {
        self.origin + Duration::from_micros(mono.0)
    }
}
