//! The desk: every event that arrived, what became of it, and what follows for stretches, alerts and incidents. It reads no
//! clock and no file.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use foldhash::fast::FixedState;
use weighbridge_types::latency_counts::bucket;
use weighbridge_types::stream::{Found, Incident, Pane, Unanswered};

use super::event::Incoming;
use super::settings::StreamSettings;

/// Labels of attacks that are told apart; further ones are `other`.
const MOST_LABELS: usize = 256;
/// Keys and names that are kept before old ones are looked for.
const SWEPT_FROM: usize = 4_096;
/// What further labels are called.
const OTHER: &str = "other";

/// What an event really is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    Attack,
    Benign,
    Unknown,
}

/// An event that is not answered yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    time_s: f64,
    truth: Truth,
    /// Number of the attack's label.
    label: u32,
    /// What its alert would be about.
    key: Option<u64>,
    /// Number of its incident.
    incident: Option<u64>,
    /// The stretch that it is counted in.
    pane: i64,
}

/// What became of an event without a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    Shed,
    Failed,
    Unrouted,
}

/// A stretch that is open.
#[derive(Debug, Default)]
struct Open {
    pane: Pane,
    /// Events without an end.
    pending: u64,
    /// By number of the label.
    labels: Vec<Found>,
    /// By number of the route.
    routes: Vec<u64>,
}

#[derive(Debug)]
struct OpenIncident {
    incident: Incident,
    pending: u64,
}

#[derive(Debug)]
pub(super) struct Desk {
    settings: StreamSettings,
    routes: Vec<String>,
    labels: HashMap<String, (Truth, u32), FixedState>,
    names: Vec<String>,
    open: BTreeMap<i64, Open>,
    /// The last stretch that was closed.
    closed: Option<i64>,
    /// Largest time stamp so far.
    newest_s: f64,
    /// When each key had its last alert.
    alerts: HashMap<u64, f64, FixedState>,
    /// The incident of a name that is going on.
    going_on: HashMap<u64, u64, FixedState>,
    incidents: BTreeMap<u64, OpenIncident>,
    next_incident: u64,
    hasher: FixedState,
    ready: Vec<Pane>,
    over: Vec<Incident>,
}

impl Desk {
    pub(super) fn new(settings: &StreamSettings) -> Self {
        Self {
            settings: settings.clone(),
            routes: settings.routes.iter().map(|route| route.name.clone()).collect(),
            labels: HashMap::default(),
            names: Vec::new(),
            open: BTreeMap::new(),
            closed: None,
            newest_s: f64::NEG_INFINITY,
            alerts: HashMap::default(),
            going_on: HashMap::default(),
            incidents: BTreeMap::new(),
            next_incident: 0,
            hasher: FixedState::default(),
            ready: Vec::new(),
            over: Vec::new(),
        }
    }

    /// Takes an event at its arrival; `backlog` events wait. Its end must be told.
    pub(super) fn arrive(&mut self, event: &Incoming<'_>, time_s: f64, backlog: usize) -> Ticket {
        let own = self.number_of(time_s);
        let is_out_of_order = time_s < self.newest_s;
        let is_late = self.closed.is_some_and(|closed| own <= closed);
        self.newest_s = self.newest_s.max(time_s);
        let number = if is_late { self.number_of(self.newest_s) } else { own };
        let (truth, label) = self.truth(event.label);
        let incident = if truth == Truth::Attack { self.attend(event, time_s) } else { None };
        let key = event.key.map(|key| self.hash(key));
        let is_new = !self.open.contains_key(&number);
        let open = self.open.entry(number).or_default();
        open.pane.events += 1;
        open.pending += 1;
        open.pane.out_of_order += u64::from(is_out_of_order);
        open.pane.late += u64::from(is_late);
        open.pane.backlog_max = open.pane.backlog_max.max(backlog as u64);
        if truth == Truth::Attack {
            of_number(&mut open.labels, label).events += 1;
        }
        let ticket = Ticket { time_s, truth, label, key, incident, pane: number };
        if is_new {
            self.close(false);
        }
        ticket
    }

