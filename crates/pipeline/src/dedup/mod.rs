//! What is nearly the same: MinHash signatures in bands, verified by the exact similarity, and what follows for splits.

mod cluster;
mod index;
mod minhash;

pub use cluster::{Clusters, Split, cluster_texts, split_of};
pub use index::{Nearest, SimilarTexts};
pub use minhash::{Shingles, Signature, Signer};
