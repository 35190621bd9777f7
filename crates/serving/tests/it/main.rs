//! Tests of the pool against engines with a script.

mod pool;