    /// Enters a verdict, and how long it took.
    pub(super) fn answered(&mut self, ticket: &Ticket, is_alert: bool, latency: Option<Duration>) {
        let repeats = is_alert && ticket.key.is_some_and(|key| self.repeats(key, ticket.time_s));
        self.enter_incident(ticket, is_alert, latency);
        let Some(open) = self.open.get_mut(&ticket.pane) else { return };
        open.pending -= 1;
        let pane = &mut open.pane;
        let answered = &mut pane.answered;
        let count = match (ticket.truth, is_alert) {
            (Truth::Attack, true) => &mut answered.hits,
            (Truth::Attack, false) => &mut answered.misses,
            (Truth::Benign, true) => &mut answered.alarms,
            (Truth::Benign, false) => &mut answered.quiet,
            (Truth::Unknown, true) => &mut answered.unlabeled_alerts,
            (Truth::Unknown, false) => &mut answered.unlabeled_quiet,
        };
        *count += 1;
        pane.repeated += u64::from(repeats);
        pane.keyed += u64::from(is_alert && ticket.key.is_some());
        if let Some(latency) = latency {
            let ms = latency.as_secs_f64() * 1e3;
            pane.latency_max_ms = Some(pane.latency_max_ms.map_or(ms, |longest| longest.max(ms)));
            let bucket = bucket(latency);
            match pane.latencies.binary_search_by_key(&bucket, |known| known.0) {
                Ok(place) => pane.latencies[place].1 += 1,
                Err(place) => pane.latencies.insert(place, (bucket, 1)),
            }
        }
        if is_alert && ticket.truth == Truth::Attack {
            of_number(&mut open.labels, ticket.label).alerts += 1;
        }
    }

    /// Enters an event that has no verdict.
    pub(super) fn lost(&mut self, ticket: &Ticket, how: Lost) {
        self.enter_incident(ticket, false, None);
        let Some(open) = self.open.get_mut(&ticket.pane) else { return };
        open.pending -= 1;
        let counts: &mut Unanswered = match how {
            Lost::Shed => &mut open.pane.shed,
            Lost::Failed => &mut open.pane.failed,
            Lost::Unrouted => &mut open.pane.unrouted,
        };
        match ticket.truth {
            Truth::Attack => counts.attacks += 1,
            Truth::Benign => counts.benign += 1,
            Truth::Unknown => counts.unlabeled += 1,
        }
    }

    /// A model of this number gave its verdict of an event.
    pub(super) fn predicted(&mut self, ticket: &Ticket, route: usize) {
        if let Some(open) = self.open.get_mut(&ticket.pane) {
            if open.routes.len() <= route {
                open.routes.resize(route + 1, 0);
            }
            open.routes[route] += 1;
        }
    }

    /// Enters a probe of a model; before the first event there is no stretch to enter it in.
    pub(super) fn probed(&mut self, route: usize, passed: bool) {
        let Some(name) = self.routes.get(route).cloned() else { return };
        let Some(mut newest) = self.open.last_entry() else { return };
        let probes = newest.get_mut().pane.probes.entry(name).or_default();
        probes.made += 1;
        probes.passed += u64::from(passed);
    }

