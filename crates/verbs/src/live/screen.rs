//! The terminal while the live view is on it: entered once, left on every way out, written by a thread of its own.
//!
//! The terminal belongs to the process, not to a run, and a panic, a signal and an error must all find it: this is the one
//! process-wide state of the binary. Frames are written by a thread, because a slow terminal would hold up whoever writes;
//! a frame that finds the thread busy is not drawn at all.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, TryLockError};
use std::time::Duration;

use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};

use super::modes::Modes;

/// Alternate screen, cleared, no cursor.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[2J\x1b[?25l";

/// Colors off, cursor, the screen as it was.
const LEAVE: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?1049l";

const CLEAR: &[u8] = b"\x1b[0m\x1b[2J";

/// Lines that are kept for the time after the view; more are not said while a run is watched.
const HELD: usize = 64;

/// Longest wait for a terminal that takes no bytes, at the end. A slow line needs less for a frame of some kilobytes.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Time between two looks at whether it took them.
const LOOK: Duration = Duration::from_millis(5);

/// The modes to restore; `None` while the view is off. Held while anything is written, so that nothing is written after.
static ENTERED: Mutex<Option<Modes>> = Mutex::new(None);

/// Whether the view is on; told apart from [`ENTERED`] so that asking never waits for a slow terminal.
static ON: AtomicBool = AtomicBool::new(false);

/// Whether something else than a frame was written, so that the next one must draw every cell.
static STALE: AtomicBool = AtomicBool::new(false);

/// What was said to the user while the view was on.
static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

static HOOK: Once = Once::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the terminal back as it was, and says what was held. Does nothing when the view is off.
///
/// A terminal that takes no bytes is waited for no longer than [`LONGEST_WAIT`]; the thread that writes to it then gives it
/// back as soon as it can.
pub(crate) fn restore() {
    if !ON.swap(false, Ordering::SeqCst) {
        return;
    }
    for _ in 0..LONGEST_WAIT.as_millis() / LOOK.as_millis() {
        match ENTERED.try_lock() {
            Ok(mut entered) => return leave(&mut entered),
            Err(TryLockError::Poisoned(entered)) => return leave(&mut entered.into_inner()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK),
        }
    }
}

fn leave(entered: &mut Option<Modes>) {
    let Some(modes) = entered.take() else { return };
    let mut stderr = io::stderr().lock();
    // There is nobody to tell when the terminal is gone.
    let _ = stderr.write_all(LEAVE);
    modes.restore();
    for line in lock(&SAID).drain(..) {
        let _ = writeln!(stderr, "{line}");
    }
    let _ = stderr.flush();
}

/// Keeps a line until the view is off, and shows it at the foot meanwhile; false when the view is off already, and the
/// line is to be written.
pub(crate) fn hold(line: &str) -> bool {
    let mut said = lock(&SAID);
    if !ON.load(Ordering::SeqCst) {
        return false;
    }
    if said.len() < HELD {
        said.push(line.to_owned());
    }
    drop(said);
    show_now(line);
    true
}

/// Writes a line at the foot. The next frame may be seconds away, for none is drawn while figures are made; and somebody
/// who pressed Ctrl-C wants to see that it was heard.
fn show_now(line: &str) {
    // A terminal that is being written to is not waited for: that may take as long as it likes.
    let Ok(entered) = ENTERED.try_lock() else { return };
    if entered.is_none() {
        return;
    }
    STALE.store(true, Ordering::SeqCst);
    let (columns, rows) = size().unwrap_or((80, 24));
    let cut: String = line.chars().take(usize::from(columns)).collect();
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "\x1b[0m\x1b[{rows};1H\x1b[2K\x1b[1m{cut}\x1b[0m").and_then(|()| stderr.flush());
}

/// What was said last while the view is on.
fn last_said() -> Option<String> {
    lock(&SAID).last().cloned()
}

