//! What a service does beside its requests: unload what is idle, and give way when the host is short of memory.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weighbridge_engine_http::ConnectionPools;
use weighbridge_server::Service;
use weighbridge_telemetry::{SystemRoot, free_memory, host_memory};

use crate::output;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);

/// Looks in a row at which memory is short before a model goes: a burst of another program passes.
const LOOKS: u32 = 3;

/// Share of the places that are left while memory is short.
const SHARE_UNDER_PRESSURE: f64 = 0.5;

/// Runs until the service stops.
pub(super) async fn watch(
    service: Arc<Service>,
    pools: Arc<ConnectionPools>,
    threshold: f64,
    stopping: CancellationToken,
) {
    let root = SystemRoot::host();
    let mut short = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stopping.cancelled() => return,
        }
        service.pool().sweep().await;
        pools.sweep();
        let is_short = used_share(&root).is_some_and(|share| share > threshold);
        match (is_short, short) {
            (false, 0) => {}
            (false, _) => {
                short = 0;
                service.throttle(1.0);
            }
            (true, before) => {
                short = before + 1;
                service.throttle(SHARE_UNDER_PRESSURE);
            }
        }
        if short >= LOOKS {
            short = 1;
            if let Some(bytes) = service.pool().relieve().await {
                output::talk(&format!("memory is short: unloaded a model of {} MiB", bytes >> 20));
            }
        }
    }
}

/// Share of the memory that this process may have which is in use, by whomever; `None` where the system does not tell.
#[expect(clippy::cast_precision_loss, reason = "a share needs no exact bytes")]
fn used_share(root: &SystemRoot) -> Option<f64> {
    let total = host_memory(root)?.total;
    Some(1.0 - free_memory(root)? as f64 / total as f64)
}
