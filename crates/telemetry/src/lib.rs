//! Host, process and GPU sampling.
