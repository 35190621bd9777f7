//! The attacks of a stream, one by one.

use maud::{Markup, html};
use weighbridge_summary::Rows;
use weighbridge_types::stream::Incident;
use weighbridge_types::time::WallTime;

use crate::number;

/// Incidents that the page lists, at most; those without an alert first.
const MOST: usize = 100;

/// The table of incidents; nothing where there are none.
pub(super) fn incidents(rows: Option<&Rows>) -> Markup {
    let Some(rows) = rows else {
        return html! { p.note { "Charts and incidents need the event log, which was not at hand." } };
    };
    let mut listed: Vec<&Incident> = rows.incidents.iter().collect();
    listed.sort_by(|a, b| (a.alerts > 0).cmp(&(b.alerts > 0)).then(a.start_s.total_cmp(&b.start_s)));
    html! {
        @if !listed.is_empty() {
            div.scroll tabindex="0" role="region" aria-label="Incidents" {
                table {
                    caption { "Incidents; those that raised no alert stand first" }
                    thead { tr {
                        th scope="col" { "incident" }
                        th scope="col" { "first event" }
                        th.number scope="col" { "lasted" }
                        th.number scope="col" { "events" }
                        th.number scope="col" { "alerts" }
                        th.number scope="col" { "detected after" }
                    } }
                    tbody { @for incident in listed.iter().take(MOST) { tr {
                        th scope="row" { (incident.name) }
                        td { (time(incident.start_s)) }
                        td.number { (number::duration(incident.end_s - incident.start_s)) }
                        td.number { (incident.events) }
                        td.number { (incident.alerts) }
                        td.number class=[incident.detected_after_s.is_none().then_some("bad")] {
                            (incident.detected_after_s.map_or_else(|| "never".to_owned(), number::duration))
                        }
                    } } }
                }
            }
            @if listed.len() > MOST { p.note { "The first " (MOST) " of " (listed.len()) " incidents." } }
        }
    }
}

fn time(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let millis = (seconds * 1e3).max(0.0) as u64;
    WallTime::from_unix_millis(millis).to_string().replace(".000Z", "Z")
}
