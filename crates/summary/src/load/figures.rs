//! What the second reading adds up for one run of one load point.

use std::collections::BTreeMap;

use weighbridge_stats::stream::{GroupMeans, Moments};
use weighbridge_types::metric::Cell;
use weighbridge_types::request::{ClientFault, FailureClass, Outcome, ReceiveClock, RequestRow};
use weighbridge_types::resource::ResourceSample;
use weighbridge_types::telemetry::LoadWindow;
use weighbridge_types::time::Stamp;

use super::counts::Counts;
use super::per_request::{PER_REQUEST, PREFILL};
use super::plan::LoadPlan;
use super::series::Values;
use super::sessions::{Closed, Sessions};
use super::stages::CellStages;
use crate::estimate::LONGEST;
use crate::law::ByLaw;

/// How many values a series keeps before it becomes a histogram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    /// Series with one value per request.
    pub(super) of_requests: usize,
    /// Gaps between frames, and stalls.
    pub(super) of_gaps: usize,
}

/// Whether requests did what they should, in the order of the log: how often, and how far they remember each other.
#[derive(Clone, Debug)]
pub(super) struct Indicator {
    pub(super) hits: u64,
    pub(super) moments: Moments,
    pub(super) groups: GroupMeans,
}

impl Indicator {
    fn new() -> Self {
        Self { hits: 0, moments: Moments::default(), groups: GroupMeans::new(LONGEST) }
    }

    fn push(&mut self, is_hit: bool) {
        let value = f64::from(u8::from(is_hit));
        self.hits += u64::from(is_hit);
        self.moments.push(value);
        self.groups.push(value);
    }

    /// How many independent requests they are worth.
    pub(super) fn worth(&self) -> Option<f64> {
        self.groups.effective_n(&self.moments).ok()
    }
}

/// Counts of the requests planned in the window.
#[derive(Clone, Debug, Default)]
pub(super) struct Planned {
    pub(super) all: u64,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    pub(super) cancelled: u64,
    pub(super) dropped: u64,
    pub(super) late: u64,
    pub(super) retries: u64,
    pub(super) retried: u64,
    pub(super) touched: u64,
    pub(super) stalled: u64,
    pub(super) stalls: u64,
    pub(super) errors: BTreeMap<FailureClass, u64>,
    pub(super) faults: BTreeMap<ClientFault, u64>,
    pub(super) kernel_stamped: u64,
    pub(super) with_clock: u64,
}

/// What is stamped in the window, of whichever request.
#[derive(Clone, Debug, Default)]
pub(super) struct Stamped {
    pub(super) released: u64,
    pub(super) succeeded: u64,
    pub(super) output_tokens: u64,
    pub(super) input_tokens: u64,
    /// Requests with a prompt whose length is known, among those with a first token in the window.
    pub(super) with_input: u64,
    pub(super) ended: u64,
    /// Time from release to end of those, nanoseconds.
    pub(super) ended_nanos: u128,
    pub(super) in_flight_nanos: u128,
    /// Successes, and output tokens, of those that ended, beside their times.
    pub(super) successes_by_law: ByLaw,
    pub(super) tokens_by_law: ByLaw,
}

/// The whole run, drain included.
#[derive(Clone, Debug, Default)]
pub(super) struct Whole {
    pub(super) released: u64,
    pub(super) succeeded: u64,
    pub(super) output_tokens: u64,
    pub(super) first_release: Option<Stamp>,
    pub(super) last_end: Option<Stamp>,
}

impl Whole {
    pub(super) fn seconds(&self) -> f64 {
        match (self.first_release, self.last_end) {
            (Some(first), Some(last)) => (last - first).as_secs_f64(),
            _ => 0.0,
        }
    }
}

/// Token counts of the requests that succeeded, by who counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    pub(super) requested: u64,
    pub(super) in_frames: u64,
    pub(super) reported: u64,
    pub(super) with_report: u64,
    pub(super) disagree: u64,
    pub(super) recounted: u64,
    pub(super) with_recount: u64,
    pub(super) with_both: u64,
    pub(super) recounts_disagree: u64,
    pub(super) cached: u64,
    pub(super) cacheable: u64,
    pub(super) with_cache: u64,
    /// Requests whose tokens nobody reported, and those whose prompts nobody counted.
    pub(super) frame_counted: u64,
    pub(super) uncounted_prompts: u64,
}

/// CPU seconds of this program at the first and the last sample in the window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClientCpu {
    pub(super) first: Option<(Stamp, f64)>,
    pub(super) last: Option<(Stamp, f64)>,
    pub(super) samples: u64,
}

