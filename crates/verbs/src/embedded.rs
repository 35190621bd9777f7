//! The models inside the binary.

/// Gives the bytes the alignment that weights need to be read in place.
#[repr(C, align(64))]
struct Aligned<Bytes: ?Sized>(Bytes);

static ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!("../../../models/tiny/tiny-f16.gguf"));

/// The GGUF file of the model `tiny`, aligned to 64 bytes.
pub(crate) fn tiny() -> &'static [u8] {
    &ALIGNED.0
}

/// The classifiers inside the binary, by name.
const CLASSIFIERS: [(&str, &[u8]); 4] = [
    ("network", include_bytes!("../../../models/network/network.onnx")),
    ("malware", include_bytes!("../../../models/malware/malware.onnx")),
    ("email", include_bytes!("../../../models/email/email.onnx")),
    ("bytes", include_bytes!("../../../models/bytes/bytes.onnx")),
];

/// Name and ONNX file of a shipped classifier; `None` for any other name.
pub(crate) fn classifier(name: &str) -> Option<(&'static str, &'static [u8])> {
    CLASSIFIERS.into_iter().find(|(known, _)| *known == name)
}
