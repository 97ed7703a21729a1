//! One socket in both directions: read into a fixed buffer, written from one buffer, one system call each per wake-up.
//!
//! Reading and writing go on side by side, so two peers that both write cannot block each other. Knows frames only as
//! octets; what they mean is the link's business.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::clock::{Clock, Mono};
use crate::pdu::{Broken, Frame};

/// Longest PDU accepted, in octets.
pub(super) const FRAME_LIMIT: u32 = 70_000;

/// Holds the longest PDU and a good many short ones.
const INPUT_OCTETS: usize = 128 * 1024;

/// Above this many octets not yet taken by the peer, nothing more is read from it.
const OUTPUT_OCTETS: usize = 512 * 1024;

/// A TCP or TLS stream.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// Wakes one link from elsewhere in the same thread; repeated nudges before it runs are one.
#[derive(Default)]
pub(super) struct Nudge {
    pending: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// Why [`Duplex::turn`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// New octets came in, or the deadline passed, or someone nudged: look at everything.
    Look,
    /// The peer closed, or the connection broke.
    Closed,
}

/// A stream with its buffers.
pub(super) struct Duplex {
    stream: Box<dyn Stream>,
    clock: Clock,
    input: Vec<u8>,
    filled: usize,
    output: Vec<u8>,
    written: usize,
    unflushed: bool,
    full: bool,
    nudge: Rc<Nudge>,
    sleep: Pin<Box<Sleep>>,
    deadline: Option<Mono>,
}

impl Nudge {
    /// Wakes the link.
    pub(super) fn nudge(&self) {
        if !self.pending.replace(true)
            && let Some(waker) = self.waker.borrow().as_ref()
        {
            waker.wake_by_ref();
        }
    }

    fn poll(&self, context: &Context<'_>) -> bool {
        if self.pending.replace(false) {
            return true;
        }
        let mut waker = self.waker.borrow_mut();
        if waker.as_ref().is_none_or(|waker| !waker.will_wake(context.waker())) {
            *waker = Some(context.waker().clone());
        }
        false
    }
}

impl Duplex {
    pub(super) fn new(stream: Box<dyn Stream>, clock: Clock, nudge: Rc<Nudge>) -> Self {
        Self {
            stream,
            clock,
            input: vec![0; INPUT_OCTETS],
            filled: 0,
            output: Vec::with_capacity(64 * 1024),
            written: 0,
            unflushed: false,
            full: false,
            nudge,
            sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
            deadline: None,
        }
    }

    /// What is to be written next; append only.
    pub(super) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Whether the peer takes what is written.
    pub(super) fn has_room(&self) -> bool {
        self.output.len() < OUTPUT_OCTETS
    }

