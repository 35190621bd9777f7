//! llama.cpp behind the contract, beside the engine of our own.

mod contract;
mod files;
mod greedy;
mod support;
