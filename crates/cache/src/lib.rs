//! Answers that need not be asked for again: memory before disk before a shared server, keyed by the whole request.
//!
//! A [`Key`] is the digest of everything that decides an answer; the caller puts it together, and says by a [`Tag`] what the
//! answer is. [`Levels`] looks into memory, then into what lies below: folders of append-only files ([`segment`]), in which every
//! entry carries a checksum, its expiry and what computing it took, and servers behind [`Remote`]. [`Answers`] is the front of a
//! server: many callers that miss the same answer wait for one computation. [`Near`]
//! finds texts that are nearly equal, for those who want that, [`cached`] wraps a function. [`Cache`] is memory before one folder for whoever
//! wants its errors. This room does not know what an answer is.
//!
//! Several processes may read and write one folder: each appends to a file of its own, and looks now and then for what others
//! have written. A kill at any byte leaves a folder that is valid up to the last whole entry. The price of the simple form is that
//! all keys of a folder stand in memory, are read when it is opened, and that room is made by dropping its oldest file, of which
//! only a part of what is worth most is copied on. Timing runs never read a cache.

mod answers;
mod cache;
mod cached;
mod clock;
mod disk;
mod error;
mod gate;
mod key;
mod level;
mod levels;
mod memory;
mod near;
mod pack;
pub mod remote;
pub mod segment;
mod tag;

pub use answers::{Answers, AnswersReport, AnswersSettings, Failure};
pub use cache::{Cache, Counts, Limits};
pub use cached::cached;
pub use clock::{ManualWall, SystemWall, WallClock};
pub use disk::{VerifyReport, Writes, verify};
pub use error::CacheError;
pub use key::Key;
pub use level::{Kept, LevelReport, LevelSettings, Policy};
pub use levels::{Keep, Levels, Source};
pub use near::{Near, NearHit, NearReport, NearSettings, normalize, simhash};
pub use remote::{Remote, RemoteError};
pub use tag::Tag;
