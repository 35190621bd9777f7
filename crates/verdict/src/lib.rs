//! Whether a figure changed: statistics applied to records.
//!
//! [`compare`] sets sides against each other, each of them one or more runs. The unit is the run: requests inside a run share
//! its luck, and a test that takes each for an independent witness finds changes where there are none. A change is called worse
//! where the whole interval of the ratio lies beyond a margin, and the margin is never below what two equal sides differ by on
//! this host ([`noise`]).
//!
//! [`leak`] tells from memory after each of many equal loads whether a process leaks.
//!
//! Records that were not made alike are refused ([`alike`]). The room reads no files: the edge hands records in, and the
//! [`Comparison`](weighbridge_types::comparison::Comparison) that comes out is shown by the report room.

pub mod ab;
pub mod alert;
pub mod alike;
pub mod cells;
mod compare;
mod confirm;
mod decide;
mod error;
pub mod gate;
pub mod history;
pub mod leak;
pub mod noise;
pub mod regress;
pub mod results;
mod shapes;

pub use compare::{Settings, Side, compare};
pub use confirm::{Again, Confirmation, confirm};
pub use error::VerdictError;
