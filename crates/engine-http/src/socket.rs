//! A TCP socket that notes when bytes went out and came in.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use weighbridge_types::request::{Receipt, ReceiveClock};
use weighbridge_types::time::{Clock, Stamp};

use crate::kernel_clock::StampPlacer;
use crate::receive::{ask_for_stamps, is_spent, receive};

/// What a socket noted since [`Socket::begin`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    /// Just before the first byte was handed to the kernel, so that no answer can seem to precede it.
    pub(crate) first_write: Option<Stamp>,
    /// Just after the last byte so far was handed to the kernel.
    pub(crate) last_write: Option<Stamp>,
    /// When the last bytes so far came: the kernel's stamp, or just after they were read.
    pub(crate) last_read: Option<Stamp>,
    /// When the other side closed its half.
    pub(crate) closed: Option<Stamp>,
    reads: Reads,
}

/// Reads of one answer.
#[derive(Clone, Copy, Debug, Default)]
struct Reads {
    stamped: u64,
    unstamped: u64,
    /// From the kernel's stamp to the read, nanoseconds.
    delay_total: u64,
    delay_max: u64,
}

impl Marks {
    /// Which clock stamped the reads; the kernel's only where it stamped each. `None` before the first read.
    pub(crate) fn receipt(&self) -> Option<Receipt> {
        let Reads { stamped, unstamped, delay_total, delay_max } = self.reads;
        if stamped + unstamped == 0 {
            return None;
        }
        let clock = if unstamped == 0 { ReceiveClock::Kernel } else { ReceiveClock::User };
        let delay_mean_ns = delay_total.checked_div(stamped);
        Some(Receipt { clock, delay_mean_ns, delay_max_ns: delay_mean_ns.map(|_| delay_max) })
    }
}

/// A TCP socket with marks. It sits below TLS: what counts is when bytes crossed the machine's border.
#[derive(Debug)]
pub(crate) struct Socket {
    tcp: TcpStream,
    clock: Clock,
    marks: Marks,
    /// `None` where the kernel does not stamp.
    placer: Option<StampPlacer>,
}

impl Socket {
    /// Takes a socket over; `kernel_stamps` asks for the kernel's stamps.
    pub(crate) fn new(tcp: TcpStream, clock: Clock, kernel_stamps: bool) -> Self {
        let stamps = kernel_stamps && ask_for_stamps(&tcp);
        Self { tcp, clock, marks: Marks::default(), placer: stamps.then(StampPlacer::default) }
    }

    /// Forgets all marks and takes them on another clock.
    pub(crate) fn begin(&mut self, clock: Clock) {
        self.clock = clock;
        self.marks = Marks::default();
        self.placer = self.placer.map(|_| StampPlacer::default());
    }

    pub(crate) fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Whether a socket that should be silent is not.
    pub(crate) fn is_spent(&self) -> bool {
        is_spent(&self.tcp)
    }

    /// Reads into the buffer and notes when the bytes came; 0 bytes at the end of the stream.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.tcp.poll_read_ready(cx))?;
            match receive(&self.tcp, buffer) {
                Ok(received) => {
                    self.note_read(received.bytes, received.stamped);
                    return Poll::Ready(Ok(received.bytes));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn note_read(&mut self, bytes: usize, stamped: Option<Duration>) {
        if bytes == 0 {
            self.marks.closed = Some(self.clock.now());
            return;
        }
        let (now, placed) = match (&mut self.placer, stamped) {
            (Some(placer), Some(stamped)) => {
                let (now, wall) = self.clock.now_beside_wall();
                let earliest = self.marks.last_read.or(self.marks.first_write).unwrap_or_default();
                (now, placer.place(now, wall, stamped, earliest))
            }
            _ => (self.clock.now(), None),
        };
        let reads = &mut self.marks.reads;
        match placed {
            Some(at) => {
                let delay = now.as_nanos() - at.as_nanos();
                reads.stamped += 1;
                reads.delay_total += delay;
                reads.delay_max = reads.delay_max.max(delay);
            }
            None => reads.unstamped += 1,
        }
        self.marks.last_read = Some(placed.unwrap_or(now));
    }

    fn note_write(&mut self, begun: Stamp, written: &io::Result<usize>) {
        if matches!(written, Ok(bytes) if *bytes > 0) {
            self.marks.first_write.get_or_insert(begun);
            self.marks.last_write = Some(self.clock.now());
        }
    }

    /// The time just before a write. The first one is also what the placer compares the next reading with.
    fn before_write(&mut self) -> Stamp {
        match &mut self.placer {
            Some(placer) if self.marks.first_write.is_none() => {
                let (now, wall) = self.clock.now_beside_wall();
                placer.note(now, wall);
                now
            }
            _ => self.clock.now(),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let bytes = ready!(self.get_mut().poll_receive(cx, buffer.initialize_unfilled()))?;
        buffer.advance(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let begun = self.before_write();
        let written = ready!(Pin::new(&mut self.tcp).poll_write(cx, bytes));
        self.note_write(begun, &written);
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
