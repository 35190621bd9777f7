//! Parquet files of predictions and of documents, as other programs write them and as this one does.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;
use weighbridge_eval::predictions::{Field, Form, Mapping, PredictionsError, read, read_from};
use weighbridge_eval::score::{Settings, score_file};
use weighbridge_eval::task::Value;
use weighbridge_eval::task::data::Rows;

/// Written by pyarrow 26: `tests/vectors/make_parquet.py`.
const WRITTEN: &str = "tests/it/data/predictions.parquet";

fn written() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(WRITTEN)
}

fn documents(bytes: &[u8]) -> Result<Rows, String> {
    Rows::of_bytes(Path::new("a.parquet"), bytes, &Value::None).map_err(|error| error.to_string())
}

#[test]
fn predictions_of_another_program_are_scored() {
    let report =
        score_file(&written(), &Settings { positive: Some("attack".to_owned()), ..Settings::default() }).unwrap();
    let value = |name: &str| report.figures.iter().find(|metric| metric.name == name).unwrap().value;
    // Right in rows of the weights 1 and 2, out of 5.
    assert_eq!((value("samples"), value("accuracy")), (Some(4.0), Some(0.6)));
    let mut rows = Vec::new();
    read(&written(), None, &Mapping::parse(["references=tags", "bytes=ratio"]).unwrap(), |row| {
        let stamp = row.number(Field::Timestamp).unwrap().unwrap();
        rows.push((row.line, stamp, format!("{:?}", row.get(Field::References)), row.number(Field::Bytes).is_err()));
        Ok(())
    })
    .unwrap();
    let tags = [r#"Json("[\"x\",\"quoted \\\"y\\\"\"]")"#, r#"Json("[]")"#, "Null", r#"Json("[\"z\"]")"#];
    // 2026-03-01 00:00 UTC, and the hours after; a score that is no number is found in its row.
    let expected = |row: usize| (row as u64 + 1, 1_772_323_200.0 + 3600.0 * row as f64, tags[row].to_owned(), row == 1);
    assert_eq!(rows, [0, 1, 2, 3].map(expected));
}

#[test]
fn documents_keep_their_types() {
    let rows = documents(&std::fs::read(written()).unwrap()).unwrap();
    assert_eq!(rows.len(), 4);
    let (first, last) = (rows.get(0).unwrap().repr(), rows.get(3).unwrap().repr());
    let expected = "{'id': 'a', 'target': 'attack', 'prediction': 'attack', 'score': 0.875, \
                    'probabilities': {'attack': 0.875, 'benign': 0.125}, 'timestamp': 1772323200.0, 'weight': 1, \
                    'problem': None, 'tags': ['x', 'quoted \"y\"'], 'raw': 'a', 'day': '2026-03-01', 'ratio': 1.0}";
    assert_eq!(first, expected);
    assert!(last.contains("'problem': 'timed_out'") && last.ends_with("'ratio': 1e+300}"), "{last}");
    assert_eq!(rows.get(1).unwrap().get("ratio"), Some(&Value::None), "what is no number is missing");
    // Single precision is widened, not rounded again, as pyarrow does.
    assert_eq!(rows.get(2).unwrap().get("score").unwrap().repr(), "0.4000000059604645");
}

/// A file of two columns, written with a codec.
fn file(rows: &[(String, f64)], codec: Compression) -> Vec<u8> {
    let schema =
        Arc::new(parse_message_type("message rows { required binary id (UTF8); required double score; }").unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(codec).build());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
    for rows in rows.chunks(3) {
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let texts: Vec<ByteArray> = rows.iter().map(|(id, _)| ByteArray::from(id.as_str())).collect();
        column.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let scores: Vec<f64> = rows.iter().map(|(_, score)| *score).collect();
        column.typed::<DoubleType>().write_batch(&scores, None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

fn codecs() -> [Compression; 5] {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::LZ4_RAW, Compression::GZIP(Default::default()), zstd]
}

#[test]
fn what_is_no_parquet_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.parquet");
    std::fs::write(&path, b"{\"id\": 1}\n").unwrap();
    let error = read(&path, None, &Mapping::default(), |_| Ok(())).unwrap_err();
    assert!(matches!(error, PredictionsError::Parquet { .. }) && error.to_string().contains("p.parquet"), "{error}");
    std::fs::write(&path, file(&[], Compression::SNAPPY)).unwrap();
    assert!(matches!(read(&path, None, &Mapping::default(), |_| Ok(())), Err(PredictionsError::Empty)));
    let error = read_from(&b"PAR1"[..], Form::Parquet, &Mapping::default(), |_| Ok(())).unwrap_err();
    assert!(matches!(error, PredictionsError::Stream), "{error}");
    let latin = parse_message_type("message rows { required binary id; }").unwrap();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, Arc::new(latin), Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let texts = [ByteArray::from(Bytes::from_static(b"ok")), ByteArray::from(Bytes::from_static(b"gr\xF6\xDFe"))];
    column.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    let problem = documents(&bytes).unwrap_err();
    assert!(problem.contains("row 2: the column `id`: invalid utf-8"), "{problem}");
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(rows in prop::collection::vec((".*", any::<f64>()), 1..9), codec in 0_usize..5) {
        prop_assume!(rows.iter().all(|(_, score)| score.is_finite()));
        let found = documents(&file(&rows, codecs()[codec])).unwrap();
        let pair = |row: usize| {
            let doc = found.get(row).unwrap();
            let Some(Value::Float(score)) = doc.get("score") else { panic!("{}", doc.repr()) };
            (doc.get("id").unwrap().text(), *score)
        };
        prop_assert_eq!((0..found.len()).map(pair).collect::<Vec<_>>(), rows);
    }

    /// Damage anywhere is an error or other rows, and never a panic.
    #[test]
    fn damage_does_not_panic(place in 0_usize..10_000, byte: u8, cut in 0_usize..10_000, whole: bool) {
        let mut bytes = std::fs::read(written()).unwrap();
        let place = place % bytes.len();
        bytes[place] = byte;
        if !whole {
            bytes.truncate(cut % bytes.len());
        }
        drop(documents(&bytes));
    }
}
