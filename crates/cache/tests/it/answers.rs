//! The front of a server: one flight for each key, failures, callers that go away, processes that take turns.

use std::collections::HashMap;
use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use weighbridge_cache::{
    Answers, AnswersSettings, Failure, Keep, Key, LevelSettings, Levels, ManualWall, Near, NearHit, NearSettings,
    Remote, RemoteError, Source, Tag, Writes,
};
use weighbridge_types::time::Clock;

const KEEP: Keep = Keep::tagged(Tag::new(1, 1));

fn key(number: u32) -> Key {
    Key::of(&number).unwrap()
}

fn levels() -> Levels {
    Levels::new(LevelSettings::memory(1 << 20), Arc::new(ManualWall::new(1_800_000_000_000)))
}

fn answers(levels: Levels) -> Answers {
    Answers::new(levels, AnswersSettings::default(), Clock::start())
}

/// A server in this process.
#[derive(Debug, Default)]
struct Server {
    values: Mutex<HashMap<Key, Vec<u8>>>,
    leases: Mutex<HashMap<Key, String>>,
    is_down: bool,
}

impl Server {
    fn check(&self) -> Result<(), RemoteError> {
        if self.is_down {
            return Err(RemoteError::Refused { server: "here:1".to_owned(), message: "down".to_owned() });
        }
        Ok(())
    }
}

impl Remote for Server {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, RemoteError> {
        self.check()?;
        Ok(self.values.lock().unwrap().get(key).cloned())
    }

    fn put(&self, key: &Key, value: &[u8], _: Duration) -> Result<bool, RemoteError> {
        self.check()?;
        self.values.lock().unwrap().insert(*key, value.to_vec());
        Ok(true)
    }

    fn try_lease(&self, key: &Key, token: &str, _: Duration) -> Result<bool, RemoteError> {
        self.check()?;
        Ok(self.leases.lock().unwrap().entry(*key).or_insert_with(|| token.to_owned()) == token)
    }

    fn release(&self, key: &Key, token: &str) -> Result<(), RemoteError> {
        self.check()?;
        let mut leases = self.leases.lock().unwrap();
        if leases.get(key).is_some_and(|holder| holder == token) {
            leases.remove(key);
        }
        Ok(())
    }
}

