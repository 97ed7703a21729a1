//! Counts allocations on the way of a message: from the octets of a read, through session, bridge and commit, to the
//! octets of a parcel, for its whole life, sealing included.
//!
//! A message has none of its own. What is allocated belongs to what many messages share: a read's list of events, a
//! parcel's buffer, a block. So the count is held against those, and against the messages only as an average.

#[path = "../benches/life/mod.rs"]
mod life;

use std::alloc::System;

use life::Life;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Rounds until every buffer and table has its size, and sealing runs.
const WARM_UP: u32 = 400;
/// Rounds that are counted.
const ROUNDS: u32 = 400;
/// Laps of a round, each with one commit.
const LAPS: u32 = 4;
/// Allocations of a lap, however many messages are in it: lists of events, buffers that grow by doubling, blocks.
const PER_LAP: f64 = 24.0;
/// Allocations of each further message: its share of a block, of an archive block and of a buffer's next doubling. 0.053
/// were counted when this was written.
const PER_MESSAGE: f64 = 0.06;

struct Count {
    messages: u64,
    /// Allocations and growths.
    allocations: u64,
    blocks: u64,
    archived: u64,
}

impl Count {
    fn per_message(&self) -> f64 {
        self.allocations as f64 / self.messages as f64
    }
}

/// Whole lives in rounds of `batch` messages. Only the gateway's laps are counted, not the peers.
fn count(batch: u32) -> Count {
    let mut life = Life::new(batch);
    for _ in 0..WARM_UP {
        life.round(Life::gateway_lap);
    }
    let (messages, blocks, archived) = (life.confirmed, life.blocks, life.archived);
    let mut allocations = 0;
    for _ in 0..ROUNDS {
        life.round(|life| {
            let region = Region::new(ALLOCATOR);
            life.gateway_lap();
            let change = region.change();
            allocations += (change.allocations + change.reallocations) as u64;
        });
    }
    Count {
        messages: life.confirmed - messages,
        allocations,
        blocks: life.blocks - blocks,
        archived: life.archived - archived,
    }
}

/// One test, for the allocator counts what every thread does.
#[test]
fn no_message_allocates() {
    let (batch, twice) = (200, 400);
    let (small, large) = (count(batch), count(twice));
    for (batch, count) in [(batch, &small), (twice, &large)] {
        println!(
            "rounds of {batch}: {:.3} allocations per message; {} messages, {} blocks, {} archive blocks, {} allocations",
            count.per_message(),
            count.messages,
            count.blocks,
            count.archived,
            count.allocations,
        );
        assert_eq!(count.messages, u64::from(ROUNDS * batch), "every message got its receipt");
        assert!(count.blocks > 0 && count.archived > 0, "blocks are sealed while it is counted");
        let per_lap = count.allocations as f64 / f64::from(ROUNDS * LAPS);
        assert!(per_lap < PER_LAP, "{per_lap:.1} allocations per lap, expected fewer than {PER_LAP}");
    }
    // Twice the messages cost a block here and one more doubling of a buffer there, and nothing of their own.
    let more = large.allocations.saturating_sub(small.allocations) as f64;
    let each = more / (large.messages - small.messages) as f64;
    println!("each further message: {each:.3} allocations");
    assert!(each < PER_MESSAGE, "{each:.3} allocations for each further message, expected fewer than {PER_MESSAGE}");
}
