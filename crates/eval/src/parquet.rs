//! Parquet files as the JSON lines that they mean, so that predictions and task data have one reader each.
//!
//! Rows become objects in order. Numbers and texts stay what they are; lists and structures become JSON's; a time stamp
//! becomes seconds since 1970, a date its text; bytes must be UTF-8. Built with the feature `parquet` only.

use std::io;

#[cfg(feature = "parquet")]
pub(crate) use rows::Lines;

/// Why a Parquet file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ParquetError {
    /// The program was built without the feature.
    #[error("this program was built without the feature `parquet`")]
    Unsupported,
    /// The file is damaged, or holds what has no meaning here.
    #[error("{0}")]
    Broken(String),
}

impl ParquetError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Unsupported => {
                "build it with `cargo build --release --features parquet`, or write the file as JSON lines or CSV"
            }
            Self::Broken(_) => {
                "write the file again; texts, numbers, lists and structures are read, with Snappy, Zstandard, LZ4 or gzip"
            }
        }
    }
}

impl From<ParquetError> for io::Error {
    fn from(error: ParquetError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// What stands for numbers that are not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotFinite {
    /// Python's words, which the reader of predictions refuses by name where a number is needed.
    Named,
    /// `null`, as pandas has them.
    Null,
}

/// Lines that cannot be had.
#[cfg(not(feature = "parquet"))]
#[derive(Debug)]
pub(crate) struct Lines;

#[cfg(not(feature = "parquet"))]
impl Lines {
    pub(crate) fn of_file(_: std::fs::File, _: NotFinite, _: &dyn Fn(&str) -> bool) -> Result<Self, ParquetError> {
        Err(ParquetError::Unsupported)
    }

    pub(crate) fn of_bytes(_: &[u8], _: NotFinite) -> Result<Self, ParquetError> {
        Err(ParquetError::Unsupported)
    }
}

#[cfg(not(feature = "parquet"))]
impl io::Read for Lines {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ParquetError::Unsupported.into())
    }
}

