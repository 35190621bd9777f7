//! Console, Markdown and HTML reports, and the record validator.
//!
//! Every function here is pure: data in, text out. The edges print and write files. What a report says is decided once,
//! in the sections that the three renderers share; a figure is formatted in one place, with as many digits as its
//! interval supports.

mod chart;
pub mod console;
pub mod html;

mod number;
mod view;