async fn answer(text: &'static str) -> Result<Bytes, Failure> {
    Ok(Bytes::from_static(text.as_bytes()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_misses_of_one_key_are_one_computation() {
    let folder = tempfile::tempdir().unwrap();
    let levels = levels().with_disk(folder.path(), LevelSettings::disk(1 << 20), Writes::Acknowledged).unwrap();
    let answers = answers(levels);
    let (computations, gate) = (Arc::new(AtomicU32::new(0)), Arc::new(tokio::sync::Barrier::new(2)));
    let tasks: Vec<_> = (0..1_000)
        .map(|_| {
            let (answers, computations, gate) = (answers.clone(), computations.clone(), gate.clone());
            tokio::spawn(async move {
                let compute = async move {
                    computations.fetch_add(1, Ordering::SeqCst);
                    gate.wait().await;
                    answer("once").await
                };
                answers.get_or_compute(key(1), KEEP, compute).await.unwrap()
            })
        })
        .collect();
    gate.wait().await;
    let mut counts = HashMap::new();
    for task in tasks {
        let (value, source) = task.await.unwrap();
        assert_eq!(value, "once");
        *counts.entry(source).or_insert(0) += 1;
    }
    assert_eq!((computations.load(Ordering::SeqCst), counts[&Source::Computed]), (1, 1));
    answers.flush().await.unwrap();
    let report = answers.report();
    assert_eq!((report.computed, report.writing, report.levels[1].entries), (1, 0, Some(1)));
    // Who came too late to join found it in memory.
    let late = counts.get(&Source::Memory).copied().unwrap_or(0);
    assert_eq!((report.joined + late, counts.len()), (999, 2 + usize::from(late > 0)));
    // The folder was asked once, by whoever flew.
    assert_eq!((report.levels[1].misses, report.levels[1].hits), (1, 0));
}

#[tokio::test]
async fn a_failure_is_given_to_all_who_waited_and_not_kept() {
    let answers = answers(levels());
    let fail = |text: &'static str| async move {
        tokio::task::yield_now().await;
        Err::<Bytes, Failure>(Arc::new(std::io::Error::other(text)))
    };
    let (one, two) = tokio::join!(
        answers.get_or_compute(key(1), KEEP, fail("first")),
        answers.get_or_compute(key(1), KEEP, fail("second")),
    );
    assert_eq!((one.unwrap_err().to_string(), two.unwrap_err().to_string()), ("first".to_owned(), "first".to_owned()));
    let (value, source) = answers.get_or_compute(key(1), KEEP, answer("third")).await.unwrap();
    assert_eq!((value, source), (Bytes::from("third"), Source::Computed));
    assert_eq!((answers.report().failed, answers.report().computed), (1, 1));
    let again = answers.get_or_compute(key(1), KEEP, fail("never asked")).await.unwrap();
    assert_eq!(again, (Bytes::from("third"), Source::Memory));
}

#[tokio::test]
async fn when_the_first_caller_goes_away_the_next_takes_its_turn() {
    let answers = answers(levels());
    let other = answers.clone();
    let gone = tokio::spawn(async move { other.get_or_compute(key(1), KEEP, pending()).await });
    tokio::task::yield_now().await;
    let next = answers.get_or_compute(key(1), KEEP, answer("next"));
    let (_, found) = tokio::join!(
        async {
            tokio::task::yield_now().await;
            gone.abort();
        },
        next
    );
    assert_eq!(found.unwrap(), (Bytes::from("next"), Source::Computed));
}

#[tokio::test]
async fn callers_of_another_type_do_not_join() {
    let answers = answers(levels());
    let other = Keep::tagged(Tag::new(1, 2));
    let (one, two) = tokio::join!(
        answers.get_or_compute(key(1), KEEP, answer("one")),
        answers.get_or_compute(key(1), other, answer("two")),
    );
    assert_eq!((one.unwrap().0, two.unwrap().0), (Bytes::from("one"), Bytes::from("two")));
}

#[tokio::test]
async fn the_first_request_after_warming_is_a_hit_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let open = || levels().with_disk(folder.path(), LevelSettings::disk(1 << 20), Writes::Acknowledged).unwrap();
    answers(open()).put(key(1), Bytes::from("kept"), KEEP).await;
    let answers = answers(open());
    let keys = answers.levels().latest(10);
    assert_eq!((answers.warm(keys, KEEP.tag).await, answers.warm(vec![key(9)], KEEP.tag).await), (1, 0));
    assert_eq!(answers.get(key(1), KEEP.tag).await, Some((Bytes::from("kept"), Source::Memory)));
    assert_eq!(answers.get(key(9), KEEP.tag).await, None);
}

#[tokio::test]
async fn a_near_text_is_answered_only_when_it_is_asked_for() {
    let (answers, near) = (answers(levels()), Near::new(NearSettings::default()));
    let (scope, text) = (key(100), "Is this line of the log an attack on the host?");
    answers.put(key(1), Bytes::from("no"), KEEP).await;
    near.insert(scope, text, key(1));
    let similar = "is this line of the log an attack   on the host";
    assert_eq!(answers.get(Key::of(&similar).unwrap(), KEEP.tag).await, None);
    let hit = NearHit { key: key(1), distance: 0 };
    assert_eq!(answers.get_near(&near, scope, similar, KEEP.tag).await, Some((Bytes::from("no"), hit)));
    assert_eq!(answers.get_near(&near, key(101), similar, KEEP.tag).await, None);
    assert_eq!((near.report().hits, near.report().lookups), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn processes_take_turns_by_the_lease_of_a_server() {
    let server = Arc::new(Server::default());
    let process = || answers(levels().with_remote(server.clone(), LevelSettings::remote()));
    let (one, two) = (process(), process());
    let (start, end) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let (started, ended) = (start.clone(), end.clone());
    let first = tokio::spawn(async move {
        let compute = async move {
            started.notify_one();
            ended.notified().await;
            answer("first").await
        };
        let found = one.get_or_compute(key(1), KEEP, compute).await.unwrap();
        one.flush().await.unwrap();
        found
    });
    start.notified().await;
    let second = tokio::spawn(async move {
        let found = two.get_or_compute(key(1), KEEP, answer("second")).await.unwrap();
        (found, two.report())
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    end.notify_one();
    assert_eq!(first.await.unwrap(), (Bytes::from("first"), Source::Computed));
    let (found, report) = second.await.unwrap();
    assert_eq!(found, (Bytes::from("first"), Source::Remote));
    assert_eq!((report.computed, report.waited, report.wait_timeouts), (0, 1, 0));
    assert!(server.leases.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_another_process_is_bounded() {
    let server = Arc::new(Server::default());
    server.try_lease(&key(1), "somebody who is gone", Duration::ZERO).unwrap();
    let answers = answers(levels().with_remote(server.clone(), LevelSettings::remote()));
    let clock = Clock::start();
    let found = answers.get_or_compute(key(1), KEEP, answer("ours")).await.unwrap();
    assert_eq!(found, (Bytes::from("ours"), Source::Computed));
    let waited = clock.now().as_nanos() / 1_000_000;
    assert!((10_000..11_000).contains(&waited), "{waited} ms");
    assert_eq!(answers.report().wait_timeouts, 1);
    assert_eq!(server.leases.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_lease_of_a_failed_computation_is_given_back() {
    let server = Arc::new(Server::default());
    let answers = answers(levels().with_remote(server.clone(), LevelSettings::remote()));
    let fail = async { Err::<Bytes, Failure>(Arc::new(std::io::Error::other("no"))) };
    answers.get_or_compute(key(1), KEEP, fail).await.unwrap_err();
    // It is given back on a thread of the runtime; the next computation waits for that at most.
    answers.get_or_compute(key(1), KEEP, answer("yes")).await.unwrap();
    answers.flush().await.unwrap();
    assert_eq!(answers.report().wait_timeouts, 0);
    assert!(server.leases.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_server_that_is_down_costs_only_its_hits() {
    let folder = tempfile::tempdir().unwrap();
    let server = Arc::new(Server { is_down: true, ..Server::default() });
    let levels = levels().with_remote(server, LevelSettings::remote());
    let levels = levels.with_disk(folder.path(), LevelSettings::disk(1 << 20), Writes::Acknowledged).unwrap();
    let answers = answers(levels);
    answers.put(key(1), Bytes::from("kept"), KEEP).await;
    for number in [1, 2, 3] {
        answers.get_or_compute(key(number), KEEP, answer("computed")).await.unwrap();
    }
    answers.flush().await.unwrap();
    let report = answers.report();
    assert_eq!((report.computed, report.levels[1].failures, report.levels[2].entries), (2, 1, Some(3)));
    assert_eq!(report.levels[1].off.as_deref(), Some("ask `here:1`: down"));
}
