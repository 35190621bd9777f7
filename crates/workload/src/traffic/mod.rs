//! What a load consists of: sessions of one or more requests, made one by one as the driver needs them.

mod session;

pub use session::{PlannedTurn, Session, Traffic, TurnPrompt};
