//! Every request released is accounted for, at the times that the plan and the script ask for.

use std::sync::Arc;

use weighbridge_engine::{Behavior, CancelAfter, Message, Role};
use weighbridge_load::{Drive, DriveLimits, Pace, RetryPolicy};
use weighbridge_types::request::{ClientFault, Outcome, RequestRow};
use weighbridge_workload::{Session, TurnPrompt};

use crate::support::{Made, drive, millis, requests, run, turn};

const SCRIPT: &str = "ttft=100ms,itl=10ms,tokens=5";

fn counted(sessions: u64) -> DriveLimits {
    DriveLimits { sessions: Some(sessions), ..DriveLimits::default() }
}

fn open(starts: impl Iterator<Item = u64> + Send + 'static, most: Option<usize>) -> Pace {
    Pace::Open { starts: Box::new(starts.map(millis)), most }
}

fn starts(rows: &[RequestRow]) -> Vec<u64> {
    rows.iter().map(|row| row.timeline.released.as_nanos() / 1_000_000).collect()
}

#[tokio::test(start_paused = true)]
async fn a_closed_loop_keeps_its_places_full() {
    let (rows, report) = run(drive(requests(5), Pace::Closed { concurrency: 3 }, counted(9)), SCRIPT).await;
    assert_eq!(starts(&rows), [0, 0, 0, 140, 140, 140, 280, 280, 280]);
    assert!(rows.iter().all(|row| row.outcome.is_success() && row.timeline.ttft() == Some(millis(100))));
    assert_eq!((report.released, report.next), (9, 9));
}

