//! Record folders and their index.
