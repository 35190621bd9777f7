//! Writing models: synthetic ones, quantized ones, and what is said about them.

use std::fs;
use std::path::Path;

use weighbridge_engine::Tokenizer;
use weighbridge_engine_local::formats::{GgufWriter, MetaArray, MetaValue, Metadata, PlannedTensor};
use weighbridge_engine_local::inspect::inspect;
use weighbridge_engine_local::quant::BlockType;
use weighbridge_engine_local::quantize::quantize;
use weighbridge_engine_local::synth::{Shape, synthesize};
use weighbridge_engine_local::weights::ModelFile;

use crate::fixtures::{model, path};

fn open(path: &Path) -> ModelFile {
    ModelFile::open(path).unwrap_or_else(|error| panic!("failed to {error}"))
}

#[test]
fn a_seed_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let digest = |name: &str, seed: u64| {
        let path = folder.path().join(name);
        synthesize(Shape::Tiny, BlockType::Q8_0, seed, &path).unwrap();
        open(&path).digest()
    };
    let first = digest("a.gguf", 1);
    assert_eq!(first, digest("b.gguf", 1));
    assert_ne!(first, digest("c.gguf", 2));
}

#[test]
fn a_synthetic_model_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    let bytes = synthesize(Shape::Tiny, BlockType::Q4K, 5, &path).unwrap();
    let inspection = inspect(&path).unwrap();
    assert!(inspection.is_synthetic && inspection.has_chat_template);
    assert_eq!((inspection.file_bytes, inspection.expected_bytes), (bytes, bytes));
    assert_eq!(inspection.types[0].block_type, "Q4_K");
    assert_eq!(inspection.parameters, inspection.types.iter().map(|share| share.parameters).sum::<u64>());
    let model = open(&path);
    let values = model.tensor("blk.3.ffn_up.weight").unwrap().to_f32();
    let deviation = (values.iter().map(|x| x * x).sum::<f32>() / values.len() as f32).sqrt();
    assert!((deviation * 16.0 - 1.0).abs() < 0.02, "{deviation}");
    let tokenizer = model.build_tokenizer().unwrap();
    assert_eq!(tokenizer.vocab_size(), 2048);
    let text = "<|im_start|>user\nWeigh this: naïve ☃ 42!<|im_end|>\n";
    let ids = tokenizer.encode(text).unwrap();
    assert_eq!(ids[0], 2046);
    assert_eq!(tokenizer.eos(), [2045, 2047]);
    assert_eq!(tokenizer.decode(&ids), "user\nWeigh this: naïve ☃ 42!\n");
}

#[test]
fn quantizing_reports_its_error() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.gguf");
    let relative = |to: BlockType| {
        let report = quantize(&path("llama.gguf"), &output, to).unwrap();
        assert_eq!(report.output_bytes, fs::metadata(&output).unwrap().len());
        assert_eq!(report.tensors.len(), open(&output).tensors.len());
        report.error.relative.unwrap()
    };
    let errors = [BlockType::Q4_0, BlockType::Q8_0, BlockType::F16].map(relative);
    assert!(errors[0] < 0.1 && errors[1] < 0.01 && errors.is_sorted_by(|a, b| a > b), "{errors:?}");
    assert_eq!(errors[2].to_bits(), 0, "the weights are F16 already");
}

/// A folder becomes the same file that the reference converter makes of it.
#[test]
fn a_folder_converts_to_the_reference_file() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.gguf");
    quantize(&path("llama"), &output, BlockType::F16).unwrap();
    let (converted, reference) = (open(&output), model("llama.gguf"));
    assert_eq!(converted.config, reference.config);
    for (name, tensor) in &reference.tensors {
        assert_eq!(converted.tensor(name).unwrap().to_f32(), tensor.to_f32(), "{name}");
    }
    quantize(&path("gpt2"), &output, BlockType::Q8_0).unwrap();
    let (converted, reference) = (open(&output), model("gpt2.gguf"));
    for (name, tensor) in &reference.tensors {
        let found = converted.tensor(name).unwrap();
        assert_eq!((found.block_type(), found.bytes()), (tensor.block_type(), tensor.bytes()), "{name}");
    }
    let text = "it's 22:15, naïve ☃";
    let ids = |model: &ModelFile| model.build_tokenizer().unwrap().encode(text).unwrap();
    assert_eq!(ids(&converted), ids(&reference));
}

#[test]
fn failed_writes_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("no/such/folder/out.gguf");
    let error = quantize(&path("llama.gguf"), &absent, BlockType::Q8_0).unwrap_err();
    assert!(error.to_string().starts_with("write `"), "{error}");
    assert_eq!(error.hint(), "create the folder first");
    let planned = PlannedTensor { name: "w".into(), dims: vec![2, 48], block_type: BlockType::Q8_0 };
    let error = GgufWriter::create(&folder.path().join("x.gguf"), &Metadata::default(), &[planned]).unwrap_err();
    assert_eq!(error.to_string(), "quantize tensor `w` to Q8_0: its 48 columns are not a multiple of 32");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn metadata_of_every_type_survives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    let mut metadata = Metadata::default();
    let values = [
        MetaValue::U8(1),
        MetaValue::I8(-1),
        MetaValue::U16(2),
        MetaValue::I16(-2),
        MetaValue::U32(3),
        MetaValue::I32(-3),
        MetaValue::U64(u64::MAX),
        MetaValue::I64(i64::MIN),
        MetaValue::F32(0.5),
        MetaValue::F64(0.25),
        MetaValue::Bool(true),
        MetaValue::String("naïve".into()),
        MetaValue::Array(MetaArray::Strings(vec!["a".into(), String::new()])),
        MetaValue::Array(MetaArray::F32(vec![1.5])),
        MetaValue::Array(MetaArray::I32(vec![-7, 7])),
        MetaValue::Array(MetaArray::Other { kind: 2, bytes: vec![1, 0, 2, 0] }),
    ];
    for (index, value) in values.into_iter().enumerate() {
        metadata.insert(&format!("key.{index}"), value);
    }
    let tensor = PlannedTensor { name: "w".into(), dims: vec![3], block_type: BlockType::F32 };
    let mut writer = GgufWriter::create(&path, &metadata, &[tensor]).unwrap();
    writer.write(&[0; 5]).unwrap();
    writer.write(&[0; 7]).unwrap();
    writer.finish().unwrap();
    let bytes = weighbridge_engine_local::formats::Bytes::map(&path).unwrap();
    let file = weighbridge_engine_local::formats::GgufFile::parse(&bytes).unwrap();
    assert_eq!(file.metadata, metadata);
}
