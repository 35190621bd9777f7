//! A server
pub const SERVER_NAME: &str = "weighbridge-scripted";
