//! A socket that notes when bytes went out and came in.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use weighbridge_types::time::{Clock, Stamp};

/// What a socket noted since [`Marks::begin`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    clock: Clock,
    /// Just before the first byte was handed to the kernel, so that no answer can seem to precede it.
    pub(crate) first_write: Option<Stamp>,
    /// Just after the last byte so far was handed to the kernel.
    pub(crate) last_write: Option<Stamp>,
    /// Just after the last bytes so far were read.
    pub(crate) last_read: Option<Stamp>,
    /// When the other side closed its half.
    pub(crate) closed: Option<Stamp>,
}

/// The marks of one socket, shared with whoever drives it. The lock is never contended: one task owns both sides.
#[derive(Clone, Debug)]
pub(crate) struct SharedMarks(Arc<Mutex<Marks>>);

impl SharedMarks {
    pub(crate) fn new(clock: Clock) -> Self {
        Self(Arc::new(Mutex::new(Marks::begin(clock))))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Marks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Marks {
    /// No mark yet, on the clock of a request.
    pub(crate) fn begin(clock: Clock) -> Self {
        Self { clock, first_write: None, last_write: None, last_read: None, closed: None }
    }

    pub(crate) fn now(&self) -> Stamp {
        self.clock.now()
    }

    fn wrote(&mut self, begun: Stamp) {
        self.first_write.get_or_insert(begun);
        self.last_write = Some(self.now());
    }

    fn read(&mut self, bytes: usize) {
        let place = if bytes > 0 { &mut self.last_read } else { &mut self.closed };
        *place = Some(self.clock.now());
    }
}

/// A TCP stream with marks. It sits below TLS: what counts is when bytes crossed the machine's border.
#[derive(Debug)]
pub(crate) struct Stamped {
    socket: TcpStream,
    marks: SharedMarks,
}

impl Stamped {
    pub(crate) fn new(socket: TcpStream, marks: SharedMarks) -> Self {
        Self { socket, marks }
    }

    fn note_write(&self, begun: Stamp, written: &io::Result<usize>) {
        if matches!(written, Ok(bytes) if *bytes > 0) {
            self.marks.lock().wrote(begun);
        }
    }
}

impl AsyncRead for Stamped {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = ready!(Pin::new(&mut self.socket).poll_read(cx, buffer));
        if result.is_ok() {
            self.marks.lock().read(buffer.filled().len() - before);
        }
        Poll::Ready(result)
    }
}

impl AsyncWrite for Stamped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let begun = self.marks.lock().now();
        let written = ready!(Pin::new(&mut self.socket).poll_write(cx, bytes));
        self.note_write(begun, &written);
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let begun = self.marks.lock().now();
        let written = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, parts));
        self.note_write(begun, &written);
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// A stamped socket with or without TLS.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain(Stamped),
    Tls(Box<tokio_rustls::client::TlsStream<Stamped>>),
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buffer),
            Self::Tls(socket) => Pin::new(socket).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(socket) => Pin::new(socket).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, parts),
            Self::Tls(socket) => Pin::new(socket).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_write_vectored(),
            Self::Tls(socket) => socket.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}
