//! Playing a session: its requests in the order that their dependencies ask for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use weighbridge_engine::{Collected, Collector, Engine, Follow, GenerateRequest, Message, Prompt, Role, Sampling};
use weighbridge_types::metric::Cell;
use weighbridge_types::request::{ClientFault, FailureClass, Outcome, RequestRow, Timeline, Turn};
use weighbridge_types::time::{Clock, Stamp};
use weighbridge_workload::{PlannedTurn, Session, TurnPrompt};

use crate::outbox::Outbox;
use crate::retry::RetryPolicy;
use crate::supply::Numbered;

/// What all requests on one reactor share.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) outbox: Arc<Outbox>,
}

/// How every request of a load is made.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) clock: Clock,
    pub(crate) cell: Cell,
    pub(crate) follow: Follow,
    pub(crate) retry: RetryPolicy,
    pub(crate) sampling: Sampling,
    pub(crate) ignore_eos: bool,
    pub(crate) keep_text: bool,
    /// Sessions below this number are warm-up.
    pub(crate) measured_from: u64,
    /// No request is released that was planned at or after this.
    pub(crate) until: Option<Stamp>,
    /// A release later than this after its plan is the client's fault.
    pub(crate) lag_limit: Duration,
    /// A request later than this is dropped instead; `None` never drops.
    pub(crate) drop_after: Option<Duration>,
    /// Pause of a place in closed loop after a session that failed.
    pub(crate) failure_pause: Duration,
}

/// Requests, counted as they go.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) released: AtomicU64,
    pub(crate) in_flight: AtomicUsize,
}

/// How a session went, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Played {
    /// Every request succeeded.
    Well,
    /// A request was given up or dropped, which is no fault of the server.
    Cut,
    /// A request failed.
    Badly,
    /// A request found no way to the server.
    Unreached,
}

impl Played {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Succeeded { .. } => Self::Well,
            Outcome::Cancelled | Outcome::Dropped => Self::Cut,
            Outcome::Failed { class: FailureClass::Connect, .. } => Self::Unreached,
            Outcome::Failed { .. } => Self::Badly,
        }
    }
}

/// What a later turn needs of an earlier one.
struct Done {
    ended: Stamp,
    conversation: Vec<Message>,
    played: Played,
}

/// One request about to be released.
struct Ask {
    id: u64,
    turn: Option<Turn>,
    is_warmup: bool,
    planned: Stamp,
    prompt: Prompt,
    input_tokens: Option<u32>,
    output_tokens: u32,
    behavior: weighbridge_engine::Behavior,
    keep_text: bool,
    expected: Option<Arc<str>>,
}

impl Lane {
    /// Plays a session that is due; each of its requests ends in a row. Says the worst of their ends.
    pub(crate) async fn play(&self, planned: Stamp, (number, session): Numbered) -> Played {
        if session.turns.len() == 1 {
            return self.play_single(planned, number, session).await;
        }
        self.play_turns(planned, number, session).await
    }

    async fn play_single(&self, planned: Stamp, number: u64, session: Session) -> Played {
        let cell = self.cell(session.group.as_deref());
        let Some(turn) = session.turns.into_iter().next() else { return Played::Well };
        let ask = Ask {
            id: number,
            turn: None,
            is_warmup: number < self.plan.measured_from,
            planned,
            prompt: whole(turn.prompt, Vec::new()),
            input_tokens: turn.input_tokens,
            output_tokens: turn.output_tokens,
            behavior: turn.behavior,
            keep_text: self.plan.keep_text,
            expected: turn.expected,
        };
        let (row, _) = self.request(ask, cell).await;
        let played = Played::of(&row.outcome);
        self.outbox.put(row).await;
        played
    }

    async fn play_turns(&self, planned: Stamp, number: u64, session: Session) -> Played {
        let cell = self.cell(session.group.as_deref());
        let mut waiting: Vec<Option<PlannedTurn>> = session.turns.into_iter().map(Some).collect();
        let mut done: Vec<Option<Done>> = waiting.iter().map(|_| None).collect();
        let mut running = FuturesUnordered::new();
        loop {
            for index in 0..waiting.len() {
                let Some(turn) = &waiting[index] else { continue };
                let Some(before) = turns_before(turn, &done) else { continue };
                let Some(turn) = waiting[index].take() else { continue };
                let planned = before.iter().map(|done| done.ended.after(turn.think)).max().unwrap_or(planned);
                let is_over = self.plan.until.is_some_and(|until| planned >= until);
                if is_over || self.plan.follow.cancel.is_cancelled() {
                    // The load ends here: what comes after was never scheduled.
                    continue;
                }
                let place = Turn { session: number, turn: u32::try_from(index).unwrap_or(u32::MAX) };
                if before.iter().any(|done| done.played != Played::Well) {
                    let row = self.dropped(planned, place, &turn, cell.clone());
                    done[index] = Some(Done { ended: planned, conversation: Vec::new(), played: Played::Cut });
                    self.outbox.put(row).await;
                    continue;
                }
                let conversation = before.last().map(|done| done.conversation.clone()).unwrap_or_default();
                running.push(self.play_turn(planned, place, turn, conversation, cell.clone()));
            }
            // A turn that was dropped may be what another one waits for.
            let is_stuck =
                running.is_empty() && !waiting.iter().flatten().any(|turn| turns_before(turn, &done).is_some());
            if is_stuck {
                break;
            }
            if let Some((index, ended)) = running.next().await {
                done[index] = Some(ended);
            }
        }
        done.iter().flatten().map(|done| done.played).max().unwrap_or(Played::Well)
    }