#[tokio::test(start_paused = true)]
async fn an_open_loop_keeps_its_plan_whatever_is_in_flight() {
    let (rows, _) = run(drive(requests(5), open([0, 0, 30, 30, 400].into_iter(), None), counted(9)), SCRIPT).await;
    assert_eq!(starts(&rows), [0, 0, 30, 30, 400]);
    assert!(rows.iter().all(|row| row.timeline.schedule_lag().is_zero() && row.client_faults.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_bound_makes_requests_late_and_the_lag_shows() {
    let (rows, _) = run(drive(requests(5), open([0, 10, 20].into_iter(), Some(1)), counted(3)), SCRIPT).await;
    assert_eq!(starts(&rows), [0, 140, 280]);
    let lags: Vec<_> = rows.iter().map(|row| row.timeline.schedule_lag()).collect();
    assert_eq!(lags, [millis(0), millis(130), millis(260)]);
    assert_eq!(rows[1].client_faults, [ClientFault::ScheduleLag]);
    assert_eq!(rows[1].timeline.e2e_scheduled(), Some(millis(270)));
}

#[tokio::test(start_paused = true)]
async fn a_request_too_late_is_dropped_and_counted() {
    let limits = DriveLimits { drop_after: Some(millis(200)), ..counted(3) };
    let (rows, report) = run(drive(requests(5), open([0, 10, 20].into_iter(), Some(1)), limits), SCRIPT).await;
    let states: Vec<_> = rows.iter().map(|row| row.outcome.clone()).collect();
    assert!(matches!(states[..], [Outcome::Succeeded { .. }, Outcome::Succeeded { .. }, Outcome::Dropped]));
    assert_eq!((rows.len(), report.released), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn the_duration_ends_the_releases_and_the_drain_ends_the_rest() {
    let limits = DriveLimits { duration: Some(millis(150)), drain: millis(50), ..DriveLimits::default() };
    let (rows, _) = run(drive(requests(5), Pace::Closed { concurrency: 1 }, limits), SCRIPT).await;
    assert_eq!(starts(&rows), [0, 140]);
    assert_eq!(rows[1].outcome, Outcome::Cancelled);
    assert_eq!(rows[1].timeline.ended.unwrap().as_nanos(), 200_000_000);
}

#[tokio::test(start_paused = true)]
async fn cancelling_accounts_for_everything_in_flight() {
    let drive = drive(requests(5), Pace::Closed { concurrency: 8 }, DriveLimits::default());
    let cancel = drive.cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(millis(200)).await;
        cancel.cancel();
    });
    let (rows, report) = run(drive, SCRIPT).await;
    assert_eq!((rows.len() as u64, report.released), (16, 16));
    assert_eq!(rows.iter().filter(|row| row.outcome == Outcome::Cancelled).count(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_retry_counts_in_what_the_user_waits() {
    let retry = RetryPolicy { most: 3, backoff: millis(50), ..RetryPolicy::default() };
    let load = Drive { retry, ..drive(requests(5), open([0].into_iter().chain([10]), None), counted(2)) };
    // Every second request of the engine fails at once: the second one asked, and then its first retry works.
    let (rows, _) = run(load, "ttft=100ms,itl=10ms,tokens=5,fail_every=2").await;
    let retried: Vec<_> = rows.iter().map(|row| row.retries).collect();
    assert_eq!(retried, [0, 1]);
    let late = rows[1].timeline.ttft_user().unwrap();
    assert!(late >= millis(150), "{late:?}");
    assert!(rows.iter().all(|row| row.outcome.is_success()));
}

#[tokio::test(start_paused = true)]
async fn clients_that_give_up_are_cancelled_requests() {
    let traffic = Arc::new(Made(|index| {
        let cancel = (index % 2 == 0).then_some(CancelAfter::Frames(2));
        let mut turn = turn(5);
        turn.behavior = Behavior { cancel, ..Behavior::default() };
        Some(Session::single(turn))
    }));
    let (rows, _) = run(drive(traffic, Pace::Closed { concurrency: 2 }, counted(6)), SCRIPT).await;
    let cancelled: Vec<_> = rows.iter().map(|row| row.outcome == Outcome::Cancelled).collect();
    assert_eq!(cancelled, [true, false, true, false, true, false]);
}

fn follow_up(follows: &[u32], think: u64) -> weighbridge_workload::PlannedTurn {
    let message = Message { role: Role::User, content: "more".to_owned() };
    let mut turn = turn(5);
    turn.prompt = TurnPrompt::Continue(vec![message]);
    turn.follows = follows.to_vec();
    turn.think = millis(think);
    turn
}

#[tokio::test(start_paused = true)]
async fn a_conversation_waits_for_its_answers_and_carries_them() {
    let traffic = Arc::new(Made(|_| {
        let turns = vec![turn(5), follow_up(&[0], 1000), follow_up(&[1], 0)];
        Some(Session { at: None, turns, group: Some("chat".to_owned()) })
    }));
    let (rows, _) = run(drive(traffic, Pace::Closed { concurrency: 1 }, counted(1)), SCRIPT).await;
    assert_eq!(starts(&rows), [0, 1140, 1280]);
    let inputs: Vec<_> = rows.iter().map(|row| row.usage.unwrap().input_tokens).collect();
    assert!(inputs.is_sorted() && inputs[2] > inputs[1] && inputs[1] > inputs[0], "{inputs:?}");
    assert!(rows.iter().all(|row| row.cell.get("group") == Some("chat")));
    assert_eq!(rows.iter().map(|row| row.turn.unwrap().turn).collect::<Vec<_>>(), [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn dependent_calls_fan_out_and_join() {
    let traffic = Arc::new(Made(|_| {
        let turns = vec![turn(5), follow_up(&[0], 10), follow_up(&[0], 30), follow_up(&[1, 2], 5)];
        Some(Session { at: None, turns, group: None })
    }));
    let (rows, _) = run(drive(traffic, Pace::Closed { concurrency: 1 }, counted(1)), SCRIPT).await;
    assert_eq!(starts(&rows), [0, 150, 170, 315]);
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_failure_is_dropped_and_counted() {
    let traffic = Arc::new(Made(|_| {
        Some(Session { at: None, turns: vec![turn(5), follow_up(&[0], 0), follow_up(&[1], 0)], group: None })
    }));
    let (rows, report) =
        run(drive(traffic, Pace::Closed { concurrency: 1 }, counted(1)), "ttft=10ms,fail_every=1").await;
    assert_eq!((rows.len(), report.released), (3, 1));
    assert!(matches!(rows[0].outcome, Outcome::Failed { .. }));
    assert!(rows[1..].iter().all(|row| row.outcome == Outcome::Dropped));
}

#[tokio::test(start_paused = true)]
async fn a_trace_sets_its_own_starts() {
    let traffic = Arc::new(Made(|index| {
        let at = [5, 5, 80, 90].get(usize::try_from(index).unwrap()).copied().map(millis)?;
        Some(Session { at: Some(at), ..Session::single(turn(5)) })
    }));
    let (rows, _) = run(drive(traffic, open(std::iter::empty(), None), DriveLimits::default()), SCRIPT).await;
    assert_eq!(starts(&rows), [5, 5, 80, 90]);
}
