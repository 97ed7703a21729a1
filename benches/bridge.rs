//! What the gateway's core costs for the whole life of a message: session, bridge and commit, without sockets and disk.

#[path = "life/mod.rs"]
mod life;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use life::Life;

/// Messages of one read, as a busy and a quiet client send them.
const BATCHES: [u32; 3] = [1, 32, 200];

fn lives(c: &mut Criterion) {
    let mut group = c.benchmark_group("life of a message");
    for batch in BATCHES {
        let mut life = Life::new(batch);
        group.throughput(Throughput::Elements(u64::from(batch)));
        // The peers' work is in it too; the instruction counts leave it out.
        group.bench_function(format!("in reads of {batch}"), |b| b.iter(|| life.round(Life::gateway_lap)));
    }
    group.finish();
}

criterion_group!(benches, lives);
criterion_main!(benches);
