//! A child process, and what the system says it used.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use smppgate::clock::Clock;

use crate::Outcome;

/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A running process, killed when dropped.
pub(crate) struct Process(pub(crate) Child);

/// What a process has used since it started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Processor time outside the kernel, microseconds, to a hundredth of a second.
    pub(crate) user_us: u64,
    /// Processor time inside the kernel.
    pub(crate) system_us: u64,
    /// Octets it caused to be sent to the disk.
    pub(crate) written: u64,
}

impl Usage {
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            user_us: self.user_us.saturating_sub(earlier.user_us),
            system_us: self.system_us.saturating_sub(earlier.system_us),
            written: self.written.saturating_sub(earlier.written),
        }
    }
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Outcome<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).spawn().map_err(|error| format!("cannot start {program}: {error}"))?;
        Ok(Self(child))
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    pub(crate) fn usage(&self) -> Outcome<Usage> {
        let stat = self.proc("stat")?;
        // proc(5): after the name in parentheses, utime and stime are the 12th and 13th field, in hundredths of a second.
        let ticks = |index: usize| -> Outcome<u64> {
            let fields = stat.rsplit(')').next().unwrap_or_default();
            Ok(fields.split_ascii_whitespace().nth(index).ok_or("no such field in /proc/PID/stat")?.parse()?)
        };
        Ok(Usage {
            user_us: ticks(11)? * 10_000,
            system_us: ticks(12)? * 10_000,
            written: field(&self.proc("io")?, "write_bytes:")?,
        })
    }

    /// Most octets of memory it ever had resident.
    pub(crate) fn peak_octets(&self) -> Outcome<u64> {
        Ok(field(&self.proc("status")?, "VmHWM:")? * 1024)
    }

    /// Octets of memory resident now.
    pub(crate) fn resident_octets(&self) -> Outcome<u64> {
        Ok(field(&self.proc("status")?, "VmRSS:")? * 1024)
    }

    fn proc(&self, file: &str) -> Outcome<String> {
        let path = format!("/proc/{}/{file}", self.0.id());
        Ok(std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?)
    }

    /// Ends it with `kill -9`.
    pub(crate) fn kill(mut self) -> Outcome<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }

    /// Asks it to end, and waits.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status()?;
        let ended = wait(Duration::from_secs(60), || Ok(self.0.try_wait()?.is_some()))?;
        if ended { Ok(()) } else { Err("a process did not end within a minute of SIGTERM".into()) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Looks at a condition until it holds or the time is over. Whether it holds.
pub(crate) fn wait(within: Duration, mut holds: impl FnMut() -> Outcome<bool>) -> Outcome<bool> {
    let clock = Clock::start();
    loop {
        if holds()? {
            return Ok(true);
        }
        if clock.now().mono.0 > u64::try_from(within.as_micros()).unwrap_or(u64::MAX) {
            return Ok(false);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The number behind `name` in a file of `/proc`.
fn field(text: &str, name: &str) -> Outcome<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or_else(|| format!("no {name} in /proc"))?;
    Ok(line.split_ascii_whitespace().next().unwrap_or_default().parse()?)
}

/// Microseconds of processor time that all processes of the machine have used since it started.
pub(crate) fn machine_busy_us() -> Outcome<u64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let fields: Vec<u64> =
        stat.lines().next().unwrap_or_default().split_ascii_whitespace().flat_map(str::parse).collect();
    // user, nice, system, then idle and waiting for the disk, which are not busy, then interrupts and what was stolen.
    let busy = fields.iter().take(8).sum::<u64>() - fields.iter().skip(3).take(2).sum::<u64>();
    Ok(busy * 10_000)
}
