//! A stream of requests beside a load: how a neighbor sees the server.

use std::fmt;
use std::sync::Arc;

use tokio::runtime::Handle;
use weighbridge_types::metric::Cell;
use weighbridge_types::time::Stamp;
use weighbridge_workload::Traffic;

use crate::drive::{Driving, Open, Release};
use crate::pacer::Starts;
use crate::session::{Lane, Plan};
use crate::supply::Supply;

/// Numbers of a probe's sessions begin here, beyond those of any load beside it.
pub(crate) const FIRST: u64 = 1 << 40;

/// Sessions of a probe that are made ahead.
const AHEAD: usize = 64;

/// A stream of requests beside a load, in open loop. It ends with the time of the load.
pub struct Probe {
    /// Where its rows belong.
    pub cell: Cell,
    /// What is asked: sessions of one request.
    pub traffic: Arc<dyn Traffic>,
    /// Number of its first session; it must differ from those of the load.
    pub first: u64,
    /// Offsets from the start of the load, never falling.
    pub starts: Starts,
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("cell", &self.cell).field("first", &self.first).finish_non_exhaustive()
    }
}

impl Probe {
    /// Begins to release its requests on the reactors of the load; their rows come with the load's.
    pub(crate) fn release(
        self,
        driving: &Driving,
        beside: &[Arc<Lane>],
        reactors: &[Handle],
        until: Option<Stamp>,
        release: &Release,
    ) -> std::io::Result<()> {
        let supply = Arc::new(Supply::start(self.traffic, self.first, None, AHEAD)?);
        let lanes: Vec<Arc<Lane>> = beside
            .iter()
            .map(|lane| {
                let plan = Plan { cell: self.cell.clone(), ..lane.plan.as_ref().clone() };
                Arc::new(Lane { plan: Arc::new(plan), ..lane.as_ref().clone() })
            })
            .collect();
        Open { supply, lanes: &lanes, starts: self.starts, most: None }.release(driving, reactors, until, release)
    }
}
