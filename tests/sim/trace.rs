//! What happened, as a hash, and as text where somebody looks.

/// A trace. Two runs of one seed have the same.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    shown: bool,
    lines: u64,
}

impl Trace {
    pub(crate) fn new(shown: bool) -> Self {
        Self { hash: 0xCBF2_9CE4_8422_2325, shown, lines: 0 }
    }

    pub(crate) fn note(&mut self, at: u64, what: &str, numbers: &[u64]) {
        let mut mix = |octet: u8| self.hash = (self.hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01B3);
        at.to_le_bytes().into_iter().for_each(&mut mix);
        what.bytes().for_each(&mut mix);
        numbers.iter().flat_map(|number| number.to_le_bytes()).for_each(&mut mix);
        self.lines += 1;
        if self.shown {
            println!("{:>10}.{:06} {what} {numbers:?}", at / 1_000_000, at % 1_000_000);
        }
    }

    /// Hash and length.
    pub(crate) fn digest(&self) -> (u64, u64) {
        (self.hash, self.lines)
    }
}
