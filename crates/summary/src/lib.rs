//! From recorded rows to figures.
