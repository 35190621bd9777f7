//! Marked-up text: one reader of tags for HTML and for the XML of office files, which neither trusts.
//!
//! The reader never fails and never looks back: each byte is read a bounded number of times. Entities that a document
//! declares itself are not expanded, in either.

pub(crate) mod entities;
pub(crate) mod token;
pub(crate) mod tree;
pub(crate) mod xml;
