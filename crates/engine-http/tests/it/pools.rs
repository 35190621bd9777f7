//! Connections that clients share: bounded, kept for a while, closed then.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use weighbridge_engine_http::{ConnectionLimits, ConnectionPools, HttpEngine, HttpOptions, Relay};
use weighbridge_types::model_ref::{EndpointRef, Preset};
use weighbridge_types::time::Clock;

use crate::support::{chat, generate, read_request};

/// A server that counts its connections. Answers to POST are held until it is told.
struct Counting {
    url: String,
    open: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    go: Arc<Notify>,
    closed: Arc<Notify>,
}

impl Counting {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            open: Arc::default(),
            most: Arc::default(),
            asked: Arc::default(),
            go: Arc::default(),
            closed: Arc::default(),
        };
        let (open, most, asked) = (Arc::clone(&server.open), Arc::clone(&server.most), Arc::clone(&server.asked));
        let (go, closed) = (Arc::clone(&server.go), Arc::clone(&server.closed));
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (open, asked) = (Arc::clone(&open), Arc::clone(&asked));
                let (go, closed) = (Arc::clone(&go), Arc::clone(&closed));
                most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::spawn(async move {
                    while let Some((head, _)) = read_request(&mut socket).await {
                        let body = if head.starts_with("POST") {
                            asked.fetch_add(1, Ordering::SeqCst);
                            go.notified().await;
                            r#"{"choices":[{"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}"#
                        } else {
                            r#"{"data":[{"id":"m"}]}"#
                        };
                        let kind = "content-type: application/json\r\n";
                        let answer = format!("HTTP/1.1 200 OK\r\n{kind}content-length: {}\r\n\r\n{body}", body.len());
                        socket.write_all(answer.as_bytes()).await.unwrap();
                    }
                    open.fetch_sub(1, Ordering::SeqCst);
                    closed.notify_one();
                });
            }
        });
        server
    }

    fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    fn endpoint(&self) -> EndpointRef {
        EndpointRef { preset: Preset::OpenAi, url: Some(self.url.clone()), model: Some("m".to_owned()) }
    }

    async fn relay(&self, pools: &Arc<ConnectionPools>) -> Relay {
        let options = HttpOptions { pools: Some(Arc::clone(pools)), ..HttpOptions::default() };
        Relay::connect(self.endpoint(), options).await.unwrap()
    }

    /// Lets answers go until nobody waits for one.
    async fn answer(&self, work: impl Future<Output = ()>) {
        tokio::pin!(work);
        loop {
            tokio::select! {
                () = &mut work => return,
                () = tokio::task::yield_now() => self.go.notify_one(),
            }
        }
    }

    /// Waits until so many connections are left.
    async fn left(&self, count: usize) {
        while self.open() > count {
            self.closed.notified().await;
        }
    }
}

async fn ask(relay: &Relay) {
    let mut relayed = relay.send("POST", "/chat/completions", Bytes::from_static(b"{}"), Clock::start()).await.unwrap();
    while let Some(chunk) = relayed.next().await {
        chunk.unwrap();
    }
}

#[tokio::test]
async fn one_server_sees_twenty_connections_at_most_of_an_engine_and_a_relay_together() {
    let server = Counting::start().await;
    let pools = ConnectionPools::new(ConnectionLimits::default());
    let relay = server.relay(&pools).await;
    let options = HttpOptions { pools: Some(Arc::clone(&pools)), ..HttpOptions::default() };
    let options = HttpOptions { delivery: weighbridge_engine_http::Delivery::Whole, ..options };
    let engine = HttpEngine::connect(server.endpoint(), options).await.unwrap();
    let relayed = join_all((0..60).map(|_| ask(&relay)));
    let generated = join_all((0..60).map(|_| generate(&engine, chat("a"), 4, Clock::start())));
    let all = async {
        let (_, generated) = tokio::join!(relayed, generated);
        assert!(generated.iter().all(|got| got.outcome.is_success()));
    };
    server.answer(all).await;
    assert_eq!(server.asked.load(Ordering::SeqCst), 120);
    assert_eq!((server.most.load(Ordering::SeqCst), pools.idle()), (20, 20));
}

#[tokio::test]
async fn all_servers_together_have_no_more_than_the_total_and_idle_ones_give_way() {
    let (first, second) = (Counting::start().await, Counting::start().await);
    let limits = ConnectionLimits { total: 4, per_host: 3, ..ConnectionLimits::default() };
    let pools = ConnectionPools::new(limits);
    let (a, b) = (first.relay(&pools).await, second.relay(&pools).await);
    first.answer(async { drop(join_all((0..6).map(|_| ask(&a))).await) }).await;
    assert_eq!((first.open(), pools.idle()), (3, 3));
    second.answer(async { drop(join_all((0..6).map(|_| ask(&b))).await) }).await;
    first.left(1).await;
    assert_eq!((first.open(), second.open(), second.most.load(Ordering::SeqCst)), (1, 3, 3));
    // Other limits for a server count for the same total.
    let third = Counting::start().await;
    let c = third.relay(&pools.within(ConnectionLimits { per_host: 1, ..limits })).await;
    third.answer(async { drop(join_all((0..3).map(|_| ask(&c))).await) }).await;
    assert_eq!((third.most.load(Ordering::SeqCst), pools.idle()), (1, 4));
}

#[tokio::test]
async fn idle_connections_are_closed_after_thirty_seconds_and_dead_ones_at_once() {
    let server = Counting::start().await;
    let pools = ConnectionPools::new(ConnectionLimits::default());
    let relay = server.relay(&pools).await;
    server.answer(async { drop(join_all((0..5).map(|_| ask(&relay))).await) }).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(29)).await;
    assert_eq!((pools.sweep(), pools.idle()), (0, 5));
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!((pools.sweep(), pools.idle()), (5, 0));
    tokio::time::resume();
    server.left(0).await;

    // A server that closes after its answer leaves connections that only a look finds dead.
    let closing = crate::support::answering(|_, _| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec()).await;
    let endpoint = EndpointRef { url: Some(closing), ..server.endpoint() };
    let options = HttpOptions { pools: Some(Arc::clone(&pools)), ..HttpOptions::default() };
    let relay = Relay::connect(endpoint, options).await.unwrap();
    ask(&relay).await;
    assert_eq!(pools.idle(), 1);
    while pools.sweep() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(pools.idle(), 0);
}
