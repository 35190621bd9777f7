//! The model inside the binary.

/// Gives the bytes the alignment that weights need to be read in place.
#[repr(C, align(64))]
struct Aligned<Bytes: ?Sized>(Bytes);

static ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!("../../../models/tiny/tiny-f16.gguf"));

/// The GGUF file of the model `tiny`, aligned to 64 bytes.
pub(crate) fn tiny() -> &'static [u8] {
    &ALIGNED.0
}
