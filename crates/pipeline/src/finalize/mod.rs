//! Stage 6: the files of the data set.

mod card;
mod formats;
mod record;
mod write;

pub use card::{CARD_VERSION, Card, FileEntry, QualityCard, card_markdown};
pub use formats::{csv_of, line_of};
pub use record::{
    ChunkRecord, DATASET_VERSION, DocumentRecord, ExtractionRecord, ItemRecord, RejectedRecord, TurnRecord,
};
pub use write::read_lines;
pub(crate) use write::{Lines, write_dataset};
