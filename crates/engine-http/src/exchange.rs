//! One request and its answer on one connection.

use std::cell::Cell;
use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use weighbridge_types::time::{Clock, Stamp};

use crate::http1::{BadAnswer, Decoder, Piece};
use crate::pool::Place;
use crate::socket::Marks;
use crate::transport::Transport;

/// Bytes that are read at once. A stream at full speed fills it; more gains nothing.
const READ_SIZE: usize = 64 << 10;

thread_local! {
    /// The buffer of reads. What is read is taken in at once, so that one per thread is enough and always warm.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A request under way.
pub(crate) struct Exchange {
    transport: Transport,
    request: Bytes,
    /// Bytes of the request that were handed over.
    written: usize,
    is_flushed: bool,
    decoder: Decoder,
    /// Whether there is more than the answer.
    is_overlong: bool,
    /// The place among the connections, given back with the connection.
    place: Place,
}

/// How a connection broke.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error(transparent)]
    Bad(#[from] BadAnswer),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it ended too early")]
    Closed,
}

impl Exchange {
    pub(crate) fn begin(mut transport: Transport, request: Bytes, clock: Clock, place: Place) -> Self {
        transport.begin(clock);
        let decoder = Decoder::default();
        Self { transport, request, written: 0, is_flushed: false, decoder, is_overlong: false, place }
    }

    pub(crate) fn marks(&self) -> &Marks {
        self.transport.marks()
    }

    /// Whether a byte of the answer came.
    pub(crate) fn is_answered(&self) -> bool {
        self.marks().last_read.is_some()
    }

    /// When the last byte of the request went out; `None` until it has.
    pub(crate) fn sent(&self) -> Option<Stamp> {
        self.marks().last_write.filter(|_| self.is_flushed)
    }

    /// When the last sign of life was: bytes read, or else written.
    pub(crate) fn last_activity(&self) -> Option<Stamp> {
        self.marks().last_read.or(self.marks().last_write)
    }

    /// The connection and its place, if another request can follow on it.
    pub(crate) fn into_reusable(self) -> Option<(Transport, Place)> {
        let reusable = self.decoder.is_reusable() && self.is_flushed && !self.is_overlong;
        reusable.then_some((self.transport, self.place))
    }

    /// Makes one read and hands its pieces on, [`Piece::End`] last. The end of the connection is the end of a body
    /// that has no other. Pieces share the stamp of their read.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        mut on_piece: impl FnMut(Stamp, Piece<'_>),
    ) -> Poll<Result<(), Broken>> {
        let mut buffer = BUFFER.take();
        buffer.resize(READ_SIZE, 0);
        let polled = self.transport.poll_receive(cx, &mut buffer).map(|read| match read? {
            0 if self.decoder.close() => {
                on_piece(self.end_of_connection(), Piece::End);
                Ok(())
            }
            0 => Err(Broken::Closed),
            bytes => self.decode(&buffer[..bytes], on_piece),
        });
        BUFFER.set(buffer);
        polled
    }

    fn decode(&mut self, mut input: &[u8], mut on_piece: impl FnMut(Stamp, Piece<'_>)) -> Result<(), Broken> {
        let at = self.marks().last_read.unwrap_or_default();
        loop {
            match self.decoder.next(&mut input)? {
                Piece::Nothing => {
                    self.is_overlong |= !input.is_empty();
                    return Ok(());
                }
                piece => on_piece(at, piece),
            }
        }
    }

    fn end_of_connection(&self) -> Stamp {
        let Marks { closed, last_read, .. } = self.marks();
        (*closed).max(*last_read).unwrap_or_default()
    }

    /// Writes until the socket takes no more. A failure is left to the read that follows: the server may have
    /// answered before it closed, and then the answer says more.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) {
        if self.is_flushed {
            return;
        }
        while self.written < self.request.len() {
            match self.transport.poll_send(cx, &self.request[self.written..]) {
                Poll::Ready(Ok(bytes)) if bytes > 0 => self.written += bytes,
                Poll::Ready(Ok(_) | Err(_)) | Poll::Pending => return,
            }
        }
        self.is_flushed = matches!(self.transport.poll_flush(cx), Poll::Ready(Ok(())));
    }
}
