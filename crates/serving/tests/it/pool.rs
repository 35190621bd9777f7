//! Models come and go under traffic.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use weighbridge_engine::scripted::{Script, ScriptedEngine};
use weighbridge_engine::{BoxFuture, Engine};
use weighbridge_serving::{
    LoadError, LoadErrorKind, LoadWhen, Loader, ModelPool, ModelSettings, PoolEvent, PoolSettings, Residence,
    ServeError, Strategy, UnloadReason,
};
use weighbridge_types::time::Clock;

/// A model that takes so many bytes and so long to load.
struct Fake {
    bytes: u64,
    expected: u64,
    takes: Duration,
    loads: Arc<AtomicUsize>,
    /// Loads that fail before one succeeds, and how.
    failures: AtomicU64,
    kind: LoadErrorKind,
}

impl Fake {
    fn new(bytes: u64) -> Self {
        Self {
            bytes,
            expected: bytes,
            takes: Duration::from_secs(1),
            loads: Arc::default(),
            failures: AtomicU64::new(0),
            kind: LoadErrorKind::Broken,
        }
    }

    fn failing(self, times: u64, kind: LoadErrorKind) -> Self {
        self.failures.store(times, Ordering::Relaxed);
        Self { kind, ..self }
    }
}

impl Loader for Fake {
    fn expected_bytes(&self) -> u64 {
        self.expected
    }

    fn load(&self) -> BoxFuture<'static, Result<Arc<dyn Engine>, LoadError>> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        let fails =
            self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        let (takes, kind) = (self.takes, self.kind);
        Box::pin(async move {
            tokio::time::sleep(takes).await;
            if fails {
                let (problem, hint) = ("read it: it is damaged".to_owned(), "fetch it again".to_owned());
                return Err(LoadError { kind, problem, hint });
            }
            let script: Script = "ttft=1ms,itl=1ms".parse().expect("a sound script");
            Ok(Arc::new(ScriptedEngine::new(script)) as Arc<dyn Engine>)
        })
    }

    fn footprint(&self, _: &dyn Engine) -> u64 {
        self.bytes
    }
}

fn pool(settings: PoolSettings, models: Vec<(ModelSettings, Fake)>) -> ModelPool {
    let models = models.into_iter().map(|(settings, fake)| (settings, Arc::new(fake) as Arc<dyn Loader>)).collect();
    ModelPool::new(settings, models, Clock::start())
}

fn budget(bytes: u64) -> PoolSettings {
    PoolSettings { memory_budget: Some(bytes), ..PoolSettings::default() }
}

fn named(names: &[&str], bytes: u64) -> Vec<(ModelSettings, Fake)> {
    names.iter().map(|name| (ModelSettings::new(*name), Fake::new(bytes))).collect()
}

fn loaded(pool: &ModelPool) -> Vec<String> {
    let states = pool.states();
    states.into_iter().filter(|state| state.residence == Residence::Loaded).map(|state| state.name).collect()
}