    async fn play_turn(
        &self,
        planned: Stamp,
        place: Turn,
        turn: PlannedTurn,
        conversation: Vec<Message>,
        cell: Cell,
    ) -> (usize, Done) {
        // The pause is a person's, or a tool's: the runtime's timers are fine enough.
        tokio::time::sleep_until(self.plan.clock.instant(planned)).await;
        let prompt = whole(turn.prompt, conversation);
        let mut conversation = messages_of(&prompt);
        let ask = Ask {
            id: (place.session + 1) << 32 | u64::from(place.turn),
            turn: Some(place),
            is_warmup: place.session < self.plan.measured_from,
            planned,
            prompt,
            input_tokens: turn.input_tokens,
            output_tokens: turn.output_tokens,
            behavior: turn.behavior,
            keep_text: true,
            expected: turn.expected,
        };
        let (mut row, text) = self.request(ask, cell).await;
        conversation.push(Message { role: Role::Assistant, content: text.unwrap_or_default() });
        if !self.plan.keep_text {
            row.text = None;
        }
        let ended = row.timeline.ended.unwrap_or(row.timeline.released);
        let played = Played::of(&row.outcome);
        self.outbox.put(row).await;
        (place.turn as usize, Done { ended, conversation, played })
    }

    /// A request that cannot be made, because one that it follows did not succeed.
    fn dropped(&self, planned: Stamp, place: Turn, turn: &PlannedTurn, cell: Cell) -> RequestRow {
        let timeline = Timeline { planned, released: planned, ended: Some(planned), ..Timeline::default() };
        let id = (place.session + 1) << 32 | u64::from(place.turn);
        RequestRow {
            turn: Some(place),
            warmup: place.session < self.plan.measured_from,
            planned_input_tokens: turn.input_tokens,
            ..RequestRow::new(id, cell, turn.output_tokens, timeline, Outcome::Dropped)
        }
    }

    /// Releases a request, now, follows it to its end, and tries again where the policy says so.
    async fn request(&self, ask: Ask, cell: Cell) -> (RequestRow, Option<String>) {
        let plan = &self.plan;
        let released = plan.clock.now();
        let lag = released - ask.planned;
        if plan.drop_after.is_some_and(|limit| lag > limit) {
            let timeline = Timeline { planned: ask.planned, released, ended: Some(released), ..Timeline::default() };
            return (ask.row(cell, timeline, Outcome::Dropped), None);
        }
        self.counts.released.fetch_add(1, Ordering::Relaxed);
        self.counts.in_flight.fetch_add(1, Ordering::Relaxed);
        let (mut retries, mut resent) = (0, 0);
        let collected = loop {
            let collected = self.once(&ask, released).await;
            // Whoever sends again, the user waits, and the server is asked twice.
            resent += collected.resent;
            let Some(wait) = plan.retry.wait(&collected.outcome, collected.retry_after, retries) else {
                break collected;
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => retries += 1,
                () = plan.follow.cancel.cancelled() => break collected,
            }
        };
        self.counts.in_flight.fetch_sub(1, Ordering::Relaxed);
        let Collected { timeline, usage, receipt, outcome, text, .. } = collected;
        let mut row = RequestRow { usage, receipt, retries: retries + resent, ..ask.row(cell, timeline, outcome) };
        if lag > plan.lag_limit {
            row.client_faults.push(ClientFault::ScheduleLag);
        }
        if plan.keep_text {
            row.text.clone_from(&text);
            row.expected = ask.expected.as_deref().map(str::to_owned);
        }
        (row, text)
    }

    async fn once(&self, ask: &Ask, released: Stamp) -> Collected {
        let plan = &self.plan;
        let generate = GenerateRequest {
            ignore_eos: plan.ignore_eos,
            sampling: plan.sampling.clone(),
            ..GenerateRequest::new(ask.prompt.clone(), ask.output_tokens, plan.clock)
        };
        let mut collector = Collector::new(ask.planned, released, ask.output_tokens);
        if ask.keep_text {
            collector = collector.keeping_text();
        }
        let start = plan.clock.now();
        plan.follow.behaving(self.engine.generate(generate), collector, start, ask.behavior).await
    }

    fn cell(&self, group: Option<&str>) -> Cell {
        let cell = self.plan.cell.clone();
        match group {
            // A name of settings is those settings: `workload=similar use=again`.
            Some(group) if group.contains('=') => group
                .split(' ')
                .filter_map(|part| part.split_once('='))
                .fold(cell, |cell, (key, value)| cell.with(key, value)),
            Some(group) => cell.with("group", group),
            None => cell,
        }
    }
}

impl Ask {
    fn row(&self, cell: Cell, timeline: Timeline, outcome: Outcome) -> RequestRow {
        RequestRow {
            turn: self.turn,
            warmup: self.is_warmup,
            planned_input_tokens: self.input_tokens,
            ..RequestRow::new(self.id, cell, self.output_tokens, timeline, outcome)
        }
    }
}

/// What a turn follows, once all of it has ended.
fn turns_before<'a>(turn: &PlannedTurn, done: &'a [Option<Done>]) -> Option<Vec<&'a Done>> {
    turn.follows.iter().map(|&before| done.get(before as usize)?.as_ref()).collect()
}

/// The whole prompt of a turn that goes on with a conversation.
fn whole(prompt: TurnPrompt, mut conversation: Vec<Message>) -> Prompt {
    match prompt {
        TurnPrompt::Whole(prompt) => prompt,
        TurnPrompt::Continue(messages) => {
            conversation.extend(messages);
            Prompt::Chat(conversation)
        }
    }
}

fn messages_of(prompt: &Prompt) -> Vec<Message> {
    match prompt {
        Prompt::Chat(messages) => messages.clone(),
        Prompt::Text(text) => vec![Message { role: Role::User, content: text.clone() }],
        Prompt::Tokens(_) => Vec::new(),
    }
}