    /// Closes every stretch and incident that nothing can change any more; at the end all of them.
    pub(super) fn close(&mut self, is_end: bool) {
        let slide = self.settings.slide_s;
        while let Some(first) = self.open.first_entry() {
            let end_s = (*first.key() as f64 + 1.0) * slide;
            let is_past = end_s + self.settings.lateness_s <= self.newest_s;
            if first.get().pending > 0 || !(is_past || is_end) {
                break;
            }
            let (number, open) = first.remove_entry();
            self.closed = Some(number);
            let pane = self.finish(number, open);
            self.ready.push(pane);
        }
        let from_s = self.newest_s - self.settings.repeat_s - self.settings.lateness_s;
        if self.alerts.len() > SWEPT_FROM {
            self.alerts.retain(|_, last_s| *last_s >= from_s);
        }
        let gap_s = self.settings.incident_gap_s + self.settings.lateness_s;
        let is_over =
            |open: &OpenIncident| open.pending == 0 && (is_end || open.incident.end_s + gap_s < self.newest_s);
        let over: Vec<u64> =
            self.incidents.iter().filter(|(_, open)| is_over(open)).map(|(number, _)| *number).collect();
        for number in over {
            self.over.extend(self.incidents.remove(&number).map(|open| open.incident));
        }
        if self.going_on.len() > SWEPT_FROM {
            self.going_on.retain(|_, number| self.incidents.contains_key(number));
        }
    }

    /// What was closed since the last call.
    pub(super) fn take_closed(&mut self) -> (Vec<Pane>, Vec<Incident>) {
        (std::mem::take(&mut self.ready), std::mem::take(&mut self.over))
    }

    /// Events without an end.
    pub(super) fn pending(&self) -> u64 {
        self.open.values().map(|open| open.pending).sum()
    }

    fn finish(&self, number: i64, open: Open) -> Pane {
        let Open { mut pane, labels, routes, .. } = open;
        pane.start_s = number as f64 * self.settings.slide_s;
        pane.length_s = self.settings.slide_s;
        let named = self.names.iter().zip(labels).filter(|(_, found)| found.events > 0);
        pane.attacks = named.map(|(name, found)| (name.clone(), found)).collect();
        let routes = self.routes.iter().zip(routes).filter(|(_, count)| *count > 0);
        pane.predictions = routes.map(|(name, count)| (name.clone(), count)).collect();
        pane
    }

    #[expect(clippy::cast_possible_truncation, reason = "saturates far beyond any calendar")]
    fn number_of(&self, time_s: f64) -> i64 {
        (time_s / self.settings.slide_s).floor() as i64
    }

    fn hash(&self, text: &str) -> u64 {
        use std::hash::BuildHasher;
        self.hasher.hash_one(text)
    }