/// Everything of one run of one load point. Flat in the number of requests.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    window: (Stamp, Stamp),
    pub(super) planned: Planned,
    pub(super) stamped: Stamped,
    pub(super) whole: Whole,
    pub(super) ledger: Ledger,
    pub(super) cpu: ClientCpu,
    pub(super) good: Indicator,
    pub(super) answered: Indicator,
    /// In the order of [`PER_REQUEST`].
    pub(super) per_request: Vec<Values>,
    pub(super) prefill: Option<Values>,
    pub(super) fluidity: Option<Values>,
    pub(super) itl: Values,
    pub(super) icl: Values,
    pub(super) stall: Values,
    pub(super) bundles: Counts,
    sessions: Sessions,
    pub(super) session_time: Values,
    pub(super) session_turns: Counts,
}

impl Figures {
    pub(super) fn new(stages: &CellStages, plan: &LoadPlan, is_single_stream: bool, kept: Kept) -> Self {
        let values = || Values::new(kept.of_requests);
        let gaps = || Values::new(kept.of_gaps);
        Self {
            window: (stages.window_start, stages.window_end),
            planned: Planned::default(),
            stamped: Stamped::default(),
            whole: Whole::default(),
            ledger: Ledger::default(),
            cpu: ClientCpu::default(),
            good: Indicator::new(),
            answered: Indicator::new(),
            per_request: PER_REQUEST.iter().map(|_| values()).collect(),
            prefill: is_single_stream.then(values),
            fluidity: plan.fluidity.map(|_| values()),
            itl: gaps(),
            icl: gaps(),
            stall: gaps(),
            bundles: Counts::default(),
            sessions: Sessions::default(),
            session_time: values(),
            session_turns: Counts::default(),
        }
    }

    /// Takes a row that is no warm-up.
    pub(super) fn push(&mut self, row: &RequestRow, recount: Option<u32>, plan: &LoadPlan) {
        self.take_stamped(row);
        for session in self.sessions.push(row) {
            self.take_session(session);
        }
        if self.holds(row.timeline.planned) {
            self.take_planned(row, plan);
            if row.outcome.is_success() {
                self.take_success(row, recount, plan);
            }
        }
    }

    /// The window with its tokens.
    pub(super) fn load_window(&self, cell: &Cell) -> LoadWindow {
        let (stamped, ledger) = (&self.stamped, &self.ledger);
        LoadWindow {
            cell: cell.clone(),
            from: self.window.0,
            to: self.window.1,
            output_tokens: stamped.output_tokens,
            input_tokens: (stamped.with_input > 0).then_some(stamped.input_tokens),
            cached: (ledger.with_cache > 0).then_some((ledger.cached, ledger.cacheable)),
        }
    }

    fn holds(&self, planned: Stamp) -> bool {
        self.window.1 > self.window.0 && (self.window.0..=self.window.1).contains(&planned)
    }

    /// Everything that counts by its stamp.
    fn take_stamped(&mut self, row: &RequestRow) {
        if row.outcome == Outcome::Dropped {
            return;
        }
        let line = &row.timeline;
        let (from, to) = self.window;
        let is_inside = |at: Stamp| (from..to).contains(&at);
        let is_success = row.outcome.is_success();
        self.stamped.released += u64::from(is_inside(line.released));
        let until = line.ended.unwrap_or(to).min(to);
        self.stamped.in_flight_nanos += (until - line.released.max(from)).as_nanos();
        if let Some(ended) = line.ended.filter(|ended| is_inside(*ended)) {
            self.stamped.ended += 1;
            self.stamped.ended_nanos += (ended - line.released).as_nanos();
            self.stamped.succeeded += u64::from(is_success);
            let seconds = (ended - line.released).as_secs_f64();
            let tokens = if is_success { row.output_tokens() } else { 0 };
            self.stamped.successes_by_law.push(f64::from(u8::from(is_success)), seconds);
            self.stamped.tokens_by_law.push(tokens as f64, seconds);
        }
        self.whole.released += 1;
        self.whole.first_release =
            Some(self.whole.first_release.map_or(line.released, |first| first.min(line.released)));
        self.whole.last_end = self.whole.last_end.max(line.ended);
        if !is_success {
            return;
        }
        let tokens = row.output_tokens();
        self.whole.succeeded += 1;
        self.whole.output_tokens += tokens;
        self.stamped.output_tokens += line.tokens_between(from, to, tokens);
        if line.frames.first().is_some_and(|frame| is_inside(frame.at))
            && let Some(input) = row.input_tokens()
        {
            self.stamped.input_tokens += u64::from(input);
            self.stamped.with_input += 1;
        }
    }

