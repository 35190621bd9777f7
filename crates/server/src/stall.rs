//! A connection whose peer must take what is written to it within a time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Fails a write that makes no progress for too long: a peer that reads nothing would else keep its connection, and what waits
/// to be written, for ever. Reads have limits of their own.
pub(crate) struct Impatient<S> {
    stream: S,
    patience: Duration,
    timer: Pin<Box<Sleep>>,
    /// Whether the timer runs, since the last write had to wait.
    is_waiting: bool,
}

impl<S> Impatient<S> {
    /// Wraps a stream. It must be made within a runtime.
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, timer: Box::pin(sleep(patience)), is_waiting: false }
    }

    /// Lets a write pass that is done, and bounds the wait of one that is not.
    fn bound<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.is_waiting = false;
            return written;
        }
        if !self.is_waiting {
            self.is_waiting = true;
            self.timer.set(sleep(self.patience));
        }
        ready!(self.timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bound(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.bound(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.bound(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use weighbridge_types::time::Clock;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_late_is_waited_for_and_one_that_reads_nothing_is_not() {
        let (near, mut far) = duplex(4);
        let mut near = Impatient::new(near, Duration::from_secs(10));
        let late = async {
            let mut bytes = [0; 12];
            for four in bytes.chunks_mut(4) {
                tokio::time::sleep(Duration::from_secs(9)).await;
                far.read_exact(four).await.unwrap();
            }
            bytes
        };
        let (written, read) = tokio::join!(near.write_all(b"in good time"), late);
        written.unwrap();
        assert_eq!(&read, b"in good time");
        let clock = Clock::start();
        let start = clock.now();
        let error = near.write_all(b"never read").await.unwrap_err();
        assert_eq!((error.kind(), clock.now() - start), (io::ErrorKind::TimedOut, Duration::from_secs(10)));
    }
}
