//! Block formats against `gguf.quants` (gguf 0.19.0), byte for byte.

use weighbridge_engine_local::quant::BlockType;

use crate::fixtures::{floats, from_hex, json};

#[test]
fn blocks_equal_the_reference() {
    let vectors = json("quant.json");
    let values = floats(&from_hex(&vectors["values"]));
    for (name, vector) in vectors["types"].as_object().unwrap() {
        let block_type: BlockType = name.parse().unwrap();
        let blocks = from_hex(&vector["blocks"]);
        let mut decoded = vec![0.0; values.len()];
        block_type.dequantize(&blocks, &mut decoded);
        assert_eq!(bits(&decoded), bits(&floats(&from_hex(&vector["dequantized"]))), "{name} to floats");
        if vector["quantized_from_values"] == true {
            let mut encoded = vec![0; blocks.len()];
            block_type.quantize(&values, &mut encoded);
            assert_eq!(encoded, blocks, "floats to {name}");
        }
    }
}

/// Bits, because -0 and 0 must not pass for each other.
fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// The K formats have no reference quantizer in Python; they must beat the simpler format of the same
/// size, and each other in the order of their bits.
#[test]
fn error_falls_with_the_bits() {
    let values = floats(&from_hex(&json("quant.json")["values"]));
    let error = |block_type: BlockType| {
        let mut blocks = vec![0; block_type.row_bytes(values.len()).unwrap()];
        block_type.quantize(&values, &mut blocks);
        let mut decoded = vec![0.0; values.len()];
        block_type.dequantize(&blocks, &mut decoded);
        let squares = |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x).powi(2)).sum::<f64>();
        (squares(&mut values.iter().zip(&decoded).map(|(a, b)| a - b)) / squares(&mut values.iter().copied())).sqrt()
    };
    let order = [BlockType::Q4_0, BlockType::Q4K, BlockType::Q5K, BlockType::Q6K, BlockType::Q8_0, BlockType::F16];
    let errors = order.map(error);
    assert!(errors.is_sorted_by(|a, b| a > b), "{errors:?}");
    let limits = [0.12, 0.09, 0.045, 0.025, 0.01, 0.001];
    assert!(errors.iter().zip(limits).all(|(error, limit)| *error < limit), "{errors:?}");
}

#[test]
fn extreme_rows_stay_finite() {
    for block_type in BlockType::ALL {
        for row in [[0.0_f32; 256], [1e-30; 256], [-5.0; 256], [65000.0; 256], std::array::from_fn(|i| -(i as f32))] {
            let mut blocks = vec![0; block_type.row_bytes(256).unwrap()];
            block_type.quantize(&row, &mut blocks);
            let mut decoded = [0.0; 256];
            block_type.dequantize(&blocks, &mut decoded);
            let largest = row.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            for (a, b) in row.iter().zip(decoded) {
                assert!((a - b).abs() <= largest * 0.1 + 1e-6, "{block_type}: {a} became {b}");
            }
        }
    }
}

#[test]
fn names_parse() {
    for block_type in BlockType::ALL {
        assert_eq!(block_type.to_string().to_lowercase().parse(), Ok(block_type));
        assert_eq!(BlockType::from_gguf_id(block_type.gguf_id()), Some(block_type));
    }
    let error = "q3_k".parse::<BlockType>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "parse quantization `q3_k`: supported are F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K, Q6_K"
    );
}
