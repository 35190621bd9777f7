//! When sessions begin: schedules that are absolute, seeded and the same on any number of threads.
//!
//! One choice runs through it: a schedule is a process of rate 1 whose time is stretched until the planned rate comes
//! out (time rescaling). Ramps and waves so keep the burstiness of their process, and no schedule adds up waiting
//! times that were rounded.

mod curve;
mod grammar;
mod schedule;
mod times;

#[cfg(test)]
mod tests;

pub use curve::Curve;
pub use schedule::{Arrivals, Process, Stage};
pub use times::ArrivalTimes;
