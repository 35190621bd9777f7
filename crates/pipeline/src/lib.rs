//! Documents become a data set: six stages from converted text to grounded conversations.
//!
//! [`preprocess`] freezes and cuts texts, [`extract`] finds what they say, [`converse`] asks about it, [`quality`] scores the answers by
//! the bytes that they cite, [`dedup`] finds what is nearly the same, [`finalize`] writes the files. Each is made of pure functions;
//! [`run`] leads every document through them and keeps account: each ends in one counted state, with a reason. [`targets`]
//! and [`adaptive`] judge and choose.
//!
//! Without a model, patterns and templates do the work: answers are then the source's own words. With one, its replies are
//! taken apart, and what does not stand in the source is left out and counted. What was paid for lies in a journal, so that a run that
//! was killed goes on and writes the same bytes. The price is that items are held in memory until all are known.
//!
//! This room does not know how files are found and converted: a [`run::Source`] gives it documents. It knows no command line and no
//! server.

pub mod adaptive;
pub mod converse;
pub mod dedup;
pub mod digest;
pub mod extract;
pub mod finalize;
pub mod preprocess;
pub mod quality;
pub mod run;
pub mod settings;
pub mod targets;
pub mod words;
