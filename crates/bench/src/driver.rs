//! The closed loop: a number of requests in flight, the next released when one has ended.

use std::time::Duration;

use tokio::task::JoinSet;
use weighbridge_engine::{Collected, Collector, Engine, Follow, GenerateRequest};
use weighbridge_types::event::{RunEvent, SinkError};
use weighbridge_types::metric::Cell;
use weighbridge_types::request::{Outcome, RequestRow};
use weighbridge_types::time::Stamp;

use crate::context::Context;
use crate::prompts::Prepared;

/// So many failures in a row, and no success before them, show that the target cannot be measured.
const HOPELESS: usize = 10;

/// Share of a cell's time that its warm-up may take. The first warm-up request is always made.
const WARMUP_SHARE: u32 = 4;

/// Requests of one cell.
pub(crate) struct Load {
    /// Where the rows belong.
    pub(crate) cell: Cell,
    /// For people: what is being done.
    pub(crate) what: String,
    /// Requests before measuring, at most.
    pub(crate) warmups: Vec<Prepared>,
    /// Requests to measure, at most.
    pub(crate) requests: Vec<Prepared>,
    /// Requests in flight.
    pub(crate) concurrency: usize,
    /// No request is released after this much time, once `least` were.
    pub(crate) budget: Duration,
    /// Requests that are measured however long they take.
    pub(crate) least: usize,
}

/// Why a load ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The user wants it.
    Interrupted,
    /// Nothing succeeds; with what was said last.
    Hopeless(String),
}

/// The rows of a load, in the order of their end.
#[derive(Debug)]
pub(crate) struct Driven {
    pub(crate) rows: Vec<RequestRow>,
    pub(crate) stop: Option<Stop>,
}

impl Context<'_> {
    /// Drives a load on the subject.
    pub(crate) async fn drive(&mut self, load: Load) -> Result<Driven, SinkError> {
        let subject = self.loaded;
        self.drive_engine(subject.engine.as_ref(), load).await
    }

    /// Drives a load to its end, its warm-up first. Every request released ends in a row.
    pub(crate) async fn drive_engine(&mut self, engine: &dyn Engine, load: Load) -> Result<Driven, SinkError> {
        let start = self.clock.now();
        let mut driven = Driven { rows: Vec::new(), stop: None };
        let warm =
            Lap { is_warmup: true, until: start.after(load.budget / WARMUP_SHARE), least: 1, engine, load: &load };
        self.lap(warm, &load.warmups, &mut driven).await?;
        if driven.stop.is_none() {
            let least = load.least.max(load.concurrency);
            let measured = Lap { is_warmup: false, until: start.after(load.budget), least, engine, load: &load };
            self.lap(measured, &load.requests, &mut driven).await?;
        }
        Ok(driven)
    }

    /// Releases requests in their order, each when a place is free. Rows go to the sink when nothing is in flight.
    async fn lap(&mut self, lap: Lap<'_>, requests: &[Prepared], driven: &mut Driven) -> Result<(), SinkError> {
        let mut in_flight = JoinSet::new();
        let mut waiting = requests.iter();
        let mut released = 0;
        let mut ended = 0;
        let mut kept = driven.rows.len();
        loop {
            while in_flight.len() < lap.load.concurrency && driven.stop.is_none() {
                let is_over = released >= lap.least && self.clock.now() >= lap.until;
                let Some(request) = waiting.next().filter(|_| !is_over) else { break };
                let ticket = Ticket { id: self.next_id(), is_warmup: lap.is_warmup, cell: lap.load.cell.clone() };
                in_flight.spawn(self.release(lap.engine, request, ticket));
                released += 1;
            }
            let Some(row) = in_flight.join_next().await else { break };
            // A panic of an engine's stream is a bug, and is passed on as one.
            driven.rows.push(row.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
            ended += 1;
            driven.stop = driven.stop.take().or_else(|| self.stop_reason(&driven.rows));
            if in_flight.is_empty() {
                for row in &driven.rows[kept..] {
                    self.sink.event(&RunEvent::Request(Box::new(row.clone())))?;
                }
                kept = driven.rows.len();
            }
            if !lap.is_warmup {
                self.progress(&lap.load.what, ended, requests.len())?;
            }
        }
        Ok(())
    }

    fn stop_reason(&self, rows: &[RequestRow]) -> Option<Stop> {
        if self.cancel.is_cancelled() {
            return Some(Stop::Interrupted);
        }
        if rows.len() < HOPELESS || rows.iter().any(|row| row.outcome.is_success()) {
            return None;
        }
        match &rows.last()?.outcome {
            Outcome::Failed { message, .. } => Some(Stop::Hopeless(message.clone())),
            _ => None,
        }
    }

    /// Hands one request to the engine, now. The future follows it to its end.
    pub(crate) fn release(
        &self,
        engine: &dyn Engine,
        request: &Prepared,
        ticket: Ticket,
    ) -> impl Future<Output = RequestRow> + Send + use<> {
        let clock = self.clock;
        let generate = GenerateRequest {
            ignore_eos: engine.capabilities().ignore_eos,
            ..GenerateRequest::new(request.prompt.clone(), request.output_tokens, clock)
        };
        let (planned_input_tokens, requested_output_tokens) = (request.input_tokens, request.output_tokens);
        let follow = Follow { clock, limit: self.settings.request_timeout(), cancel: self.cancel.clone() };
        // In closed loop the plan is to release when a place is free, which is now.
        let now = clock.now();
        let collector = Collector::new(now, now, requested_output_tokens);
        let events = engine.generate(generate);
        async move {
            let Collected { timeline, usage, outcome, .. } = follow.until_end(events, collector, now).await;
            RequestRow {
                warmup: ticket.is_warmup,
                planned_input_tokens,
                usage,
                ..RequestRow::new(ticket.id, ticket.cell, requested_output_tokens, timeline, outcome)
            }
        }
    }
}

/// Part of a load: its warm-up, or what is measured.
struct Lap<'a> {
    is_warmup: bool,
    until: Stamp,
    least: usize,
    engine: &'a dyn Engine,
    load: &'a Load,
}

/// Where a request's row belongs.
pub(crate) struct Ticket {
    pub(crate) id: u64,
    pub(crate) is_warmup: bool,
    pub(crate) cell: Cell,
}
