//! A marked socket with or without TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;
use weighbridge_types::time::Clock;

use crate::socket::{Marks, Socket};

/// What a connection runs over.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Transport {
    /// Forgets the marks of the request before.
    pub(crate) fn begin(&mut self, clock: Clock) {
        match self {
            Self::Plain(socket) => socket.begin(clock),
            Self::Tls(stream) => stream.get_mut().0.begin(clock),
        }
    }

    pub(crate) fn marks(&self) -> &Marks {
        match self {
            Self::Plain(socket) => socket.marks(),
            Self::Tls(stream) => stream.get_ref().0.marks(),
        }
    }

    /// Reads into the buffer; 0 bytes at the end.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_receive(cx, buffer),
            Self::Tls(stream) => {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
        }
    }

    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// Hands on what TLS holds back.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// Whether a connection without a request under way cannot carry one: it was closed, or it says what nobody
    /// asked for.
    pub(crate) fn is_spent(&mut self, cx: &mut Context<'_>) -> bool {
        match self {
            Self::Plain(socket) => socket.is_spent(),
            // Through TLS, since tickets for later sessions may lie in the socket and are no reason.
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, &mut ReadBuf::new(&mut [0])).is_ready(),
        }
    }
}
