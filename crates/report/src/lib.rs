//! Console, Markdown and HTML reports, and the record validator.
//!
//! Every function here is pure: data in, text out. The edges print and write files.
//!
//! - [`console::render`], [`markdown::render`], [`html::render`], [`json::render`] and [`json::csv`] show a run;
//! - [`documents::documents`] makes the dated files of a campaign;
//! - [`check::check`] recomputes what a record says;
//! - [`import::import`] takes the results of other tools, [`export::export`] writes their forms;
//! - [`schema`] holds the JSON schemas of the stored forms.
//!
//! What a report says is decided once, in sections that the renderers share, and a figure is formatted in one place,
//! with as many digits as its interval supports. The price: a renderer cannot say something of its own.

pub mod check;
pub mod console;
pub mod documents;
pub mod export;
pub mod html;
pub mod import;
pub mod json;
pub mod markdown;
pub mod schema;

mod chart;
mod number;
mod view;

pub use view::performance::Results;
