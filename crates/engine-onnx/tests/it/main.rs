//! Classifiers through the public interface.

mod damage;
mod graph;
mod parity;
mod serving;
