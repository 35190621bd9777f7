//! The client against loopback servers.

mod connect;
mod connections;
mod faults;
mod keys;
mod meter;
mod score;
mod streams;
mod support;
mod tls;