#[tokio::test(start_paused = true)]
async fn a_model_is_loaded_once_however_many_ask() {
    let fake = Fake::new(10);
    let loads = Arc::clone(&fake.loads);
    let pool = pool(budget(100), vec![(ModelSettings::new("a"), fake)]);
    let leases = join_all((0..1_000).map(|_| pool.lease("a"))).await;
    assert!(leases.iter().all(Result::is_ok));
    assert_eq!((loads.load(Ordering::Relaxed), pool.state("a").unwrap().in_flight), (1, 1_000));
    drop(leases);
    assert_eq!(pool.state("a").unwrap().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_leaves_the_load_to_the_others() {
    let pool = pool(budget(100), named(&["a"], 10));
    let gone = tokio::time::timeout(Duration::from_millis(500), pool.lease("a")).await;
    assert!(gone.is_err());
    assert!(pool.lease("a").await.is_ok());
    assert_eq!(pool.state("a").unwrap().loads, 1);
}

#[tokio::test(start_paused = true)]
async fn the_one_used_longest_ago_goes_and_names_aliases_and_tiers_find_models() {
    let mut models = named(&["a", "b", "c"], 40);
    models[0].0.aliases = vec!["first".to_owned()];
    models[2].0.tier = Some("large".to_owned());
    let pool = pool(budget(100), models);
    let mut events = pool.events();
    drop(pool.lease("first").await.unwrap());
    drop(pool.lease("b").await.unwrap());
    tokio::time::advance(Duration::from_secs(1)).await;
    drop(pool.lease("a").await.unwrap());
    assert_eq!(pool.lease("large").await.unwrap().model(), "c");
    assert_eq!(loaded(&pool), ["a", "c"]);
    let mut unloaded = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let PoolEvent::Unloaded { model, reason, .. } = event {
            unloaded.push((model, reason));
        }
    }
    assert_eq!(unloaded, [("b".to_owned(), UnloadReason::Room)]);
    let unknown = pool.lease("d").await.unwrap_err();
    assert_eq!(unknown.hint(), "ask for one of a, b, c");
}

#[tokio::test(start_paused = true)]
async fn what_is_in_use_is_never_unloaded_and_waited_for() {
    let pool = Arc::new(pool(budget(100), named(&["a", "b"], 60)));
    let lease = pool.lease("a").await.unwrap();
    let waiting = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { pool.lease("b").await.map(|lease| lease.model().to_owned()) }
    });
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(loaded(&pool), ["a"]);
    drop(lease);
    assert_eq!(waiting.await.unwrap().unwrap(), "b");
    assert_eq!(loaded(&pool), ["b"]);
    let _lease = pool.lease("b").await.unwrap();
    let late = pool.lease("a").await.unwrap_err();
    assert!(matches!(late, ServeError::NoRoom { waited, .. } if waited >= Duration::from_secs(30)), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn what_never_fits_is_refused_at_once_with_the_figures() {
    let mut models = named(&["big", "pinned"], 60);
    models[1].0.pinned = true;
    let pool = pool(budget(100), models);
    drop(pool.lease("pinned").await.unwrap());
    let refused = pool.lease("big").await.unwrap_err();
    assert_eq!(refused, ServeError::TooLarge { model: "big".to_owned(), need: 60, budget: 100, left: 40 });
}

#[tokio::test(start_paused = true)]
async fn a_model_that_takes_more_than_it_said_is_unloaded_and_known_from_then_on() {
    let mut models = named(&["liar", "other"], 60);
    models[0].1.expected = 10;
    models[0].1.bytes = 120;
    let loads = Arc::clone(&models[0].1.loads);
    let pool = pool(budget(100), models);
    drop(pool.lease("other").await.unwrap());
    assert!(matches!(pool.lease("liar").await.unwrap_err(), ServeError::TooLarge { need: 120, .. }));
    assert!(matches!(pool.lease("liar").await.unwrap_err(), ServeError::TooLarge { need: 120, .. }));
    assert_eq!(loads.load(Ordering::Relaxed), 1);
    assert!(pool.lease("other").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_load_that_runs_out_of_memory_is_tried_once_more_without_the_others() {
    let mut models = named(&["a", "b"], 10);
    models[1].1 = Fake::new(10).failing(1, LoadErrorKind::Memory);
    let loads = Arc::clone(&models[1].1.loads);
    let pool = pool(budget(100), models);
    drop(pool.lease("a").await.unwrap());
    assert!(pool.lease("b").await.is_ok());
    assert_eq!((loads.load(Ordering::Relaxed), loaded(&pool)), (2, vec!["b".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn of_several_models_those_that_are_sound_are_loaded_and_the_others_say_why() {
    let mut models = named(&["a", "broken", "c"], 10);
    models[1].1 = Fake::new(10).failing(1, LoadErrorKind::Broken);
    let pool = pool(budget(100), models);
    let names: Vec<String> = ["a", "broken", "c"].map(str::to_owned).into();
    let reports = pool.load_all(&names).await;
    assert_eq!(reports.iter().map(|(_, report)| report.is_ok()).collect::<Vec<_>>(), [true, false, true]);
    let error = reports[1].1.as_ref().unwrap_err();
    assert_eq!(error.to_string(), "load `broken`: read it: it is damaged");
    assert_eq!((loaded(&pool).len(), pool.state("broken").unwrap().problem.is_some()), (2, true));
}

#[tokio::test(start_paused = true)]
async fn circuit_refuses_where_the_others_unload() {
    let settings = PoolSettings { max_models: Some(2), strategy: Strategy::Circuit, ..PoolSettings::default() };
    let circuit = pool(settings, named(&["a", "b", "c"], 10));
    drop((circuit.lease("a").await.unwrap(), circuit.lease("b").await.unwrap()));
    assert_eq!(circuit.lease("c").await.unwrap_err(), ServeError::AtLimit { model: "c".to_owned() });
    for strategy in [Strategy::Lazy, Strategy::Adaptive, Strategy::Eager] {
        let pool = pool(PoolSettings { strategy, ..settings }, named(&["a", "b", "c"], 10));
        let eager = pool.load_eager().await.len();
        assert_eq!(eager > 0, strategy == Strategy::Eager);
        for name in ["a", "b", "c"] {
            drop(pool.lease(name).await.unwrap());
        }
        assert_eq!(loaded(&pool).len(), 2, "{strategy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn idle_models_go_after_their_time_and_pinned_ones_stay() {
    let mut models = named(&["a", "b", "c"], 10);
    for (settings, _) in &mut models {
        settings.idle_ttl = Some(Duration::from_secs(60));
    }
    models[1].0.pinned = true;
    let pool = pool(budget(100), models);
    for name in ["a", "b"] {
        drop(pool.lease(name).await.unwrap());
    }
    let used = pool.lease("c").await.unwrap();
    tokio::time::advance(Duration::from_secs(57)).await;
    assert_eq!(pool.sweep().await, 0);
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(pool.sweep().await, 1);
    assert_eq!(loaded(&pool), ["b", "c"]);
    drop(used);
    assert_eq!(pool.relieve().await, Some(10));
    assert_eq!((loaded(&pool), pool.relieve().await), (vec!["b".to_owned()], None));
}

#[tokio::test(start_paused = true)]
async fn unloading_waits_for_the_last_request_and_what_is_on_demand_waits_to_be_loaded() {
    let mut models = named(&["a", "b"], 10);
    models[1].0.load = LoadWhen::OnDemand;
    let pool = Arc::new(pool(budget(100), models));
    let lease = pool.lease("a").await.unwrap();
    let refused = pool.unload("a", Duration::from_secs(5)).await.unwrap_err();
    assert!(matches!(refused, ServeError::Late { .. }));
    assert!(pool.lease("a").await.is_ok(), "it is lent again after unloading was given up");
    let unloading = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { pool.unload("a", Duration::from_secs(60)).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(pool.state("a").unwrap().residence, Residence::Draining);
    drop(lease);
    assert!(unloading.await.unwrap().unwrap());
    assert!(pool.lease("b").await.unwrap_err().to_string().contains("only on demand"));
    assert_eq!(pool.load("b").await.unwrap().load_time, Duration::from_secs(1));
    assert!(pool.load("b").await.unwrap().was_loaded && pool.lease("b").await.is_ok());
    let report = pool.switch("b", "a", Duration::from_secs(5)).await.unwrap();
    assert_eq!((report.load_time, loaded(&pool)), (Duration::from_secs(1), vec!["a".to_owned()]));
    pool.close();
    assert_eq!(pool.lease("a").await.unwrap_err(), ServeError::Draining);
}

/// 200 loads and more under traffic: nothing fails, and the budget holds at every moment.
#[tokio::test(start_paused = true)]
async fn two_hundred_loads_under_traffic_keep_the_budget_and_lose_nothing() {
    let names: Vec<String> = (0..8).map(|index| format!("m{index}")).collect();
    let models = names.iter().map(|name| (ModelSettings::new(name.clone()), Fake::new(30))).collect();
    let settings = PoolSettings { room_timeout: Duration::from_secs(3_600), ..budget(100) };
    let pool = Arc::new(pool(settings, models));
    let failed = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicU64::new(0));
    let clients = (0..24_usize).map(|client| {
        let (pool, names, failed, most) = (Arc::clone(&pool), names.clone(), Arc::clone(&failed), Arc::clone(&most));
        tokio::spawn(async move {
            for turn in 0..80_usize {
                match pool.lease(&names[(client * 7 + turn * 5) % names.len()]).await {
                    Ok(lease) => {
                        let taken = pool.states().iter().map(|state| state.bytes).sum();
                        most.fetch_max(taken, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        drop(lease);
                    }
                    Err(_) => {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        })
    });
    for client in join_all(clients).await {
        client.unwrap();
    }
    let loads: u64 = pool.states().iter().map(|state| state.loads).sum();
    let uses: u64 = pool.states().iter().map(|state| state.uses).sum();
    assert_eq!((failed.load(Ordering::Relaxed), uses), (0, 24 * 80));
    assert!(loads >= 200, "{loads}");
    assert!(most.load(Ordering::Relaxed) <= 100, "{}", most.load(Ordering::Relaxed));
}