    fn truth(&mut self, label: Option<&str>) -> (Truth, u32) {
        let Some(label) = label else { return (Truth::Unknown, 0) };
        if let Some(known) = self.labels.get(label) {
            return *known;
        }
        if self.settings.is_benign(label) {
            self.labels.insert(label.to_owned(), (Truth::Benign, 0));
            return (Truth::Benign, 0);
        }
        // A table without bound would grow with a column that names each event.
        if self.names.len() >= MOST_LABELS {
            return (Truth::Attack, u32::try_from(MOST_LABELS - 1).unwrap_or(u32::MAX));
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        let is_last = self.names.len() == MOST_LABELS - 1;
        self.names.push(if is_last { OTHER.to_owned() } else { label.to_owned() });
        if !is_last {
            self.labels.insert(label.to_owned(), (Truth::Attack, number));
        }
        (Truth::Attack, number)
    }

    /// The incident of an attack's event: the one of its name that is going on, or a new one.
    fn attend(&mut self, event: &Incoming<'_>, time_s: f64) -> Option<u64> {
        let name = event.incident.or(event.label)?;
        let key = self.hash(name);
        let gap_s = self.settings.incident_gap_s;
        if let Some(number) = self.going_on.get(&key)
            && let Some(open) = self.incidents.get_mut(number)
            && time_s <= open.incident.end_s + gap_s
            && time_s >= open.incident.start_s - gap_s
        {
            open.incident.start_s = open.incident.start_s.min(time_s);
            open.incident.end_s = open.incident.end_s.max(time_s);
            open.incident.events += 1;
            open.pending += 1;
            return Some(*number);
        }
        let number = self.next_incident;
        self.next_incident += 1;
        self.going_on.insert(key, number);
        let incident = Incident {
            name: name.to_owned(),
            start_s: time_s,
            end_s: time_s,
            events: 1,
            alerts: 0,
            detected_after_s: None,
        };
        self.incidents.insert(number, OpenIncident { incident, pending: 1 });
        Some(number)
    }

    fn enter_incident(&mut self, ticket: &Ticket, is_alert: bool, latency: Option<Duration>) {
        let Some(open) = ticket.incident.and_then(|number| self.incidents.get_mut(&number)) else { return };
        open.pending -= 1;
        if is_alert {
            let incident = &mut open.incident;
            incident.alerts += 1;
            let delay_s =
                (ticket.time_s - incident.start_s).max(0.0) + latency.map_or(0.0, |latency| latency.as_secs_f64());
            incident.detected_after_s = Some(incident.detected_after_s.map_or(delay_s, |first| first.min(delay_s)));
        }
    }

    /// Whether a key had an alert shortly before; from now on it had one.
    fn repeats(&mut self, key: u64, time_s: f64) -> bool {
        let last = self.alerts.insert(key, time_s);
        let repeat_s = self.settings.repeat_s;
        if let Some(last_s) = last.filter(|last_s| *last_s > time_s) {
            self.alerts.insert(key, last_s);
        }
        last.is_some_and(|last_s| (time_s - last_s).abs() <= repeat_s)
    }
}

fn of_number(list: &mut Vec<Found>, number: u32) -> &mut Found {
    let number = number as usize;
    if list.len() <= number {
        list.resize(number + 1, Found::default());
    }
    &mut list[number]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn desk(change: impl FnOnce(&mut StreamSettings)) -> Desk {
        let mut settings = StreamSettings { slide_s: 10.0, window_s: 30.0, lateness_s: 10.0, ..Default::default() };
        change(&mut settings);
        Desk::new(&settings)
    }

    fn event(label: &str) -> Incoming<'_> {
        Incoming { label: Some(label), ..Incoming::default() }
    }

    #[test]
    fn stretches_close_when_nothing_can_change_them() {
        let mut desk = desk(|_| {});
        let first = desk.arrive(&event("sqli"), 1.0, 0);
        let second = desk.arrive(&event("norm"), 12.0, 3);
        desk.answered(&second, true, None);
        let third = desk.arrive(&event("norm"), 31.0, 0);
        desk.answered(&third, false, None);
        assert!(desk.take_closed().0.is_empty(), "the first event has no end yet");
        desk.answered(&first, true, Some(Duration::from_millis(5)));
        desk.close(false);
        let (panes, _) = desk.take_closed();
        assert_eq!(panes.iter().map(|pane| pane.start_s).collect::<Vec<_>>(), [0.0, 10.0]);
        assert_eq!((panes[0].answered.hits, panes[1].answered.alarms, panes[1].backlog_max), (1, 1, 3));
        assert_eq!(panes[0].attacks["sqli"], Found { events: 1, alerts: 1 });
        assert_eq!(panes[0].latencies.len(), 1);
        // It comes after its stretch was closed: it is counted where it arrived.
        let late = desk.arrive(&event("norm"), 2.0, 0);
        desk.lost(&late, Lost::Shed);
        desk.close(true);
        let (panes, incidents) = desk.take_closed();
        assert_eq!((panes[0].start_s, panes[0].late, panes[0].out_of_order, panes[0].shed.benign), (30.0, 1, 1, 1));
        assert_eq!((incidents.len(), incidents[0].name.as_str(), incidents[0].alerts), (1, "sqli", 1));
        assert_eq!(incidents[0].detected_after_s, Some(0.005));
    }

