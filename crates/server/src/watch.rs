//! What a service does beside its requests: unload what is idle, close idle connections, and give way when memory is short.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weighbridge_engine_http::ConnectionPools;
use weighbridge_telemetry::{MemoryPressure, SystemRoot, memory_pressure};

use crate::service::Service;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);

/// Looks in a row at which memory is short before a model goes: a burst of another program passes.
const LOOKS: u32 = 3;

/// Share of the places that are left while memory is short.
const SHARE_UNDER_PRESSURE: f64 = 0.5;

/// When memory counts as short.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MemoryThresholds {
    /// Share of it in use.
    pub used: f64,
    /// Share of the last ten seconds in which somebody waited for it.
    pub stalled: f64,
}

impl Default for MemoryThresholds {
    /// 85 % in use, or a tenth of the time: a host that reclaims all the time, long before the kernel kills.
    fn default() -> Self {
        Self { used: 0.85, stalled: 0.10 }
    }
}

/// Who looks after a service.
#[derive(Debug)]
pub struct Watch {
    /// The service.
    pub service: Arc<Service>,
    /// The connections to servers elsewhere.
    pub pools: Arc<ConnectionPools>,
    /// Where the host tells of its memory.
    pub root: SystemRoot,
    /// When memory counts as short.
    pub thresholds: MemoryThresholds,
    /// Is told the bytes of a model that had to go.
    pub on_eviction: fn(u64),
}

/// What is done about memory at one look.
#[derive(Debug, PartialEq)]
enum Step {
    Nothing,
    /// Fewer requests are computed at once.
    Cut,
    /// And a model goes.
    Evict,
    /// All places are given back.
    GiveBack,
}

/// Looks in a row at which memory was short.
#[derive(Default)]
struct Relief {
    short: u32,
}

impl Relief {
    /// First fewer requests, then models, one after as many looks as the first.
    fn look(&mut self, pressure: MemoryPressure, thresholds: MemoryThresholds) -> Step {
        let is_above = |share: Option<f64>, threshold: f64| share.is_some_and(|share| share > threshold);
        let is_short =
            is_above(pressure.used_share, thresholds.used) || is_above(pressure.stalled_share, thresholds.stalled);
        if !is_short {
            return if std::mem::take(&mut self.short) > 0 { Step::GiveBack } else { Step::Nothing };
        }
        self.short += 1;
        if self.short < LOOKS {
            return Step::Cut;
        }
        self.short = 1;
        Step::Evict
    }
}

impl Watch {
    /// Looks once a second until it is told to stop.
    pub async fn run(self, stopping: CancellationToken) {
        let mut relief = Relief::default();
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stopping.cancelled() => return,
            }
            self.service.pool().sweep().await;
            self.pools.sweep();
            match relief.look(memory_pressure(&self.root), self.thresholds) {
                Step::Nothing => {}
                Step::Cut => self.service.throttle(SHARE_UNDER_PRESSURE),
                Step::GiveBack => self.service.throttle(1.0),
                Step::Evict => {
                    if let Some(bytes) = self.service.pool().relieve().await {
                        (self.on_eviction)(bytes);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use weighbridge_engine::scripted::{Script, ScriptedEngine};
    use weighbridge_engine::{BoxFuture, Engine};
    use weighbridge_engine_http::ConnectionLimits;
    use weighbridge_serving::{LoadError, Loader, ModelSettings, PoolSettings, Residence};
    use weighbridge_types::time::Clock;

    use super::*;
    use crate::service::{ModelLimits, Origin, Served, ServiceSettings};

    struct Megabyte;

    impl Loader for Megabyte {
        fn expected_bytes(&self) -> u64 {
            1 << 20
        }

        fn load(&self) -> BoxFuture<'static, Result<Arc<dyn Engine>, LoadError>> {
            Box::pin(async { Ok(Arc::new(ScriptedEngine::new(Script::default())) as Arc<dyn Engine>) })
        }
    }

    fn pressure(used: f64, stalled: f64) -> MemoryPressure {
        MemoryPressure { used_share: Some(used), stalled_share: Some(stalled) }
    }

    #[test]
    fn places_are_cut_before_a_model_goes_and_given_back_after() {
        let mut relief = Relief::default();
        let mut check =
            |used, stalled, step| assert_eq!(relief.look(pressure(used, stalled), MemoryThresholds::default()), step);
        check(0.85, 0.10, Step::Nothing);
        check(0.86, 0.0, Step::Cut);
        check(0.5, 0.0, Step::GiveBack);
        check(0.5, 0.0, Step::Nothing);
        // Stalls count alike.
        check(0.5, 0.2, Step::Cut);
        check(0.9, 0.2, Step::Cut);
        check(0.9, 0.0, Step::Evict);
        check(0.9, 0.0, Step::Cut);
        check(0.9, 0.0, Step::Evict);
        check(0.5, 0.0, Step::GiveBack);
        assert_eq!(relief.look(MemoryPressure::default(), MemoryThresholds::default()), Step::Nothing);
    }

    struct Host(tempfile::TempDir);

    impl Host {
        fn stalls(&self, percent: u32) {
            let folder = self.0.path().join("proc/pressure");
            std::fs::create_dir_all(&folder).unwrap();
            let text = format!("some avg10={percent}.00 avg60=0.00 avg300=0.00 total=1\n");
            std::fs::write(folder.join("memory"), text).unwrap();
        }

        fn has_free(&self, kib: u32) {
            let folder = self.0.path().join("proc");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("meminfo"), format!("MemTotal: 1000 kB\nMemAvailable: {kib} kB\n")).unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_gives_way_to_a_host_that_is_short_of_memory() {
        let served = |name: &str| Served {
            settings: ModelSettings::new(name),
            origin: Origin::Here(Arc::new(Megabyte)),
            limits: ModelLimits { running: 16, waiting: 8, queue_timeout: Duration::from_secs(1) },
            format: "",
            modified: None,
        };
        let models = vec![served("a"), served("b")];
        let service = Service::new(ServiceSettings::default(), PoolSettings::default(), models, Clock::start());
        for name in ["a", "b"] {
            service.pool().load(name).await.unwrap();
        }
        let host = Host(tempfile::tempdir().unwrap());
        host.has_free(500);
        host.stalls(0);
        let watch = Watch {
            service: Arc::clone(&service),
            pools: ConnectionPools::new(ConnectionLimits::default()),
            root: SystemRoot::at(host.0.path()),
            thresholds: MemoryThresholds::default(),
            on_eviction: |bytes| assert_eq!(bytes, 1 << 20),
        };
        let stopping = CancellationToken::new();
        let watching = tokio::spawn(watch.run(stopping.clone()));
        let stands = |seconds| {
            let service = Arc::clone(&service);
            async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                let loaded =
                    service.pool().states().iter().filter(|state| state.residence == Residence::Loaded).count();
                (service.places(), loaded)
            }
        };
        // Half a second after a look, so that each sleep is that many looks.
        tokio::time::sleep(EVERY / 2).await;
        assert_eq!(stands(3).await, (32, 2));
        host.stalls(30);
        assert_eq!(stands(1).await, (16, 2), "fewer requests first");
        assert_eq!(stands(1).await, (16, 2));
        assert_eq!(stands(1).await, (16, 1), "then a model");
        host.stalls(0);
        host.has_free(100);
        assert_eq!(stands(2).await, (16, 0), "a host that is full counts alike");
        host.has_free(500);
        assert_eq!(stands(1).await, (32, 0));
        stopping.cancel();
        watching.await.unwrap();
    }
}
