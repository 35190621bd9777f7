//! What a model server tells of itself: the names it uses, a scraper beside a run, and figures over a window.

mod dcgm;
mod names;
mod reading;
mod scraper;
mod summary;

pub use dcgm::{DcgmError, read_dcgm};
pub use names::{METRICS_PATHS, NAMES, NameRow, Part, Target};
pub use reading::{ServerError, ServerReading, read_server};
pub use scraper::{Answer, Fetch, ScrapeCost, ScrapeReport, ScrapeSettings, Scraper, dcgm_reader, server_reader};
pub use summary::{scrape_metrics, server_metrics, watch_cost};
