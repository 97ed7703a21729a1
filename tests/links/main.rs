//! Links over in-memory streams and virtual time: the test plays peer and bridge, the link between them is real.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod admission;
mod carrier;
mod desk;
mod lifetime;
mod peer;
mod pressure;
