//! The client against loopback servers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

mod connect;
mod connections;
mod faults;
mod guard;
mod keys;
mod meter;
mod pools;
mod relay;
mod score;
mod streams;
mod support;
mod tls;
mod webhook;
