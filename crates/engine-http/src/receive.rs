//! Reading a TCP socket together with the time at which the kernel received the bytes.
//!
//! Linux alone stamps (`SO_TIMESTAMPNS`). The stamp of a read that takes several packets is that of the last one.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

/// What one read gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    pub(crate) bytes: usize,
    /// When the kernel received the last of them, as time since 1970; `None` where it did not stamp.
    pub(crate) stamped: Option<Duration>,
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::io::IoSliceMut;
    use std::os::fd::AsRawFd;

    use nix::sys::socket::sockopt::{Linger, ReceiveTimestampns};
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
    use tokio::io::Interest;

    use super::{Duration, Received, TcpStream, io};

    /// Room for control messages, aligned as the kernel's headers are. A stamp takes 32 bytes.
    #[repr(align(8))]
    struct Control([u8; 64]);

    /// Asks the kernel for stamps; `false` where it has none.
    pub(crate) fn ask_for_stamps(socket: &TcpStream) -> bool {
        setsockopt(socket, ReceiveTimestampns, &true).is_ok()
    }

    /// Reads what is there; `WouldBlock` where nothing is.
    pub(crate) fn receive(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<Received> {
        let mut received = None;
        let tried = socket.try_io(Interest::READABLE, || {
            let got = receive_now(socket, buffer, MsgFlags::empty())?;
            received = Some(got);
            // A read that did not fill the buffer emptied the socket. Saying so saves the read that would find it
            // empty, as tokio's own reads do; the end of the stream is remembered apart.
            if got.bytes > 0 && got.bytes < buffer.len() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match received {
            Some(received) => Ok(received),
            None => Err(tried.err().unwrap_or_else(|| io::ErrorKind::WouldBlock.into())),
        }
    }

    /// Lets a socket that is closed reset its connection instead of ending it.
    pub(crate) fn reset_on_close(socket: &impl std::os::fd::AsFd) -> io::Result<()> {
        let at_once = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        Ok(setsockopt(socket, Linger, &at_once)?)
    }

    fn receive_now(socket: &TcpStream, buffer: &mut [u8], flags: MsgFlags) -> io::Result<Received> {
        let mut control = Control([0; 64]);
        let mut parts = [IoSliceMut::new(buffer)];
        let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control.0), flags)?;
        let stamp = message.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
            _ => None,
        });
        Ok(Received { bytes: message.bytes, stamped: stamp })
    }

    /// Whether the other side has closed the socket, or sent what nobody asked for. Asks the kernel, since the
    /// runtime may not have heard of it yet.
    pub(crate) fn is_spent(socket: &TcpStream) -> bool {
        let looked = receive_now(socket, &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT);
        !looked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use super::{Received, TcpStream, io};

    pub(crate) fn ask_for_stamps(_socket: &TcpStream) -> bool {
        false
    }

    pub(crate) fn receive(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<Received> {
        Ok(Received { bytes: socket.try_read(buffer)?, stamped: None })
    }

    /// Elsewhere the connection just ends.
    pub(crate) fn reset_on_close<T>(_socket: &T) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn is_spent(socket: &TcpStream) -> bool {
        !socket.try_read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

pub(crate) use kernel::{ask_for_stamps, is_spent, receive, reset_on_close};
