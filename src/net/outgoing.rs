//! Octets on their way to the peer, written with as few system calls as the socket allows.
//!
//! Small pieces are copied together, large ones are handed to the socket as they are. Does not know what the octets mean.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;

/// Below this many octets, copying costs less than one more buffer to track.
const COPY_BELOW: usize = 2048;

/// Most buffers given to one system call.
const SLICES: usize = 16;

/// What the tail keeps allocated when all is written.
const KEEP_CAPACITY: usize = 64 * 1024;

/// A queue of octets with an end to append to and an end that the socket takes from.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Before the tail, in order; none is empty.
    sealed: VecDeque<BytesMut>,
    sealed_octets: usize,
    tail: BytesMut,
    /// How much of the tail is written. An offset, not `advance`, so that the capacity is used again.
    tail_written: usize,
    /// TLS keeps octets of its own: written is not sent before a flush.
    unflushed: bool,
}

impl Outgoing {
    /// Octets not yet taken by the socket.
    pub(super) fn len(&self) -> usize {
        self.sealed_octets + self.tail.len() - self.tail_written
    }

    /// Whether the socket has taken and flushed everything.
    pub(super) fn is_sent(&self) -> bool {
        self.len() == 0 && !self.unflushed
    }

    /// Where to append small pieces; only append.
    pub(super) fn tail(&mut self) -> &mut BytesMut {
        &mut self.tail
    }

    /// Appends a piece, without copying when it is large.
    pub(super) fn push(&mut self, piece: BytesMut) {
        if piece.len() < COPY_BELOW {
            self.tail.extend_from_slice(&piece);
            return;
        }
        if self.tail.len() > self.tail_written {
            let mut tail = std::mem::take(&mut self.tail);
            tail.advance(self.tail_written);
            self.seal(tail);
        } else {
            self.tail.clear();
        }
        self.tail_written = 0;
        self.seal(piece);
    }

    fn seal(&mut self, piece: BytesMut) {
        self.sealed_octets += piece.len();
        self.sealed.push_back(piece);
    }

    /// Writes once. Ready with the number of octets taken, 0 when there is nothing left to write or flush.
    pub(super) fn poll_write<S>(&mut self, mut stream: Pin<&mut S>, cx: &mut Context<'_>) -> Poll<io::Result<usize>>
    where
        S: AsyncWrite,
    {
        if self.len() == 0 {
            if self.unflushed {
                ready!(stream.poll_flush(cx))?;
                self.unflushed = false;
            }
            return Poll::Ready(Ok(0));
        }
        let tail = self.tail.get(self.tail_written..).unwrap_or_default();
        let taken = if self.sealed.is_empty() {
            ready!(stream.as_mut().poll_write(cx, tail))?
        } else {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let pieces = self.sealed.iter().map(|piece| &piece[..]).chain(std::iter::once(tail));
            let count = slices.iter_mut().zip(pieces).map(|(slice, piece)| *slice = IoSlice::new(piece)).count();
            ready!(stream.as_mut().poll_write_vectored(cx, slices.get(..count).unwrap_or_default()))?
        };
        if taken == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.unflushed = true;
        self.take(taken);
        Poll::Ready(Ok(taken))
    }

    fn take(&mut self, mut taken: usize) {
        while let Some(first) = self.sealed.front_mut() {
            let step = taken.min(first.len());
            first.advance(step);
            self.sealed_octets -= step;
            taken -= step;
            if !first.is_empty() {
                return;
            }
            self.sealed.pop_front();
        }
        self.tail_written += taken;
        if self.tail_written >= self.tail.len() {
            self.tail_written = 0;
            if self.tail.capacity() > KEEP_CAPACITY {
                self.tail = BytesMut::new();
            } else {
                self.tail.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// Takes at most `most` octets per call.
    struct Narrow {
        taken: Vec<u8>,
        most: usize,
        calls: usize,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
            let count = octets.len().min(self.most);
            self.taken.extend_from_slice(&octets[..count]);
            self.calls += 1;
            Poll::Ready(Ok(count))
        }
        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            let count = all.len().min(self.most);
            self.taken.extend_from_slice(&all[..count]);
            self.calls += 1;
            Poll::Ready(Ok(count))
        }
        fn is_write_vectored(&self) -> bool {
            true
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn drain(outgoing: &mut Outgoing, stream: &mut Narrow) {
        let mut cx = Context::from_waker(Waker::noop());
        while !outgoing.is_sent() {
            assert!(matches!(outgoing.poll_write(Pin::new(stream), &mut cx), Poll::Ready(Ok(_))));
        }
    }

    #[test]
    fn order_survives_any_cut_between_small_and_large_pieces() {
        for most in [1, 7, 2047, 2048, 5000, usize::MAX] {
            let mut outgoing = Outgoing::default();
            let mut expected = Vec::new();
            let mut stream = Narrow { taken: Vec::new(), most, calls: 0 };
            for (round, len) in [3_usize, 2048, 10, 20, 4096, 2048, 1].into_iter().enumerate() {
                let piece = vec![round as u8; len];
                expected.extend_from_slice(&piece);
                outgoing.push(BytesMut::from(&piece[..]));
                let mut cx = Context::from_waker(Waker::noop());
                let _ = outgoing.poll_write(Pin::new(&mut stream), &mut cx);
                assert_eq!(outgoing.len() + stream.taken.len(), expected.len());
            }
            drain(&mut outgoing, &mut stream);
            assert_eq!(stream.taken, expected, "at most {most} octets a call");
        }
    }

    #[test]
    fn pieces_of_one_turn_leave_in_one_call() {
        let mut outgoing = Outgoing::default();
        let mut stream = Narrow { taken: Vec::new(), most: usize::MAX, calls: 0 };
        outgoing.tail().extend_from_slice(b"reply");
        outgoing.push(BytesMut::from(&[1; 5000][..]));
        outgoing.push(BytesMut::from(&[2; 5000][..]));
        outgoing.tail().extend_from_slice(b"reply");
        drain(&mut outgoing, &mut stream);
        assert_eq!((stream.calls, stream.taken.len()), (1, 10_010));
    }
}
