//! The five-phase weigh-in.
