//! Which instructions the kernels may use.

#[cfg(target_arch = "x86_64")]
use super::vnni::Vnni;
#[cfg(target_arch = "x86_64")]
use super::x86::Avx2;

/// An instruction set that this machine has. Made by [`Isa::detect`] or [`Isa::available`] only, so that holding one
/// proves that its instructions exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// What every machine has.
    Portable,
    /// AVX2, FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// The same, and the byte products of AVX-512 VNNI.
    #[cfg(target_arch = "x86_64")]
    Vnni(Avx2, Vnni),
}

impl Isa {
    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Vnni(..) => "vnni",
        }
    }

    /// The fastest one.
    #[must_use]
    pub fn detect() -> Self {
        Self::available().pop().unwrap_or(Self::Portable)
    }

    /// Every one that this machine has, fastest last.
    #[must_use]
    pub fn available() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "other machines have one"))]
        let mut found = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = Avx2::detect() {
            found.push(Self::Avx2(avx2));
            found.extend(Vnni::detect().map(|vnni| Self::Vnni(avx2, vnni)));
        }
        found
    }

    /// Runs plain code compiled for this instruction set. The compiler then uses its wider registers; results are the
    /// same, because Rust never fuses or reorders float operations by itself.
    #[inline(always)]
    pub(super) fn vectorize<T>(self, work: impl FnOnce() -> T) -> T {
        match self {
            Self::Portable => work(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) | Self::Vnni(avx2, _) => avx2.vectorize(work),
        }
    }
}
