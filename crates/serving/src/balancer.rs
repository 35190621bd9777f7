//! Which of several servers that are alike is asked: the one with the fewest requests for its weight, as nginx's `least_conn`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use weighbridge_types::time::{Clock, Stamp};

/// One of the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSettings {
    /// Its share beside the others; at least 1.
    pub weight: u32,
    /// Failures within the time below that take it out of turn.
    pub max_fails: u32,
    /// How far back failures count, and how long it is left out.
    pub fail_timeout: Duration,
}

impl Default for PeerSettings {
    /// 3 failures within 30 s.
    fn default() -> Self {
        Self { weight: 1, max_fails: 3, fail_timeout: Duration::from_secs(30) }
    }
}

/// A server as it stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PeerState {
    /// Requests that it has.
    pub active: u32,
    /// Requests that it had.
    pub chosen: u64,
    /// Failures that it had.
    pub failed: u64,
    /// Whether it is left out.
    pub is_out: bool,
}

/// The servers.
#[derive(Debug)]
pub struct Balancer {
    clock: Clock,
    peers: Mutex<Vec<Peer>>,
}

#[derive(Debug)]
struct Peer {
    settings: PeerSettings,
    active: u32,
    chosen: u64,
    failed: u64,
    /// Failures in a row of time, and when the last one was.
    fails: u32,
    last_fail: Option<Stamp>,
    out_until: Option<Stamp>,
    /// Turns among those that are equally free: smooth weighted round robin.
    turn: i64,
}

/// A server that was chosen. It has one request less when this is dropped.
#[derive(Debug)]
pub struct Chosen {
    balancer: Arc<Balancer>,
    /// Its place in the list.
    pub index: usize,
}

impl Balancer {
    /// Of these servers.
    ///
    /// # Panics
    /// When there is none, or one has no weight.
    #[must_use]
    pub fn new(peers: Vec<PeerSettings>, clock: Clock) -> Arc<Self> {
        assert!(
            !peers.is_empty() && peers.iter().all(|peer| peer.weight > 0),
            "there are peers, and each has a weight"
        );
        let peers = peers.into_iter().map(|settings| Peer {
            settings,
            active: 0,
            chosen: 0,
            failed: 0,
            fails: 0,
            last_fail: None,
            out_until: None,
            turn: 0,
        });
        Arc::new(Self { clock, peers: Mutex::new(peers.collect()) })
    }

    /// Chooses one that was not `tried` yet; `None` where all were. Where all others are left out, one of them is asked all the same.
    #[must_use]
    pub fn choose(self: &Arc<Self>, tried: &[usize]) -> Option<Chosen> {
        let now = self.clock.now();
        let mut peers = self.peers();
        let open: Vec<usize> = (0..peers.len()).filter(|index| !tried.contains(index)).collect();
        let mut able: Vec<usize> = open.iter().copied().filter(|&index| !peers[index].is_out(now)).collect();
        if able.is_empty() {
            able = open;
        }
        // active / weight, compared by cross-multiplying.
        let least = able.iter().copied().min_by(|&a, &b| {
            let load =
                |one: usize, other: usize| u64::from(peers[one].active) * u64::from(peers[other].settings.weight);
            load(a, b).cmp(&load(b, a))
        })?;
        let is_least = |index: usize| {
            u64::from(peers[index].active) * u64::from(peers[least].settings.weight)
                == u64::from(peers[least].active) * u64::from(peers[index].settings.weight)
        };
        let equal: Vec<usize> = able.into_iter().filter(|&index| is_least(index)).collect();
        let total: i64 = equal.iter().map(|&index| i64::from(peers[index].settings.weight)).sum();
        for &index in &equal {
            peers[index].turn += i64::from(peers[index].settings.weight);
        }
        let index = equal.into_iter().max_by_key(|&index| (peers[index].turn, std::cmp::Reverse(index)))?;
        let peer = &mut peers[index];
        peer.turn -= total;
        peer.active += 1;
        peer.chosen += 1;
        drop(peers);
        Some(Chosen { balancer: Arc::clone(self), index })
    }