    #[test]
    fn incidents_end_after_a_pause() {
        let mut desk = desk(|settings| settings.incident_gap_s = 60.0);
        for (time_s, is_alert) in [(0.0, false), (50.0, false), (58.0, true), (300.0, true), (310.0, false)] {
            let ticket = desk.arrive(&event("dos"), time_s, 0);
            desk.answered(&ticket, is_alert, None);
        }
        desk.close(true);
        let (_, incidents) = desk.take_closed();
        let seen: Vec<_> =
            incidents.iter().map(|of| (of.start_s, of.end_s, of.events, of.alerts, of.detected_after_s)).collect();
        assert_eq!(seen, [(0.0, 58.0, 3, 1, Some(58.0)), (300.0, 310.0, 2, 1, Some(0.0))]);
    }

    #[test]
    fn alerts_of_one_key_repeat() {
        let mut desk = desk(|settings| settings.repeat_s = 15.0);
        for (time_s, key) in [(0.0, "a"), (10.0, "a"), (12.0, "b"), (30.0, "a"), (29.0, "a")] {
            let ticket = desk.arrive(&Incoming { key: Some(key), ..Incoming::default() }, time_s, 0);
            desk.answered(&ticket, true, None);
        }
        desk.close(true);
        let (repeated, keyed) = desk
            .take_closed()
            .0
            .iter()
            .fold((0, 0), |(repeated, keyed), pane| (repeated + pane.repeated, keyed + pane.keyed));
        assert_eq!((repeated, keyed), (2, 5));
    }

    #[test]
    fn a_column_that_names_each_event_takes_no_memory() {
        let mut desk = desk(|_| {});
        for number in 0..1_000 {
            let ticket = desk.arrive(&event(&format!("attack {number}")), 1.0, 0);
            desk.answered(&ticket, true, None);
        }
        desk.close(true);
        let (panes, _) = desk.take_closed();
        assert_eq!(panes[0].attacks.len(), MOST_LABELS);
        assert_eq!(panes[0].attacks[OTHER].events, 1_000 - MOST_LABELS as u64 + 1);
    }

    proptest! {
        /// Each event is counted once, in any order of times and ends.
        #[test]
        fn every_event_is_counted_once(
            events in proptest::collection::vec((0.0_f64..500.0, 0_u8..3, 0_u8..5, 0_usize..20), 1..200)
        ) {
            let mut desk = desk(|_| {});
            let mut waiting: Vec<(Ticket, u8)> = Vec::new();
            let end = |desk: &mut Desk, (ticket, how): (Ticket, u8)| match how {
                0 => desk.answered(&ticket, true, Some(Duration::from_micros(7))),
                1 => desk.answered(&ticket, false, None),
                2 => desk.lost(&ticket, Lost::Shed),
                3 => desk.lost(&ticket, Lost::Failed),
                _ => desk.lost(&ticket, Lost::Unrouted),
            };
            for (time_s, label, how, place) in &events {
                let label = [Some("norm"), Some("dos"), None][usize::from(*label)];
                let ticket = desk.arrive(&Incoming { label, ..Incoming::default() }, *time_s, waiting.len());
                waiting.push((ticket, *how));
                if waiting.len() > *place {
                    let ended = waiting.remove(*place);
                    end(&mut desk, ended);
                }
                desk.close(false);
            }
            for ended in waiting {
                end(&mut desk, ended);
            }
            prop_assert_eq!(desk.pending(), 0);
            desk.close(true);
            let (panes, incidents) = desk.take_closed();
            prop_assert!(panes.is_sorted_by(|a, b| a.start_s < b.start_s));
            let mut total = Pane::default();
            panes.iter().for_each(|pane| total.add(pane));
            prop_assert_eq!(total.events, events.len() as u64);
            prop_assert_eq!(total.answered.events() + total.unanswered().events(), total.events);
            let attacks: u64 = incidents.iter().map(|incident| incident.events).sum();
            prop_assert_eq!(attacks, total.attacks.values().map(|found| found.events).sum::<u64>());
            let alerts: u64 = incidents.iter().map(|incident| incident.alerts).sum();
            prop_assert_eq!(alerts, total.answered.hits);
        }
    }
}
