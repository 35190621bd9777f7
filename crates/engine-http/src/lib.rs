//! One HTTP client core with time stamps, and its dialects.