    /// Hands each complete PDU read so far to `each`, with the output to answer into, and forgets it.
    ///
    /// # Errors
    /// [`Broken`] when the stream cannot be cut any further.
    pub(super) fn frames(&mut self, mut each: impl FnMut(Frame<'_>, &mut Vec<u8>)) -> Result<(), Broken> {
        let mut at = 0;
        let broken = loop {
            match Frame::cut(&self.input[at..self.filled], FRAME_LIMIT) {
                Ok(Some(frame)) => {
                    at += frame.header.length as usize;
                    each(frame, &mut self.output);
                }
                Ok(None) => break Ok(()),
                Err(broken) => break Err(broken),
            }
        };
        self.input.copy_within(at..self.filled, 0);
        self.filled -= at;
        broken
    }

    /// Writes what is to be written, and waits for input, for `deadline` or for a nudge.
    pub(super) async fn turn(&mut self, deadline: Option<Mono>) -> Turn {
        self.full = !self.has_room();
        if deadline != self.deadline {
            self.deadline = deadline;
            if let Some(deadline) = deadline {
                self.sleep.as_mut().reset(self.clock.instant(deadline).into());
            }
        }
        poll_fn(|context| self.poll_turn(context)).await
    }

    /// Writes everything and closes, giving the peer up to `patience`.
    pub(super) async fn close(mut self, patience: Duration) {
        let all = poll_fn(|context| {
            if self.poll_output(context).is_err() || (self.output.is_empty() && !self.unflushed) {
                return Poll::Ready(());
            }
            Poll::Pending
        });
        // Either way the connection ends here; a peer that does not read has forgone the rest.
        let _ = tokio::time::timeout(patience, all).await;
        let shutdown = poll_fn(|context| Pin::new(&mut self.stream).poll_shutdown(context));
        let _ = tokio::time::timeout(patience, shutdown).await;
    }

    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<Turn> {
        if self.poll_output(context).is_err() {
            return Poll::Ready(Turn::Closed);
        }
        if self.has_room() {
            // Whoever stopped writing for lack of room must hear of it.
            if std::mem::take(&mut self.full) {
                return Poll::Ready(Turn::Look);
            }
            let mut buffer = ReadBuf::new(&mut self.input[self.filled..]);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.filled += buffer.filled().len();
                    return Poll::Ready(Turn::Look);
                }
                Poll::Ready(_) => return Poll::Ready(Turn::Closed),
                Poll::Pending => {}
            }
        }
        if self.nudge.poll(context) {
            return Poll::Ready(Turn::Look);
        }
        if self.deadline.is_some() && self.sleep.as_mut().poll(context).is_ready() {
            self.deadline = None;
            return Poll::Ready(Turn::Look);
        }
        Poll::Pending
    }

    fn poll_output(&mut self, context: &mut Context<'_>) -> std::io::Result<()> {
        while self.written < self.output.len() {
            match Pin::new(&mut self.stream).poll_write(context, &self.output[self.written..]) {
                Poll::Ready(Ok(0)) => return Err(std::io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(octets)) => self.written += octets,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(()),
            }
            self.unflushed = true;
        }
        self.output.clear();
        self.written = 0;
        if self.unflushed && Pin::new(&mut self.stream).poll_flush(context)?.is_ready() {
            self.unflushed = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::{CommandId, CommandStatus, Header};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn header(sequence: u32) -> Vec<u8> {
        let mut wire = Vec::new();
        Header { length: 16, id: CommandId::ENQUIRE_LINK, status: CommandStatus::ESME_ROK, sequence }.encode(&mut wire);
        wire
    }

    #[tokio::test]
    async fn frames_are_cut_whatever_the_pieces() {
        let (near, mut far) = tokio::io::duplex(1024);
        let mut duplex = Duplex::new(Box::new(near), Clock::start(), Rc::default());
        let wire = [header(1), header(2), header(3)].concat();
        let mut seen = Vec::new();
        for piece in [&wire[..10], &wire[10..40], &wire[40..]] {
            far.write_all(piece).await.unwrap();
            assert_eq!(duplex.turn(None).await, Turn::Look);
            duplex.frames(|frame, _| seen.push(frame.header.sequence)).unwrap();
        }
        assert_eq!(seen, [1, 2, 3]);
        drop(far);
        assert_eq!(duplex.turn(None).await, Turn::Closed);
    }

    #[tokio::test]
    async fn output_larger_than_the_pipe_gets_through_while_input_comes() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut duplex = Duplex::new(Box::new(near), Clock::start(), Rc::default());
        for sequence in 0..100 {
            duplex.output().extend_from_slice(&header(sequence));
        }
        far.write_all(&header(7)).await.unwrap();
        assert_eq!(duplex.turn(None).await, Turn::Look);
        let (mut read, ()) = (Vec::new(), duplex.frames(|_, _| ()).unwrap());
        let reader = async {
            let mut piece = [0; 100];
            while read.len() < 1600 {
                let octets = far.read(&mut piece).await.unwrap();
                read.extend_from_slice(&piece[..octets]);
            }
        };
        tokio::join!(reader, duplex.close(Duration::from_secs(5)));
        assert_eq!(read.len(), 1600);
        assert_eq!(read[1599], 99);
    }

    #[tokio::test]
    async fn a_nudge_before_the_wait_is_not_lost() {
        let (near, _far) = tokio::io::duplex(64);
        let nudge = Rc::new(Nudge::default());
        let mut duplex = Duplex::new(Box::new(near), Clock::start(), Rc::clone(&nudge));
        nudge.nudge();
        nudge.nudge();
        assert_eq!(duplex.turn(None).await, Turn::Look);
        let clock = Clock::start();
        assert_eq!(duplex.turn(Some(clock.now().mono.after(Duration::from_millis(1)))).await, Turn::Look);
    }
}
