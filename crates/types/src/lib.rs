//! The nouns of Weighbridge: units, time stamps, metric definitions, the record.
//!
//! Everything that two rooms must agree on lives here, with its formula where it has one. This room does no
//! input or output, and cannot fail except in checked constructors; the one thing it reads is the clock.
//!
//! The main types are [`request::RequestRow`] (what happened to one request, with every latency formula as a
//! method), [`metric::Metric`] (one reported number with its count, interval and origin) and [`record::Record`]
//! (one run). Stored types are the domain types themselves: one schema, no mapping layer, at the price that a
//! renamed field is a new schema version.

pub mod address;
pub mod alert;
pub mod base64;
pub mod breach;
pub mod cache;
pub mod calibration;
pub mod comparison;
pub mod definition;
pub mod environment;
pub mod event;
pub mod exhibit;
mod frame_code;
pub mod fresh;
pub mod health;
pub mod history;
pub mod latency_counts;
pub mod memory_profile;
pub mod metric;
pub mod model_ref;
pub mod performance;
pub mod record;
pub mod request;
pub mod resource;
pub mod sample;
pub mod server;
pub mod start;
pub mod stream;
pub mod telemetry;
pub mod time;
pub mod timeline;
pub mod units;
