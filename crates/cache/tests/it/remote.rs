//! Servers that several hosts share: one in this test that speaks like Redis, and the real ones where they are installed.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use weighbridge_cache::remote::{RemoteSettings, remote};
use weighbridge_cache::{
    Answers, AnswersSettings, Keep, Key, LevelSettings, Levels, ManualWall, Remote, RemoteError, Source, Tag,
    WallClock, Writes,
};
use weighbridge_types::time::Clock;

use crate::child::STARTING;

const TAG: Tag = Tag::new(7, 1);
const MINUTE: Duration = Duration::from_secs(60);

/// A loaded host may take a while; what is tested is not how fast servers are.
const PATIENT: RemoteSettings =
    RemoteSettings { connect: Duration::from_secs(10), command: Duration::from_secs(10), most_connections: 20 };

fn key(number: u32) -> Key {
    Key::of(&number).unwrap()
}

/// A value, and until when it is given out.
type Timed = (Vec<u8>, u64);

/// A server that speaks as much of RESP2 as the client says. Its time is a clock that stands.
#[derive(Debug)]
struct Mini {
    values: Mutex<HashMap<Vec<u8>, Timed>>,
    wall: Arc<ManualWall>,
    password: &'static str,
    connections: AtomicUsize,
    most_connections: AtomicUsize,
    greetings: Mutex<Vec<String>>,
    /// Lookups wait for each other here.
    together: Option<Barrier>,
    is_mute: bool,
}

impl Mini {
    fn new(wall: &Arc<ManualWall>) -> Self {
        Self {
            values: Mutex::default(),
            wall: wall.clone(),
            password: "",
            connections: AtomicUsize::new(0),
            most_connections: AtomicUsize::new(0),
            greetings: Mutex::default(),
            together: None,
            is_mute: false,
        }
    }

