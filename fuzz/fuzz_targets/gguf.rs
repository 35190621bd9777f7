//! Any bytes as a GGUF file: an answer or a typed error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weighbridge_engine::Tokenizer;
use weighbridge_engine_local::formats::Bytes;
use weighbridge_engine_local::weights::ModelFile;

fuzz_target!(|data: &[u8]| {
    if let Ok(model) = ModelFile::from_gguf(Bytes::copy_from(data))
        && let Ok(tokenizer) = model.build_tokenizer()
    {
        let ids = tokenizer.encode("The request, naïve ☃ 42").unwrap_or_default();
        tokenizer.decode(&ids);
    }
});
