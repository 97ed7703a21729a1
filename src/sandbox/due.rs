//! Things to do later, in the order in which they fall due.
//!
//! What is pushed in order, the common case, costs a queue's push and pop; what is not goes to a heap. No timer per item.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use crate::clock::Mono;

struct Late<T> {
    due: Mono,
    order: u64,
    item: T,
}

/// A queue by due time.
pub(super) struct DueQueue<T> {
    line: VecDeque<(Mono, T)>,
    heap: BinaryHeap<Reverse<Late<T>>>,
    order: u64,
}

impl<T> DueQueue<T> {
    pub(super) fn new() -> Self {
        Self { line: VecDeque::new(), heap: BinaryHeap::new(), order: 0 }
    }

    /// Number of items waiting.
    pub(super) fn len(&self) -> usize {
        self.line.len() + self.heap.len()
    }

    /// Adds an item.
    pub(super) fn push(&mut self, due: Mono, item: T) {
        if self.line.back().is_none_or(|(last, _)| *last <= due) {
            self.line.push_back((due, item));
        } else {
            self.order += 1;
            self.heap.push(Reverse(Late { due, order: self.order, item }));
        }
    }

    /// When the next item falls due.
    pub(super) fn next_due(&self) -> Option<Mono> {
        let line = self.line.front().map(|(due, _)| *due);
        let heap = self.heap.peek().map(|late| late.0.due);
        line.into_iter().chain(heap).min()
    }

    /// Takes the next item if it is due at `now`.
    pub(super) fn pop(&mut self, now: Mono) -> Option<T> {
        let line = self.line.front().map(|(due, _)| *due);
        let late = self.heap.peek().map(|late| late.0.due);
        if late.is_some_and(|late| late <= now && line.is_none_or(|line| late < line)) {
            return self.heap.pop().map(|late| late.0.item);
        }
        if line? <= now { self.line.pop_front().map(|(_, item)| item) } else { None }
    }

    /// Takes everything, due or not, in no particular order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Mono, T)> + '_ {
        self.line.drain(..).chain(self.heap.drain().map(|late| (late.0.due, late.0.item)))
    }
}

impl<T> PartialEq for Late<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Late<T> {}

impl<T> PartialOrd for Late<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Late<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_out_by_due_time_whatever_order_they_went_in() {
        let mut queue = DueQueue::new();
        for due in [5, 9, 3, 7, 9, 1] {
            queue.push(Mono(due), due);
        }
        assert_eq!((queue.len(), queue.next_due()), (6, Some(Mono(1))));
        assert_eq!(queue.pop(Mono(0)), None);
        let mut out = Vec::new();
        for now in 0..10 {
            while let Some(due) = queue.pop(Mono(now)) {
                assert!(due <= now);
                out.push(due);
            }
        }
        assert_eq!(out, [1, 3, 5, 7, 9, 9]);
    }

    #[test]
    fn drain_leaves_nothing() {
        let mut queue = DueQueue::new();
        queue.push(Mono(2), 'a');
        queue.push(Mono(1), 'b');
        assert_eq!(queue.drain().count(), 2);
        assert_eq!((queue.len(), queue.next_due()), (0, None));
    }
}