    /// Every server as it stands.
    #[must_use]
    pub fn states(&self) -> Vec<PeerState> {
        let now = self.clock.now();
        let state = |peer: &Peer| PeerState {
            active: peer.active,
            chosen: peer.chosen,
            failed: peer.failed,
            is_out: peer.is_out(now),
        };
        self.peers().iter().map(state).collect()
    }

    fn peers(&self) -> std::sync::MutexGuard<'_, Vec<Peer>> {
        // A panic while the lock was held cannot leave a peer torn.
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peer {
    fn is_out(&self, now: Stamp) -> bool {
        self.out_until.is_some_and(|until| now < until)
    }
}

impl Chosen {
    /// It was not asked after all: it counts as not chosen.
    pub fn passed_over(self) {
        self.balancer.peers()[self.index].chosen -= 1;
    }

    /// It failed, by its own fault.
    pub fn failed(&self) {
        let now = self.balancer.clock.now();
        let mut peers = self.balancer.peers();
        let peer = &mut peers[self.index];
        let counts = peer.last_fail.is_some_and(|last| now - last <= peer.settings.fail_timeout);
        peer.fails = if counts { peer.fails + 1 } else { 1 };
        peer.failed += 1;
        peer.last_fail = Some(now);
        if peer.fails >= peer.settings.max_fails {
            peer.out_until = Some(now.after(peer.settings.fail_timeout));
            peer.fails = 0;
        }
    }
}

impl Drop for Chosen {
    fn drop(&mut self) {
        let mut peers = self.balancer.peers();
        peers[self.index].active -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balancer(weights: &[u32]) -> Arc<Balancer> {
        let peers = weights.iter().map(|&weight| PeerSettings { weight, ..PeerSettings::default() }).collect();
        Balancer::new(peers, Clock::start())
    }

    fn counts(balancer: &Balancer) -> Vec<u64> {
        balancer.states().iter().map(|state| state.chosen).collect()
    }

    #[test]
    fn idle_servers_are_asked_by_weight() {
        let balancer = balancer(&[3, 3, 2]);
        for _ in 0..800 {
            drop(balancer.choose(&[]));
        }
        assert_eq!(counts(&balancer), [300, 300, 200]);
    }

    #[test]
    fn busy_servers_are_asked_by_what_they_have() {
        let balancer = balancer(&[3, 3, 2]);
        let held: Vec<_> = (0..80).map(|_| balancer.choose(&[]).unwrap()).collect();
        assert_eq!(balancer.states().iter().map(|state| state.active).collect::<Vec<_>>(), [30, 30, 20]);
        drop(held);
        assert!(balancer.states().iter().all(|state| state.active == 0));
    }

    #[tokio::test(start_paused = true)]
    async fn three_failures_take_a_server_out_for_thirty_seconds() {
        let balancer = balancer(&[1, 1]);
        for _ in 0..3 {
            balancer.choose(&[1]).unwrap().failed();
        }
        assert!(balancer.states()[0].is_out);
        assert!((0..10).all(|_| balancer.choose(&[]).unwrap().index == 1));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!((0..10).any(|_| balancer.choose(&[]).unwrap().index == 0));
    }

    #[test]
    fn who_is_passed_over_was_not_asked() {
        let balancer = balancer(&[1, 1]);
        for _ in 0..10 {
            let first = balancer.choose(&[]).unwrap();
            if first.index == 0 {
                first.passed_over();
                assert_eq!(balancer.choose(&[0]).unwrap().index, 1);
            }
        }
        assert_eq!(counts(&balancer), [0, 10]);
    }

    #[test]
    fn all_tried_is_none_and_all_out_is_asked_all_the_same() {
        let balancer = balancer(&[1, 1]);
        for _ in 0..3 {
            balancer.choose(&[1]).unwrap().failed();
            balancer.choose(&[0]).unwrap().failed();
        }
        assert!(balancer.states().iter().all(|state| state.is_out));
        assert!(balancer.choose(&[]).is_some());
        assert!(balancer.choose(&[0, 1]).is_none());
    }
}
