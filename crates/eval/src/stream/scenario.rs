//! A made-up day at a security desk: documents of the security tasks, spread over time as a desk gets them.
//!
//! Three sources in the proportions of an older system's report (network 1,250, malware 890, e-mail 2,100 predictions an hour,
//! 1,850 events an hour in all), more by day than by night; attacks come in incidents; a burst of harmless network events; an
//! attack on all sources at once; some events that arrive late; two outages of every model, 2 % of the time. All of it depends
//! on the seed alone. What events say is not made up here: texts and labels are those of the tasks.

use std::path::PathBuf;

use super::error::StreamError;
use super::event::Incoming;
use super::play::Events;
use super::settings::{Outage, Route};
use crate::error::EvalError;
use crate::task::random::PythonRandom;
use crate::task::{Cache, Library, Places, Task, TaskSettings};

/// Events of all sources an hour, on average.
const EVENTS_PER_HOUR: f64 = 1_850.0;
/// Sources with their parts of the events.
const SOURCES: [(&str, f64); 3] = [("network", 1_250.0), ("malware", 890.0), ("email", 2_100.0)];
/// First time stamp: a Monday at midnight.
const ORIGIN_S: f64 = 1_767_571_200.0;
/// Hours between incidents, on average; a short stream has a few nonetheless.
const INCIDENT_EVERY_H: f64 = 1.5;
const FEWEST_INCIDENTS: f64 = 4.0;
/// Attack events of an incident an hour, and of the attack on all sources.
const INCIDENT_RATE: f64 = 120.0;
const CAMPAIGN_RATE: f64 = 600.0;
/// How much busier the network is in the burst.
const BURST: f64 = 20.0;
/// Share of events that arrive after later ones, and by how much at most, seconds.
const DELAYED: f64 = 0.005;
const LONGEST_DELAY_S: f64 = 180.0;
/// Machines that events are about.
const HOSTS: usize = 24;

/// One text with its label.
#[derive(Clone, Debug)]
struct Document {
    text: String,
    label: String,
}

#[derive(Clone, Debug)]
struct Source {
    name: &'static str,
    /// Benign events an hour.
    rate: f64,
    benign: Vec<Document>,
    attacks: Vec<Document>,
}

/// An attack on one source.
#[derive(Clone, Debug)]
struct Attack {
    name: String,
    source: usize,
    host: usize,
    start_s: f64,
    end_s: f64,
    rate: f64,
    /// Its kind, where one source has several.
    label: Option<String>,
}

/// A day, or some hours, at a desk.
#[derive(Clone, Debug)]
pub struct Scenario {
    seed: i64,
    length_s: f64,
    sources: Vec<Source>,
    attacks: Vec<Attack>,
}

impl Scenario {
    /// Prepares so many hours. With folders of the public sets, as tasks take them, the texts are theirs: those that were
    /// kept from the training of the shipped classifiers. Without, they are the few that ship.
    ///
    /// # Errors
    /// When the hours are out of range, or the sets cannot be read.
    pub fn soc(hours: f64, data_folders: &[PathBuf], seed: i64) -> Result<Self, EvalError> {
        if !(0.01..=24.0 * 366.0).contains(&hours) {
            let expected = "0.01 to 8784 hours";
            return Err(EvalError::Setting { name: "the hours", value: hours.to_string(), expected });
        }
        let all: f64 = SOURCES.iter().map(|(_, part)| part).sum();
        let mut sources = Vec::new();
        for (name, part) in SOURCES {
            let ending = if data_folders.is_empty() { "_sample" } else { "" };
            let documents = documents(&format!("security_{name}{ending}"), data_folders)?;
            let (benign, attacks) = documents.into_iter().partition(|(_, is_benign)| *is_benign);
            let only = |list: Vec<(Document, bool)>| list.into_iter().map(|(document, _)| document).collect();
            sources.push(Source {
                name,
                rate: EVENTS_PER_HOUR * part / all,
                benign: only(benign),
                attacks: only(attacks),
            });
        }
        let length_s = 3_600.0 * hours;
        let attacks = attacks(&sources, length_s, seed);
        Ok(Self { seed, length_s, sources, attacks })
    }

    /// The routes of the shipped classifiers.
    #[must_use]
    pub fn routes() -> Vec<Route> {
        SOURCES
            .iter()
            .map(|(name, _)| Route {
                name: (*name).to_owned(),
                sources: vec![(*name).to_owned()],
                model: format!("onnx:{name}"),
            })
            .collect()
    }