    /// Serves on a free port until the test ends.
    fn serve(self) -> (Arc<Self>, SocketAddr) {
        let (server, listener) = (Arc::new(self), TcpListener::bind("127.0.0.1:0").unwrap());
        let address = listener.local_addr().unwrap();
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let server = serving.clone();
                let now = server.connections.fetch_add(1, Ordering::SeqCst) + 1;
                server.most_connections.fetch_max(now, Ordering::SeqCst);
                thread::spawn(move || {
                    server.answer(stream);
                    server.connections.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        (server, address)
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut from = BufReader::new(stream.try_clone().unwrap());
        let mut is_in = self.password.is_empty();
        while let Some(parts) = command(&mut from) {
            let text: Vec<_> = parts.iter().map(|part| String::from_utf8_lossy(part).into_owned()).collect();
            if self.is_mute {
                continue;
            }
            let reply = match text[0].as_str() {
                "AUTH" => {
                    is_in = text.last().is_some_and(|password| password == self.password);
                    self.greetings.lock().unwrap().push(text.join(" "));
                    if is_in { b"+OK\r\n".to_vec() } else { b"-WRONGPASS invalid password\r\n".to_vec() }
                }
                _ if !is_in => b"-NOAUTH Authentication required.\r\n".to_vec(),
                "SELECT" => {
                    self.greetings.lock().unwrap().push(text.join(" "));
                    b"+OK\r\n".to_vec()
                }
                "GET" => {
                    if let Some(together) = &self.together {
                        together.wait();
                    }
                    let found = self.find(&parts[1]);
                    found.map_or(b"$-1\r\n".to_vec(), |value| {
                        [format!("${}\r\n", value.len()).as_bytes(), &value, b"\r\n"].concat()
                    })
                }
                "SET" if text[3] == "NX" && self.find(&parts[1]).is_some() => b"$-1\r\n".to_vec(),
                "SET" => {
                    let until = self.wall.now_ms() + text.last().unwrap().parse::<u64>().unwrap();
                    self.values.lock().unwrap().insert(parts[1].clone(), (parts[2].clone(), until));
                    b"+OK\r\n".to_vec()
                }
                "EVAL" => {
                    let is_theirs = self.find(&parts[3]).as_ref() == Some(&parts[4]);
                    if is_theirs {
                        self.values.lock().unwrap().remove(&parts[3]);
                    }
                    format!(":{}\r\n", u8::from(is_theirs)).into_bytes()
                }
                other => format!("-ERR unknown command '{other}'\r\n").into_bytes(),
            };
            if stream.write_all(&reply).is_err() {
                return;
            }
        }
    }

    fn find(&self, name: &[u8]) -> Option<Vec<u8>> {
        let values = self.values.lock().unwrap();
        values.get(name).filter(|(_, until)| *until > self.wall.now_ms()).map(|(value, _)| value.clone())
    }
}

fn command(from: &mut impl BufRead) -> Option<Vec<Vec<u8>>> {
    let number = |from: &mut dyn BufRead| {
        let mut line = String::new();
        from.read_line(&mut line).ok()?;
        line.trim().get(1..)?.parse::<usize>().ok()
    };
    let count = number(from)?;
    let mut part = || {
        let mut bytes = vec![0; number(from)? + 2];
        from.read_exact(&mut bytes).ok()?;
        bytes.truncate(bytes.len() - 2);
        Some(bytes)
    };
    (0..count).map(|_| part()).collect()
}

#[test]
fn the_bounds_of_a_client_are_those_that_are_asked() {
    let RemoteSettings { connect, command, most_connections } = RemoteSettings::default();
    assert_eq!((connect.as_millis(), command.as_millis(), most_connections), (500, 250, 20));
}

fn wall() -> Arc<ManualWall> {
    Arc::new(ManualWall::new(1_800_000_000_000))
}

fn client(address: &str, settings: RemoteSettings) -> Arc<dyn Remote> {
    remote(address, settings, Clock::start()).unwrap()
}

fn levels(wall: &Arc<ManualWall>, server: Arc<dyn Remote>) -> Levels {
    Levels::new(LevelSettings::memory(0), wall.clone()).with_remote(server, LevelSettings::remote())
}

fn found(levels: &Levels, number: u32) -> Option<(Bytes, Source)> {
    levels.get(&key(number), TAG)
}

#[test]
fn answers_go_round_expire_and_take_fewer_bytes() {
    let wall = wall();
    let (server, address) = Mini::new(&wall).serve();
    let levels = levels(&wall, client(&format!("redis://{address}/5"), PATIENT));
    assert_eq!(found(&levels, 1), None);
    let value = Bytes::from("an answer that is long enough ".repeat(100));
    levels.put(key(1), value.clone(), Keep { ttl: Some(MINUTE), ..Keep::tagged(TAG) });
    assert_eq!(found(&levels, 1), Some((value, Source::Remote)));
    {
        let values = server.values.lock().unwrap();
        let (name, (value, _)) = values.iter().next().unwrap();
        assert_eq!(String::from_utf8_lossy(name), format!("weighbridge:v2:{}", key(1).hex()));
        assert!(value.len() < 300, "{} bytes", value.len());
    }
    assert_eq!(levels.get(&key(1), Tag::new(7, 2)), None);
    wall.advance(MINUTE);
    assert_eq!(found(&levels, 1), None);
    // One connection serves all that ask in turns.
    assert_eq!(*server.greetings.lock().unwrap(), ["SELECT 5"]);
    let report = levels.reports().swap_remove(1);
    assert_eq!((report.hits, report.misses, report.stored, report.mistagged, report.failures), (1, 3, 1, 1, 0));
    // What is damaged or no entry at all is a miss.
    levels.put(key(1), Bytes::from("x"), Keep::tagged(TAG));
    server.values.lock().unwrap().values_mut().for_each(|(value, _)| value[50] ^= 1);
    assert_eq!((found(&levels, 1), levels.reports()[1].damaged), (None, 1));
}

#[test]
fn a_login_is_needed_and_never_told() {
    let wall = wall();
    let (server, address) = Mini { password: "s3cret/", ..Mini::new(&wall) }.serve();
    let right = client(&format!("redis://me:s3cret%2F@{address}"), PATIENT);
    assert!(right.put(&key(1), b"x", MINUTE).unwrap());
    assert_eq!(*server.greetings.lock().unwrap(), ["AUTH me s3cret/"]);
    let wrong = client(&format!("redis://:hunter2@{address}"), PATIENT);
    let error = wrong.get(&key(1)).unwrap_err();
    assert_eq!(error.to_string(), format!("ask `{address}`: WRONGPASS invalid password"));
    let without = client(&format!("redis://{address}"), PATIENT).get(&key(1)).unwrap_err();
    assert!(without.to_string().contains("NOAUTH"), "{without}");
    for text in [format!("{right:?}"), format!("{wrong:?} {error:?}")] {
        assert!(!text.contains("s3cret") && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn connections_are_bounded() {
    let wall = wall();
    let settings = RemoteSettings { most_connections: 3, command: Duration::from_secs(20), ..PATIENT };
    let (server, address) = Mini { together: Some(Barrier::new(3)), ..Mini::new(&wall) }.serve();
    let client = client(&format!("redis://{address}"), settings);
    thread::scope(|scope| {
        for number in 0..30 {
            let client = &client;
            scope.spawn(move || assert_eq!(client.get(&key(number)).unwrap(), None));
        }
    });
    assert_eq!(server.most_connections.load(Ordering::SeqCst), 3);
}

#[test]
fn who_finds_no_free_connection_in_time_misses_and_the_server_is_not_blamed() {
    let wall = wall();
    let settings = RemoteSettings { most_connections: 0, command: Duration::from_millis(1), ..PATIENT };
    let (_, address) = Mini::new(&wall).serve();
    let client = client(&format!("redis://{address}"), settings);
    assert!(matches!(client.get(&key(1)), Err(RemoteError::Busy { most: 0, .. })));
    let levels = levels(&wall, client);
    assert_eq!((found(&levels, 1), levels.reports()[1].failures), (None, 0));
}

#[test]
fn an_outage_falls_through_and_is_left_alone_for_a_while() {
    let (wall, folder) = (wall(), tempfile::tempdir().unwrap());
    // Nobody listens on a port that was just let go.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = client(&format!("redis://:pw@{address}"), PATIENT);
    let levels =
        levels(&wall, client).with_disk(folder.path(), LevelSettings::disk(1 << 20), Writes::Acknowledged).unwrap();
    levels.put(key(1), Bytes::from("kept"), Keep::tagged(TAG));
    for (seconds, failures) in [(0, 1), (1, 2), (1, 2), (1, 3), (4, 4), (8, 5), (16, 6), (30, 7), (30, 8)] {
        wall.advance(Duration::from_secs(seconds));
        assert_eq!(found(&levels, 1), Some((Bytes::from("kept"), Source::Disk)));
        assert_eq!(levels.reports()[1].failures, failures, "after {seconds} more seconds");
    }
    let reason = levels.reports()[1].off.clone().unwrap();
    assert!(reason.starts_with(&format!("connect to `{address}`")) && !reason.contains("pw"), "{reason}");
}

#[test]
fn a_mute_server_costs_no_more_than_its_time() {
    let wall = wall();
    let settings = RemoteSettings { command: Duration::from_millis(10), ..PATIENT };
    let (_, address) = Mini { is_mute: true, ..Mini::new(&wall) }.serve();
    let levels = levels(&wall, client(&format!("redis://{address}"), settings));
    assert_eq!((found(&levels, 1), found(&levels, 1), levels.reports()[1].failures), (None, None, 1));
}

#[test]
fn a_connection_that_the_server_closed_is_replaced() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Answers one question on each connection, then closes it.
    let server = thread::spawn(move || {
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().unwrap();
            command(&mut BufReader::new(stream.try_clone().unwrap())).unwrap();
            stream.write_all(b"$-1\r\n").unwrap();
        }
    });
    let client = client(&format!("redis://{address}"), PATIENT);
    for _ in 0..3 {
        assert_eq!(client.get(&key(1)).unwrap(), None);
    }
    server.join().unwrap();
}

/// A server that is installed, on a free port, or `None` and a line that says so.
#[expect(clippy::print_stdout, reason = "a test that was skipped says so")]
fn installed(program: &str, arguments: &[&str], port_flag: &str) -> Option<(Running, SocketAddr)> {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).args([port_flag, &address.port().to_string()]).stdin(Stdio::null());
    let child = {
        let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    };
    let Ok(child) = child else {
        println!("skipped: {program} is not installed");
        return None;
    };
    let mut running = Running(child);
    while TcpStream::connect(address).is_err() {
        assert!(running.0.try_wait().unwrap().is_none(), "{program} ended by itself");
        thread::park_timeout(Duration::from_millis(5));
    }
    Some((running, address))
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// What every server must do. A lease lasts as long as a second at least.
fn check(server: &dyn Remote) {
    let binary: Vec<u8> = (0..=255).collect::<Vec<u8>>().repeat(2_000);
    assert_eq!(server.get(&key(1)).unwrap(), None);
    assert!(server.put(&key(1), &binary, MINUTE).unwrap());
    assert!(server.put(&key(2), b"", MINUTE).unwrap());
    assert_eq!(server.get(&key(1)).unwrap(), Some(binary));
    assert_eq!(server.get(&key(2)).unwrap(), Some(Vec::new()));
    let lease = |token| server.try_lease(&key(1), token, MINUTE).unwrap();
    assert!(lease("one") && !lease("two"));
    server.release(&key(1), "two").unwrap();
    assert!(!lease("two"));
    server.release(&key(1), "one").unwrap();
    assert!(lease("two"));
    // The leases and the answers do not meet.
    assert!(server.get(&key(1)).unwrap().is_some());
}

#[test]
fn the_server_of_these_tests_does_what_servers_do() {
    let (_, address) = Mini::new(&wall()).serve();
    check(&*client(&format!("redis://{address}"), PATIENT));
}

#[test]
fn a_real_redis() {
    let arguments = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--requirepass", "pw"];
    let Some((_running, address)) = installed("redis-server", &arguments, "--port") else { return };
    let server = client(&format!("redis://:pw@{address}/3"), PATIENT);
    check(&*server);
    // It forgets by its own clock.
    assert!(server.put(&key(9), b"soon gone", Duration::from_millis(1)).unwrap());
    while server.get(&key(9)).unwrap().is_some() {}
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let process = || {
        let wall = Arc::new(weighbridge_cache::SystemWall);
        let levels = Levels::new(LevelSettings::memory(1 << 20), wall);
        let levels = levels.with_remote(server.clone(), LevelSettings::remote());
        Answers::new(levels, AnswersSettings::default(), Clock::start())
    };
    runtime.block_on(async {
        let (one, two) = (process(), process());
        let answer = |text: &'static str| async move { Ok(Bytes::from(text)) };
        let keep = Keep::tagged(TAG);
        let first = one.get_or_compute(key(10), keep, answer("first")).await.unwrap();
        one.flush().await.unwrap();
        let second = two.get_or_compute(key(10), keep, answer("second")).await.unwrap();
        assert_eq!((first.1, second), (Source::Computed, (Bytes::from("first"), Source::Remote)));
        assert_eq!(two.get(key(10), TAG).await, Some((Bytes::from("first"), Source::Memory)));
    });
}

#[test]
fn a_real_memcached() {
    let arguments = ["-l", "127.0.0.1", "-U", "0", "-u", "nobody"];
    let Some((_running, address)) = installed("memcached", &arguments, "-p") else { return };
    let server = client(&format!("memcached://{address}"), PATIENT);
    check(&*server);
    // Too large for it, which is nobody's failure.
    assert!(!server.put(&key(5), &vec![7; 2 << 20], MINUTE).unwrap());
    assert_eq!(server.get(&key(5)).unwrap(), None);
    assert!(server.put(&key(5), b"small", Duration::from_secs(1 << 40)).unwrap());
    assert_eq!(server.get(&key(5)).unwrap(), Some(b"small".to_vec()));
}

#[test]
fn no_shared_server_is_looked_for_at_a_metadata_service() {
    for url in ["redis://169.254.169.254", "memcached://[fe80::1]", "redis://2852039166"] {
        let server = remote(url, PATIENT, Clock::start()).unwrap();
        let error = server.get(&key(1)).unwrap_err();
        let RemoteError::Io { source, .. } = &error else { panic!("{url}: {error:?}") };
        assert!(source.to_string().contains("metadata"), "{url}: {source}");
    }
}