#[cfg(feature = "parquet")]
mod rows {
    use std::fmt::Write as _;
    use std::fs::File;
    use std::io;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use parquet::basic::{ConvertedType, LogicalType, TimeUnit};
    use parquet::errors::ParquetError as Inner;
    use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
    use parquet::record::reader::{ReaderIter, TreeBuilder};
    use parquet::record::{Field, Row};
    use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, Type};

    use super::{NotFinite, ParquetError};

    /// The rows of a Parquet file as JSON lines, a line at a time.
    pub(crate) struct Lines {
        file: Box<dyn FileReader>,
        columns: SchemaDescPtr,
        /// For each column, units in a second where it holds whole numbers that are time stamps.
        units: Vec<Option<f64>>,
        not_finite: NotFinite,
        rows: Option<ReaderIter>,
        /// Row groups that were begun.
        groups: usize,
        line: String,
        /// Bytes of the line that were handed out.
        given: usize,
        count: u64,
    }

    impl std::fmt::Debug for Lines {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("Lines").field("rows", &self.count).finish_non_exhaustive()
        }
    }

    impl Lines {
        /// Reads the columns of a file that are asked for; all of them where none is.
        pub(crate) fn of_file(
            file: File,
            not_finite: NotFinite,
            is_asked: &dyn Fn(&str) -> bool,
        ) -> Result<Self, ParquetError> {
            Self::new(file, not_finite, is_asked)
        }

        /// Reads every column.
        pub(crate) fn of_bytes(bytes: &[u8], not_finite: NotFinite) -> Result<Self, ParquetError> {
            Self::new(bytes::Bytes::copy_from_slice(bytes), not_finite, &|_| true)
        }

        fn new(
            source: impl ChunkReader + 'static,
            not_finite: NotFinite,
            is_asked: &dyn Fn(&str) -> bool,
        ) -> Result<Self, ParquetError> {
            let open = || SerializedFileReader::new(source).map_err(broken);
            let file: Box<dyn FileReader> = Box::new(guarded(open)?);
            let columns = asked(&file.metadata().file_metadata().schema_descr_ptr(), is_asked)?;
            let units =
                columns.root_schema().get_fields().iter().map(|column| unit(column)).collect::<Result<_, _>>()?;
            let line = String::new();
            Ok(Self { file, columns, units, not_finite, rows: None, groups: 0, line, given: 0, count: 0 })
        }

        fn next_row(&mut self) -> Result<Option<Row>, ParquetError> {
            loop {
                if let Some(row) = self.rows.as_mut().and_then(Iterator::next) {
                    self.count += 1;
                    return row.map(Some).map_err(broken);
                }
                if self.groups == self.file.num_row_groups() {
                    return Ok(None);
                }
                let group = self.file.get_row_group(self.groups).map_err(broken)?;
                self.groups += 1;
                self.rows = Some(TreeBuilder::new().as_iter(self.columns.clone(), &*group).map_err(broken)?);
            }
        }

        /// Writes the next row as a line; whether there was one.
        fn advance(&mut self) -> Result<bool, ParquetError> {
            let Some(row) = self.next_row()? else { return Ok(false) };
            self.line.clear();
            self.given = 0;
            let mut text = Text { out: &mut self.line, not_finite: self.not_finite };
            let refuse = |problem| ParquetError::Broken(format!("row {}: {problem}", self.count));
            text.object(row.get_column_iter(), &self.units).map_err(refuse)?;
            self.line.push('\n');
            Ok(true)
        }
    }

    impl io::Read for Lines {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.given == self.line.len() && !guarded(|| self.advance())? {
                return Ok(0);
            }
            let rest = &self.line.as_bytes()[self.given..];
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            self.given += count;
            Ok(count)
        }
    }

    /// Calls the reader of the format: where parts of a damaged file contradict each other, or a date is none, it
    /// panics, and that is damage, not a bug of ours. Nothing is read on after an error.
    fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
        catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(ParquetError::Broken(format!("it contradicts itself: {}", said.unwrap_or("unknown"))))
        })
    }

    fn broken(error: Inner) -> ParquetError {
        ParquetError::Broken(error.to_string())
    }

    /// The columns that are asked for.
    fn asked(all: &SchemaDescPtr, is_asked: &dyn Fn(&str) -> bool) -> Result<SchemaDescPtr, ParquetError> {
        let root = all.root_schema();
        let fields: Vec<_> = root.get_fields().iter().filter(|column| is_asked(column.name())).cloned().collect();
        if fields.is_empty() || fields.len() == root.get_fields().len() {
            return Ok(all.clone());
        }
        let root = Type::group_type_builder(root.name()).with_fields(fields).build().map_err(broken)?;
        Ok(Arc::new(SchemaDescriptor::new(Arc::new(root))))
    }

    /// Units in a second of a column that holds time stamps as whole numbers. The reader of rows knows the older way of
    /// saying so by itself, and has none for nanoseconds.
    fn unit(column: &Type) -> Result<Option<f64>, ParquetError> {
        if column.is_group() {
            return match column.get_fields().iter().map(|inner| unit(inner)).find(|unit| !matches!(unit, Ok(None))) {
                None => Ok(None),
                Some(_) => Err(ParquetError::Broken(format!("the column `{}` has time stamps inside", column.name()))),
            };
        }
        let info = column.get_basic_info();
        Ok(match info.logical_type_ref() {
            Some(LogicalType::Timestamp(stamp)) if info.converted_type() == ConvertedType::NONE => {
                Some(match stamp.unit {
                    TimeUnit::MILLIS => 1e3,
                    TimeUnit::MICROS => 1e6,
                    TimeUnit::NANOS => 1e9,
                })
            }
            _ => None,
        })
    }

    /// Writes values as JSON.
    struct Text<'a> {
        out: &'a mut String,
        not_finite: NotFinite,
    }

    impl Text<'_> {
        fn object<'f>(
            &mut self,
            entries: impl Iterator<Item = (&'f String, &'f Field)>,
            units: &[Option<f64>],
        ) -> Result<(), String> {
            self.out.push('{');
            for (index, (name, field)) in entries.enumerate() {
                if index > 0 {
                    self.out.push(',');
                }
                self.text(name);
                self.out.push(':');
                match (field, units.get(index).copied().flatten()) {
                    (Field::Long(stamp), Some(unit)) => self.seconds(*stamp, unit),
                    (field, _) => self.value(field).map_err(|problem| format!("the column `{name}`: {problem}"))?,
                }
            }
            self.out.push('}');
            Ok(())
        }

        fn value(&mut self, field: &Field) -> Result<(), String> {
            match field {
                Field::Null => self.out.push_str("null"),
                Field::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
                Field::Byte(_)
                | Field::Short(_)
                | Field::Int(_)
                | Field::Long(_)
                | Field::UByte(_)
                | Field::UShort(_)
                | Field::UInt(_)
                | Field::ULong(_)
                | Field::Decimal(_) => self.plain(field),
                Field::Float16(value) => self.number(value.to_f64()),
                Field::Float(value) => self.number(f64::from(*value)),
                Field::Double(value) => self.number(*value),
                Field::Str(text) => self.text(text),
                Field::Bytes(bytes) => self.text(std::str::from_utf8(bytes.data()).map_err(|error| error.to_string())?),
                Field::Date(_) | Field::TimeMillis(_) | Field::TimeMicros(_) => {
                    self.out.push('"');
                    self.plain(field);
                    self.out.push('"');
                }
                Field::TimestampMillis(stamp) => self.seconds(*stamp, 1e3),
                Field::TimestampMicros(stamp) => self.seconds(*stamp, 1e6),
                Field::Group(row) => self.object(row.get_column_iter(), &[])?,
                Field::ListInternal(list) => self.list(list.elements())?,
                Field::MapInternal(map) => self.map(map.entries())?,
            }
            Ok(())
        }

        fn list(&mut self, items: &[Field]) -> Result<(), String> {
            self.out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    self.out.push(',');
                }
                self.value(item)?;
            }
            self.out.push(']');
            Ok(())
        }

        fn map<'f>(&mut self, entries: &'f [(Field, Field)]) -> Result<(), String> {
            let entry = |pair: &'f (Field, Field)| match &pair.0 {
                Field::Str(name) => Ok((name, &pair.1)),
                other => Err(format!("`{other}` is no text and names a value")),
            };
            let entries: Vec<(&String, &Field)> = entries.iter().map(entry).collect::<Result<_, _>>()?;
            self.object(entries.into_iter(), &[])
        }

        fn text(&mut self, text: &str) {
            // A text has a JSON form, always.
            self.out.push_str(&serde_json::to_string(text).unwrap_or_default());
        }

        fn plain(&mut self, field: &Field) {
            // Writing to memory does not fail.
            let _ = write!(self.out, "{field}");
        }

        #[expect(clippy::cast_precision_loss, reason = "a time stamp is exact to a microsecond for centuries")]
        fn seconds(&mut self, stamp: i64, unit: f64) {
            self.number(stamp as f64 / unit);
        }

        fn number(&mut self, value: f64) {
            let shown = match (value.is_finite(), self.not_finite) {
                (true, _) => serde_json::to_string(&value).unwrap_or_default(),
                (false, NotFinite::Null) => "null".to_owned(),
                (false, NotFinite::Named) if value.is_nan() => "NaN".to_owned(),
                (false, NotFinite::Named) => if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
            };
            self.out.push_str(&shown);
        }
    }
}