    /// Two outages of every model, 2 % of the time together.
    #[must_use]
    pub fn outages(&self) -> Vec<Outage> {
        [0.2, 0.55]
            .map(|at| Outage { route: None, start_s: at * self.length_s, length_s: 0.01 * self.length_s })
            .to_vec()
    }

    /// What the older system's report asks of a desk.
    #[must_use]
    pub fn targets() -> Vec<String> {
        ["verdict_latency.p99<2000", "verdicts_per_hour>1000", "accuracy>0.9", "uptime>95", "fpr<0.05"]
            .map(str::to_owned)
            .to_vec()
    }

    /// Stretch of the burst, and of the attack on all sources.
    fn burst(&self) -> (f64, f64) {
        let start = 0.35 * self.length_s;
        (start, start + (0.02 * self.length_s).min(600.0))
    }

    /// Benign events of a source an hour at a time.
    fn rate(&self, source: &Source, at_s: f64) -> f64 {
        let day = 1.0 + 0.4 * (std::f64::consts::TAU * (at_s / 86_400.0 - 0.25)).sin();
        let (from, to) = self.burst();
        let is_burst = source.name == "network" && (from..to).contains(&at_s);
        source.rate * day * if is_burst { BURST } else { 1.0 }
    }

    /// Hands every event on with its time, until `take` says no.
    fn draw(&self, take: &mut dyn FnMut(&Incoming<'_>) -> bool) {
        let mut random = PythonRandom::new(self.seed);
        let most = 1.4 * self.sources.iter().map(|source| source.rate).sum::<f64>()
            + 1.4 * BURST * self.sources[0].rate
            + self.attacks.iter().map(|attack| attack.rate).sum::<f64>().min(20.0 * CAMPAIGN_RATE);
        let (mut at_s, mut number) = (0.0, 0_u64);
        loop {
            // Thinning (Lewis and Shedler 1979): candidates at the highest rate, of which each is kept by its share.
            at_s += -(1.0 - random.random()).ln() * 3_600.0 / most;
            if at_s >= self.length_s {
                return;
            }
            let mut place = random.random() * most;
            let benign = self.sources.iter().position(|source| {
                place -= self.rate(source, at_s);
                place < 0.0
            });
            let is_on = |attack: &&Attack| (attack.start_s..attack.end_s).contains(&at_s);
            let attack = match benign {
                Some(_) => None,
                None => self.attacks.iter().filter(is_on).find(|attack| {
                    place -= attack.rate;
                    place < 0.0
                }),
            };
            let Some(source) = benign.or_else(|| attack.map(|attack| attack.source)) else { continue };
            let of = &self.sources[source];
            let chosen = match attack {
                None => pick(&of.benign, &mut random, |_| true),
                Some(attack) => {
                    let fits = |document: &Document| attack.label.as_ref().is_none_or(|label| *label == document.label);
                    pick(&of.attacks, &mut random, fits)
                }
            };
            let host = attack.map_or_else(|| random.below(HOSTS), |attack| attack.host);
            let delay_s = if random.random() < DELAYED { random.random() * LONGEST_DELAY_S } else { 0.0 };
            let Some(document) = chosen else { continue };
            number += 1;
            let (id, key) = (format!("{}-{number}", of.name), format!("host-{host:02}"));
            let event = Incoming {
                id: Some(&id),
                line: number,
                time_s: Some(ORIGIN_S + (at_s - delay_s).max(0.0)),
                text: Some(&document.text),
                label: Some(&document.label),
                source: Some(of.name),
                key: Some(&key),
                incident: attack.map(|attack| attack.name.as_str()),
                ..Incoming::default()
            };
            if !take(&event) {
                return;
            }
        }
    }
}

impl Events for Scenario {
    fn play(&mut self, take: &mut dyn FnMut(&Incoming<'_>) -> bool) -> Result<(), StreamError> {
        self.draw(take);
        Ok(())
    }
}

/// The documents of a task with its label, and whether it is the benign one.
fn documents(task: &str, data_folders: &[PathBuf]) -> Result<Vec<(Document, bool)>, EvalError> {
    let selection = Library::of_folders(&[])?.with_shipped().select(&[task.to_owned()])?;
    let mut documents = Vec::new();
    for selected in selection.tasks {
        let places = Places { task_folder: selected.folder, data_folders: data_folders.to_vec() };
        let benign = selected.config.benign_choice.clone();
        let task = Task::prepare(selected.config, &TaskSettings::default(), &places, &mut Cache::default())?;
        for place in 0..task.len() {
            let sample = task.sample(place)?;
            let label = match (&sample.choices, sample.target.as_int()) {
                (Some(choices), Some(right)) => {
                    usize::try_from(right).ok().and_then(|right| choices.get(right).cloned()).unwrap_or_default()
                }
                _ => sample.target.text(),
            };
            let is_benign = benign.as_deref() == Some(label.as_str());
            documents.push((Document { text: sample.input, label }, is_benign));
        }
    }
    Ok(documents)
}

fn attacks(sources: &[Source], length_s: f64, seed: i64) -> Vec<Attack> {
    let mut random = PythonRandom::new(seed.wrapping_add(1));
    let mut attacks = Vec::new();
    let every_s = (3_600.0 * INCIDENT_EVERY_H).min(length_s / FEWEST_INCIDENTS);
    let mut at_s = 0.0;
    loop {
        at_s += -(1.0 - random.random()).ln() * every_s;
        let lasts_s = (180.0 + 720.0 * random.random()).min(0.1 * length_s);
        let source = random.below(sources.len());
        let host = random.below(HOSTS);
        let label = pick(&sources[source].attacks, &mut random, |_| true).map(|document| document.label.clone());
        if at_s + lasts_s >= length_s {
            break;
        }
        let kind = label.clone().unwrap_or_default();
        let name = format!("{} {kind} {}", sources[source].name, attacks.len() + 1);
        attacks.push(Attack { name, source, host, start_s: at_s, end_s: at_s + lasts_s, rate: INCIDENT_RATE, label });
    }
    let (start_s, lasts_s) = (0.7 * length_s, (0.04 * length_s).min(1_800.0));
    for (source, of) in sources.iter().enumerate() {
        attacks.push(Attack {
            name: format!("attack on all sources, {}", of.name),
            source,
            host: random.below(HOSTS),
            start_s,
            end_s: start_s + lasts_s,
            rate: CAMPAIGN_RATE,
            label: None,
        });
    }
    attacks
}

/// One of the documents that fit; `None` where none does.
fn pick<'a>(
    documents: &'a [Document],
    random: &mut PythonRandom,
    fits: impl Fn(&Document) -> bool,
) -> Option<&'a Document> {
    let count = documents.iter().filter(|document| fits(document)).count();
    if count == 0 {
        return None;
    }
    documents.iter().filter(|document| fits(document)).nth(random.below(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(hours: f64, seed: i64) -> Vec<(f64, String, String, bool)> {
        let mut events = Vec::new();
        Scenario::soc(hours, &[], seed).unwrap().draw(&mut |event| {
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            events.push((event.time_s.unwrap(), text(event.source), text(event.text), event.incident.is_some()));
            true
        });
        events
    }

    #[test]
    fn a_day_has_what_it_says() {
        let events = drawn(24.0, 7);
        let expected = 24.0 * EVENTS_PER_HOUR;
        assert!((0.9..1.4).contains(&(events.len() as f64 / expected)), "{}", events.len());
        let of = |name: &str| events.iter().filter(|event| event.1 == name).count() as f64;
        assert!(of("email") > of("network") && of("network") > of("malware"));
        let attacks = events.iter().filter(|event| event.3).count();
        assert!((0.01..0.2).contains(&(attacks as f64 / events.len() as f64)), "{attacks}");
        let behind = events.windows(2).filter(|pair| pair[1].0 < pair[0].0).count();
        assert!(behind > 50, "{behind}");
        let is_in_burst =
            |event: &&(f64, String, String, bool)| (504.0..514.0).contains(&((event.0 - ORIGIN_S) / 60.0));
        let in_burst = events.iter().filter(is_in_burst).count();
        assert!(in_burst > 1_000, "the burst stands out: {in_burst} in ten minutes");
        assert_eq!(events, drawn(24.0, 7), "it depends on the seed alone");
        assert_ne!(events, drawn(24.0, 8));
    }

    #[test]
    fn a_short_stream_has_attacks_too() {
        let events = drawn(0.5, 1);
        assert!(events.iter().any(|event| event.3) && events.len() > 500);
        assert!(Scenario::soc(0.0, &[], 1).is_err() && Scenario::soc(f64::NAN, &[], 1).is_err());
    }
}
