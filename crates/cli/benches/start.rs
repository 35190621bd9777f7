//! From the start of the process to the first request of its load on the wire, as a server sees it.
//!
//! Starts `weighbridge load` again and again against a socket of this bench, and takes the time from just before the start
//! to the first bytes of the first connection, which asks which models there are, and of the first generation. Run it alone
//! on a quiet machine: `cargo bench -p weighbridge --bench start [-- STARTS]`; 20 when left out.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use weighbridge_stats::Sorted;
use weighbridge_types::time::{Clock, Stamp};

/// Beyond this a start has failed.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> io::Result<()> {
    let starts = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(20);
    let clock = Clock::start();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let target = format!("openai:http://{}/v1#m", listener.local_addr()?);
    let (sender, seen) = sync_channel(64);
    std::thread::spawn(move || listener.incoming().flatten().for_each(|socket| answer_apart(socket, clock, &sender)));
    let results = tempfile::tempdir()?;
    let (mut asked, mut loaded) = (Vec::new(), Vec::new());
    for _ in 0..starts {
        let begun = clock.now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_weighbridge"))
            .args(["load", &target, "-n", "1", "--no-live", "--output-dir"])
            .arg(results.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let (first, generation) = first_requests(&seen);
        // What it does after its first request is not of this bench.
        child.kill()?;
        child.wait()?;
        while seen.try_recv().is_ok() {}
        asked.push(1e3 * (first - begun).as_secs_f64());
        loaded.push(1e3 * (generation - begun).as_secs_f64());
    }
    println!("{starts} starts; from the start of the process, ms");
    println!("{:<28} {:>8} {:>8} {:>8}", "", "min", "median", "max");
    for (what, times) in [("first byte to the server", asked), ("first request of the load", loaded)] {
        let sorted = Sorted::new(times).expect("there was a start");
        let at = |q| sorted.quantile(q).expect("the quantile is sound");
        println!("{what:<28} {:>8.1} {:>8.1} {:>8.1}", at(0.0), at(0.5), at(1.0));
    }
    Ok(())
}

/// A request as it came in.
struct Seen {
    at: Stamp,
    is_generation: bool,
}

/// When the first request came, and the first generation.
fn first_requests(seen: &Receiver<Seen>) -> (Stamp, Stamp) {
    let next = || seen.recv_timeout(PATIENCE).expect("the load asks the server");
    let first = next();
    let (begun, mut last) = (first.at, first);
    while !last.is_generation {
        last = next();
    }
    (begun, last.at)
}

fn answer_apart(socket: TcpStream, clock: Clock, seen: &SyncSender<Seen>) {
    let seen = seen.clone();
    std::thread::spawn(move || answer(socket, clock, &seen));
}

/// Answers a connection's requests until it ends. A request comes in one piece over loopback, which is all that this needs.
fn answer(mut socket: TcpStream, clock: Clock, seen: &SyncSender<Seen>) {
    let mut request = [0; 16 << 10];
    while let Ok(count @ 1..) = socket.read(&mut request) {
        let at = clock.now();
        let is_generation = request[..count].starts_with(b"POST");
        let _ = seen.send(Seen { at, is_generation });
        let (kind, body) = match is_generation {
            false => ("application/json", r#"{"data":[{"id":"m"}]}"#),
            true => ("text/event-stream", "data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: [DONE]\n\n"),
        };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
        if socket.write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}