    /// Outcomes of the requests planned in the window.
    fn take_planned(&mut self, row: &RequestRow, plan: &LoadPlan) {
        let counts = &mut self.planned;
        counts.all += 1;
        match &row.outcome {
            Outcome::Succeeded { .. } => counts.succeeded += 1,
            Outcome::Failed { class, .. } => {
                counts.failed += 1;
                *counts.errors.entry(*class).or_default() += 1;
            }
            Outcome::Cancelled => counts.cancelled += 1,
            Outcome::Dropped => counts.dropped += 1,
        }
        if row.outcome != Outcome::Cancelled {
            self.good.push(plan.slo.is_good(row));
            self.answered.push(row.outcome.is_success());
        }
        if row.outcome == Outcome::Dropped {
            return;
        }
        counts.late += u64::from(row.timeline.schedule_lag() > plan.late_after);
        counts.retries += u64::from(row.retries);
        counts.retried += u64::from(row.retries > 0);
        counts.touched += u64::from(!row.client_faults.is_empty());
        let mut faults = row.client_faults.clone();
        faults.sort_unstable();
        faults.dedup();
        for fault in faults {
            *counts.faults.entry(fault).or_default() += 1;
        }
    }

    /// Latencies and tokens: of requests that succeeded only.
    fn take_success(&mut self, row: &RequestRow, recount: Option<u32>, plan: &LoadPlan) {
        for (values, measure) in self.per_request.iter_mut().zip(&PER_REQUEST) {
            if let Some(value) = (measure.value)(row) {
                values.push(value);
            }
        }
        if let (Some(values), Some(rate)) = (&mut self.prefill, (PREFILL.value)(row)) {
            values.push(rate);
        }
        if let (Some(values), Some(share)) =
            (&mut self.fluidity, plan.fluidity.and_then(|target| row.fluidity(&target)))
        {
            values.push(share);
        }
        if let Some(receipt) = &row.receipt {
            self.planned.with_clock += 1;
            self.planned.kernel_stamped += u64::from(receipt.clock == ReceiveClock::Kernel);
        }
        self.take_gaps(row);
        self.take_tokens(row, recount);
    }

    /// Gaps between frames and the frames themselves: the inner loop of the second reading.
    fn take_gaps(&mut self, row: &RequestRow) {
        let line = &row.timeline;
        for (gap, tokens) in line.frame_gaps() {
            self.icl.push(gap as f64 / 1e6);
            if tokens == 1 {
                self.itl.push(gap as f64 / 1e6);
            } else {
                self.itl.push_n((gap / u64::from(tokens)) as f64 / 1e6, tokens);
            }
        }
        let mut single = 0;
        for frame in &line.frames {
            if frame.tokens == 1 {
                single += 1;
            } else {
                self.bundles.push_n(frame.tokens, 1);
            }
        }
        self.bundles.push_n(1, single);
        let stalls = line.stalls();
        self.planned.stalls += stalls.len() as u64;
        self.planned.stalled += u64::from(!stalls.is_empty());
        for stall in stalls {
            self.stall.push(stall.as_secs_f64() * 1e3);
        }
    }

    fn take_tokens(&mut self, row: &RequestRow, recount: Option<u32>) {
        let ledger = &mut self.ledger;
        ledger.requested += u64::from(row.requested_output_tokens);
        ledger.in_frames += row.timeline.frame_tokens();
        ledger.frame_counted += u64::from(row.usage.is_none());
        ledger.uncounted_prompts += u64::from(row.usage.is_none() && row.planned_input_tokens.is_none());
        if let Some(usage) = row.usage {
            ledger.reported += u64::from(usage.output_tokens);
            ledger.with_report += 1;
            ledger.disagree += u64::from(row.has_token_disagreement() == Some(true));
            if let Some(cached) = usage.cached_input_tokens {
                ledger.cached += u64::from(cached.min(usage.input_tokens));
                ledger.cacheable += u64::from(usage.input_tokens);
                ledger.with_cache += 1;
            }
        }
        if let Some(recount) = recount {
            ledger.recounted += u64::from(recount);
            ledger.with_recount += 1;
            if let Some(usage) = row.usage {
                ledger.with_both += 1;
                ledger.recounts_disagree += u64::from(recount != usage.output_tokens);
            }
        }
    }

    fn take_session(&mut self, session: Closed) {
        if self.holds(session.first) {
            self.session_time.push(session.seconds);
            self.session_turns.push_n(session.turns, 1);
        }
    }

    /// Takes the sessions that are still open.
    pub(super) fn close_sessions(&mut self) {
        for session in self.sessions.finish() {
            self.take_session(session);
        }
    }

    pub(super) fn push_sample(&mut self, sample: &ResourceSample) {
        let Some(cpu) = sample.cpu_seconds.filter(|_| self.holds(sample.at)) else { return };
        let cpu_at = (sample.at, cpu);
        let client = &mut self.cpu;
        client.samples += 1;
        client.first = Some(client.first.filter(|first| first.0 <= sample.at).unwrap_or(cpu_at));
        client.last = Some(client.last.filter(|last| last.0 >= sample.at).unwrap_or(cpu_at));
    }
}
