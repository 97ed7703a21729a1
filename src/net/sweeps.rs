//! What sweeps removed, in the audit log: one entry for each class and account and sweep, with counts and times and never
//! a number.
//!
//! A sweep is many small steps; they are summed up until nothing forgettable is left.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::audit::{Draft, Object, Recorder};
use crate::clock::Unix;
use crate::policy::Class;
use crate::store::{Enrolled, Swept};

/// Steps after which a sweep that does not end is told of all the same.
const STEPS_MAX: u32 = 10_000;

/// The sum of the sweep that is under way.
#[derive(Debug)]
pub(super) struct Sweeps {
    recorder: Recorder,
    enrolled: Arc<Enrolled>,
    sums: BTreeMap<(u8, u16), (u64, Unix, Unix)>,
    steps: u32,
}

impl Sweeps {
    pub(super) fn new(recorder: Recorder, enrolled: Arc<Enrolled>) -> Self {
        Self { recorder, enrolled, sums: BTreeMap::new(), steps: 0 }
    }

    /// Takes the names of accounts that are new.
    pub(super) fn rename(&mut self, enrolled: Arc<Enrolled>) {
        self.enrolled = enrolled;
    }

    /// Adds a step; the last one writes the entries.
    pub(super) fn add(&mut self, swept: &Swept) {
        for row in &swept.records {
            let (oldest, newest) = row.accepted;
            let sum = self.sums.entry((row.class, row.account.0)).or_insert((0, oldest, newest));
            *sum = (sum.0 + row.records, sum.1.min(oldest), sum.2.max(newest));
        }
        self.steps += 1;
        if swept.done || self.steps >= STEPS_MAX {
            self.steps = 0;
            for (key, sum) in std::mem::take(&mut self.sums) {
                let draft = self.draft(key, sum);
                let recorder = self.recorder.clone();
                // The log counts what it cannot write, and its metric says so.
                tokio::spawn(async move { recorder.record(draft).await });
            }
        }
    }

    fn draft(&self, (class, account): (u8, u16), (records, oldest, newest): (u64, Unix, Unix)) -> Draft {
        let class = Class::from_octet(class).map_or_else(|| format!("class {class}"), |class| class.name().to_owned());
        let name = self.enrolled.account_names.get(usize::from(account)).cloned().unwrap_or_default();
        let reason = format!("records={records} oldest={} newest={}", oldest.moment(), newest.moment());
        let mut draft = Draft::system("retention.sweep", reason);
        draft.object = Object::new("class", class);
        draft.account = name;
        draft
    }
}