/// Columns and rows of the terminal on stderr.
pub(crate) fn size() -> Option<(u16, u16)> {
    terminal_size::terminal_size_of(io::stderr()).map(|(columns, rows)| (columns.0, rows.0))
}

/// Bytes that are not written yet. The backend has one end, the screen the other.
#[derive(Clone, Debug, Default)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The terminal, entered. Leaves it when dropped.
#[derive(Debug)]
pub(crate) struct Screen {
    bytes: Bytes,
    /// The cells drawn last; `None` before the first frame.
    terminal: Option<Terminal<CrosstermBackend<Bytes>>>,
    size: (u16, u16),
    frames: SyncSender<Vec<u8>>,
    is_busy: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal on stderr. `None` where it must be left alone.
    pub(crate) fn enter() -> Option<Self> {
        let (frames, to_write) = sync_channel(1);
        let is_busy = Arc::new(AtomicBool::new(false));
        let busy = Arc::clone(&is_busy);
        let writer = std::thread::Builder::new().name("live-view".to_owned());
        writer.spawn(move || write_frames(&to_write, &busy)).ok()?;
        restore_on_panic();
        let mut entered = lock(&ENTERED);
        *entered = Some(Modes::quiet()?);
        ON.store(true, Ordering::SeqCst);
        let wrote = io::stderr().lock().write_all(ENTER);
        drop(entered);
        let screen = Self { bytes: Bytes::default(), terminal: None, size: (0, 0), frames, is_busy };
        wrote.ok().map(|()| screen)
    }

    /// Whether the terminal is still ours: a panic elsewhere gives it back, and so does a terminal that went away.
    pub(crate) fn is_on(&self) -> bool {
        ON.load(Ordering::SeqCst)
    }

    /// Draws a frame, unless the last one is still being written. `draw` gets what was said to the user last.
    pub(crate) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>, Option<String>)) {
        let Some(size) = size().filter(|_| !self.is_busy.load(Ordering::Acquire)) else { return };
        if let Some(bytes) = self.frame(size, draw) {
            self.is_busy.store(true, Ordering::Release);
            if self.frames.try_send(bytes).is_err() {
                // The writer is gone with the terminal.
                restore();
            }
        }
    }

    fn frame(&mut self, size: (u16, u16), draw: impl FnOnce(&mut Frame<'_>, Option<String>)) -> Option<Vec<u8>> {
        let said = last_said();
        // The size is fixed, and the terminal made anew when it changes: asking it for its size or its cursor would open it
        // once more, and wait for an answer.
        let is_stale = STALE.swap(false, Ordering::SeqCst);
        if is_stale || self.terminal.is_none() || self.size != size {
            let viewport = Viewport::Fixed(Rect::new(0, 0, size.0, size.1));
            lock(&self.bytes.0).extend_from_slice(CLEAR);
            let backend = CrosstermBackend::new(self.bytes.clone());
            let terminal = Terminal::with_options(backend, TerminalOptions { viewport }).ok()?;
            (self.terminal, self.size) = (Some(terminal), size);
        }
        let terminal = self.terminal.as_mut()?;
        terminal.draw(|frame| draw(frame, said)).ok()?;
        Some(std::mem::take(&mut *lock(&self.bytes.0)))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn write_frames(frames: &Receiver<Vec<u8>>, is_busy: &AtomicBool) {
    while let Ok(frame) = frames.recv() {
        let mut entered = lock(&ENTERED);
        if entered.is_some() {
            let mut stderr = io::stderr().lock();
            let wrote = stderr.write_all(&frame).and_then(|()| stderr.flush());
            // Whoever wanted to give the terminal back may have stopped waiting for this frame.
            if wrote.is_err() || !ON.load(Ordering::SeqCst) {
                ON.store(false, Ordering::SeqCst);
                leave(&mut entered);
            }
        }
        drop(entered);
        is_busy.store(false, Ordering::Release);
    }
}

/// A panic's message must not be lost with the alternate screen.
fn restore_on_panic() {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
    });
}
