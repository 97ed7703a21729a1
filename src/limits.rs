//! Every bound of the core in one place, with the relations between them checked at compile time.

/// Octets of the open commit at which the bridge takes no more inputs until the journal has taken it.
pub const COMMIT_OCTETS: usize = 4 << 20;

/// Journal blocks asked back from the store and not yet come.
pub const READS_OPEN: usize = 64;

/// Blocks read ahead when a backlog is handed out.
pub const READ_AHEAD: u64 = 8;

/// Seconds after which a message lent to a link is looked at again; its link's response timer ends it before.
pub const HANDED_REMINDER_S: u32 = 60;

/// Seconds a carrier's receipt may come after the message's validity ended; then the message ends as UNKNOWN.
pub const RECEIPT_GRACE_S: u32 = 24 * 3600;

/// Seconds a receipt that found no message waits for the answer it may have overtaken.
pub const PARKED_S: u32 = 60;

/// Receipts that may wait so; beyond, the oldest is given up.
pub const PARKED_MAX: usize = 100_000;

/// Microseconds for which the first part of a long message from a handset is remembered, so that the others follow it.
pub const PARTS_US: u64 = 600_000_000;

/// Long messages remembered so; beyond, the oldest is forgotten.
pub const PARTS_MAX: usize = 100_000;

/// Microseconds for which a later part is refused while the first one, which holds the keyword, has not come.
pub const PART_PATIENCE_US: u64 = 60_000_000;

/// Microseconds for which the parts of a long message from a client belong together.
pub const CONCATENATION_US: u64 = 300_000_000;

/// Long messages remembered so; beyond, the oldest is forgotten.
pub const CONCATENATIONS_MAX: usize = 100_000;

/// Lanes beyond which no more are made for new messages: an index of 16 bits is stored per message.
pub const LANES_MAX: usize = 65_000;

/// Messages a lane hands out before the next lane has its turn.
pub const LANE_QUANTUM: u32 = 16;

/// Requests about earlier messages that may wait for a block, for the archive or for their turn to look through the book.
pub const RECALLS_OPEN: usize = 64;

/// Those among them of one account.
pub const RECALLS_PER_ACCOUNT: usize = 16;

/// Those among them that may look into the archive: each delays the next commit by a read.
pub const LOOKUPS_OPEN: usize = 16;

/// Slots of the book that are looked at in one turn for messages named by their addresses.
pub const SEEK_SLOTS: usize = 4_096;

/// Messages and slots of the book that are looked at again in one turn after the rules changed.
pub const RENEWAL_SLOTS: usize = 2_000;

/// Recipients of whom a client wants to hear when they are back; beyond, the oldest wish is forgotten.
pub const ALERTS_WANTED: usize = 10_000;

/// Receipts of erased messages that are waited for, so that they find nothing.
pub const GRAVES_MAX: usize = 1_000_000;

/// Microseconds for which nothing is moved within the journal after a step of a walk through it.
pub const WALK_US: u64 = 60_000_000;

/// Seconds by which a clock may be behind the newest time in the journal, at a start, and count as set back: a wrong time zone, or
/// a machine without a network. By more, the clock was ahead when the journal was written, and is right now.
pub const CLOCK_SET_BACK_S: u32 = 26 * 3600;

/// Seconds after which a message to a number that is held is looked at again.
pub const HELD_S: u32 = 60;

/// Numbers on all lists of opted-out numbers together: some 150 MB. Beyond, the message of a handset that opts out is asked
/// for again later, and never taken unheard.
pub const OPT_OUTS_MAX: u64 = 5_000_000;

/// Most links open at a time; an index of 16 bits is stored per message.
pub const LINKS_MAX: usize = 60_000;

/// Blocks sealed in one commit at most.
pub const SEAL_BLOCKS: usize = 32;

/// Octets of recent journal blocks kept in memory.
pub const SHELF_OCTETS: usize = 16 << 20;

/// Microseconds after which a text that is not needed any more is off the disk, but for the time it takes.
pub const TEXT_US: u64 = 3_600_000_000;

/// Octets of journal below which nothing is carried forward.
pub const JOURNAL_OCTETS: u64 = 64 << 20;

/// Microseconds after which what still lives in a journal block is carried into a newer one: a day.
pub const JOURNAL_AGE_US: u64 = 24 * 3_600_000_000;

const _: () = assert!(PART_PATIENCE_US < PARTS_US);
const _: () = assert!(LINKS_MAX < u16::MAX as usize);
// Two indices mean no lane, and one is the lane of what found no room.
const _: () = assert!(LANES_MAX + 3 <= u16::MAX as usize);
const _: () = assert!(READ_AHEAD as usize <= READS_OPEN);
// What is read for the next turn must not push itself out of memory before that turn: blocks are 32 KiB, and one ends
// with a whole PDU.
const _: () = assert!(READS_OPEN * (32 * 1024 + 70_000) <= SHELF_OCTETS);
