//! What the shipped task sets promise.

mod task_sets;
