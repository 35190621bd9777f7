//! Damaged files: an answer or a typed error, never a panic, never memory that the file does not pay for.

use proptest::prelude::*;
use weighbridge_engine::Tokenizer;
use weighbridge_engine_local::formats::{Bytes, read_safetensors_header};
use weighbridge_engine_local::weights::ModelFile;

use crate::fixtures::bytes;

/// The part of the fixture files that holds structure; damage in the weights only changes numbers.
const HEADER_BYTES: usize = 12_000;

/// Opens a file and uses what came of it, as an engine would.
fn exercise(bytes: &[u8]) {
    match ModelFile::from_gguf(Bytes::copy_from(bytes)) {
        Ok(model) => match model.build_tokenizer() {
            Ok(tokenizer) => {
                let ids = tokenizer.encode("The request, naïve ☃ 42").unwrap_or_default();
                tokenizer.decode(&ids);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        },
        Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_gguf_never_panics(
        name in prop::sample::select(vec!["llama.gguf", "gpt2.gguf"]),
        damage in prop::collection::vec((0..HEADER_BYTES, any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = bytes(name);
        for (offset, value) in damage {
            bytes[offset] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        exercise(&bytes);
    }

    /// Whole 64-bit counts and lengths replaced by extreme ones.
    #[test]
    fn a_lying_count_never_panics(
        offset in 8..HEADER_BYTES,
        count in prop::sample::select(vec![u64::MAX, u64::MAX / 2, 1 << 40, 1 << 32, 1 << 20, 0]),
    ) {
        let mut bytes = bytes("gpt2.gguf");
        bytes[offset..offset + 8].copy_from_slice(&count.to_le_bytes());
        exercise(&bytes);
    }

    #[test]
    fn a_damaged_safetensors_header_never_panics(
        damage in prop::collection::vec((0_usize..1500, any::<u8>()), 1..4),
        len in 0_usize..3000,
    ) {
        let mut bytes = bytes("gpt2/model.safetensors");
        for (offset, value) in damage {
            bytes[offset] = value;
        }
        let _ = read_safetensors_header(&bytes, "x");
        let _ = read_safetensors_header(&bytes[..len], "x");
    }

    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        exercise(&noise);
        let mut gguf = b"GGUF\x03\0\0\0".to_vec();
        gguf.extend(&noise);
        exercise(&gguf);
        let _ = read_safetensors_header(&noise, "x");
    }
}
