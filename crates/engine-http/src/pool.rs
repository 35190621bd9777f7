//! Connections that are kept for later requests, and what bounds them: those of one client, or of several together.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use weighbridge_types::time::{Clock, Stamp};

use crate::transport::Transport;

/// What bounds the connections of clients that share them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections to all servers, idle ones among them.
    pub total: usize,
    /// Connections to one server, idle ones among them.
    pub per_host: usize,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
}

impl Default for ConnectionLimits {
    /// 100 in all, 20 to one server, idle for 30 s.
    fn default() -> Self {
        Self { total: 100, per_host: 20, keep_alive: Duration::from_secs(30) }
    }
}

/// Connections that several clients share and that are bounded together: further requests wait until one is free.
///
/// A connection belongs to the scheme, host and port that it leads to, so clients that share them must trust the same certificates.
pub struct ConnectionPools {
    limits: ConnectionLimits,
    all: Arc<All>,
    hosts: Mutex<BTreeMap<String, Arc<Pool>>>,
}

/// What all servers have together.
struct All {
    total: usize,
    places: Arc<Semaphore>,
    pools: Mutex<Vec<Weak<Pool>>>,
}

impl ConnectionPools {
    /// Without a connection yet.
    #[must_use]
    pub fn new(limits: ConnectionLimits) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(limits.total.max(1)));
        let all = Arc::new(All { total: limits.total.max(1), places, pools: Mutex::default() });
        Arc::new(Self { limits, all, hosts: Mutex::default() })
    }

    /// Other limits for some servers; their connections count for the total of these, whatever `total` says.
    #[must_use]
    pub fn within(&self, limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self { limits, all: Arc::clone(&self.all), hosts: Mutex::default() })
    }

    /// Closes idle connections that are too old or that their server closed; how many. To be called now and then: without it
    /// they are found out when they are to be used.
    pub fn sweep(&self) -> usize {
        self.all.pools().iter().map(|pool| pool.sweep()).sum()
    }

    /// Idle connections to all servers.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.all.idle()
    }

    /// The connections to a server, by its scheme, host and port.
    pub(crate) fn of(&self, root: String) -> Arc<Pool> {
        let mut hosts = locked(&self.hosts);
        let pool = hosts.entry(root).or_insert_with(|| {
            let ConnectionLimits { per_host, keep_alive, .. } = self.limits;
            let pool = Pool::bounded(per_host.max(1), keep_alive, Arc::clone(&self.all));
            locked(&self.all.pools).push(Arc::downgrade(&pool));
            pool
        });
        Arc::clone(pool)
    }
}

impl fmt::Debug for ConnectionPools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionPools").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl All {
    fn pools(&self) -> Vec<Arc<Pool>> {
        let mut pools = locked(&self.pools);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.iter().filter_map(Weak::upgrade).collect()
    }

    fn idle(&self) -> usize {
        self.pools().iter().map(|pool| pool.idle()).sum()
    }

    /// Closes idle connections, those kept longest first, until one more may be open. Whoever asks has its place already.
    fn make_room(&self) {
        while self.idle() + (self.total - self.places.available_permits()) > self.total {
            let pools = self.pools();
            let oldest = pools.iter().filter_map(|pool| Some((pool.oldest()?, pool))).min_by_key(|(since, _)| *since);
            let Some((_, pool)) = oldest else { return };
            pool.close_oldest();
        }
    }
}

/// Connections to one server kept for later requests, the last one used on top.
pub(crate) struct Pool {
    kept: Mutex<Vec<Kept>>,
    limit: usize,
    /// Longest time that a kept connection is trusted.
    age_limit: Duration,
    clock: Clock,
    /// Places for connections in use; `None` for as many as there are requests.
    places: Option<(usize, Arc<Semaphore>)>,
    all: Option<Arc<All>>,
}

struct Kept {
    transport: Transport,
    since: Stamp,
}

/// A place for a connection in use, where they are limited.
pub(crate) struct Place {
    _of_all: Option<OwnedSemaphorePermit>,
    _of_host: Option<OwnedSemaphorePermit>,
}

impl Pool {
    /// Of one client.
    pub(crate) fn new(limit: usize, age_limit: Duration, most: Option<usize>) -> Arc<Self> {
        let places = most.map(|most| (most.max(1), Arc::new(Semaphore::new(most.max(1)))));
        Arc::new(Self { kept: Mutex::default(), limit, age_limit, clock: Clock::start(), places, all: None })
    }

    fn bounded(per_host: usize, age_limit: Duration, all: Arc<All>) -> Arc<Self> {
        let places = Some((per_host, Arc::new(Semaphore::new(per_host))));
        let clock = Clock::start();
        Arc::new(Self { kept: Mutex::default(), limit: per_host, age_limit, clock, places, all: Some(all) })
    }

    /// A place, if one can be had at once.
    pub(crate) fn try_enter(&self) -> Option<Place> {
        let take = |places: Option<&Arc<Semaphore>>| match places {
            None => Some(None),
            Some(places) => Arc::clone(places).try_acquire_owned().ok().map(Some),
        };
        let of_host = take(self.places.as_ref().map(|(_, places)| places))?;
        Some(Place { _of_host: of_host, _of_all: take(self.all.as_ref().map(|all| &all.places))? })
    }

    /// Waits for a place.
    pub(crate) async fn enter(&self) -> Place {
        let mut place = Place { _of_host: None, _of_all: None };
        // The host's first: who waits for it holds nothing that others could use. Nobody closes the semaphores.
        if let Some((_, places)) = &self.places {
            place._of_host = Arc::clone(places).acquire_owned().await.ok();
        }
        if let Some(all) = &self.all {
            place._of_all = Arc::clone(&all.places).acquire_owned().await.ok();
        }
        place
    }

    /// Closes idle connections until one more may be open, for whoever has a place.
    pub(crate) fn make_room(&self) {
        if let Some((most, places)) = &self.places {
            while self.idle() + (most - places.available_permits()) > *most {
                self.close_oldest();
            }
        }
        if let Some(all) = &self.all {
            all.make_room();
        }
    }

    /// Takes a kept connection that is neither too old nor closed by the server, as far as can be seen.
    pub(crate) fn take(&self, cx: &mut Context<'_>) -> Option<Transport> {
        loop {
            let mut kept = locked(&self.kept).pop()?;
            if self.clock.now() - kept.since <= self.age_limit && !kept.transport.is_spent(cx) {
                return Some(kept.transport);
            }
        }
    }

    /// Keeps a connection whose answer was read to its end.
    pub(crate) fn put(&self, transport: Transport) {
        let kept = Kept { transport, since: self.clock.now() };
        let mut all = locked(&self.kept);
        if all.len() < self.limit {
            all.push(kept);
        }
    }

    fn sweep(&self) -> usize {
        let now = self.clock.now();
        let mut cx = Context::from_waker(Waker::noop());
        let mut kept = locked(&self.kept);
        let before = kept.len();
        kept.retain_mut(|kept| now - kept.since <= self.age_limit && !kept.transport.is_spent(&mut cx));
        before - kept.len()
    }

    fn idle(&self) -> usize {
        locked(&self.kept).len()
    }

    fn oldest(&self) -> Option<Stamp> {
        locked(&self.kept).first().map(|kept| kept.since)
    }

    fn close_oldest(&self) {
        let mut kept = locked(&self.kept);
        if !kept.is_empty() {
            kept.remove(0);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while the lock was held cannot leave a list torn.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
