//! The service through the real binary: its clients, its faults and its bounds.

#![cfg(unix)]

mod balancer;
mod budget;
mod cache;
mod clients;
mod elsewhere;
mod faults;
mod keys;
mod process;
mod routes;
mod security;
mod shared;
mod stops;
mod streams;
mod tools;
