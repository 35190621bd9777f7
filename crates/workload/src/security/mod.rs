//! Generated security events: what a monitoring system would hand to a model.
//!
//! All addresses are of the ranges kept for documentation (RFC 5737, RFC 2606, RFC 1918);
//! nothing here names a real host or person.

pub(crate) mod api_calls;
pub(crate) mod email;
pub(crate) mod http_request;
pub(crate) mod log_line;
pub(crate) mod values;

/// One event of no particular kind, as a line of running text.
pub(crate) fn any_event(source: &mut crate::source::Source) -> String {
    if source.chance(70) { log_line::any_line(source) } else { http_request::any_request(source) }
}
