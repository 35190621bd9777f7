//! How a service ends, and begins again.

use super::process::{Asked, Process, free_port, streamed, until};

#[test]
fn streams_that_have_begun_end_whole_after_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let mut server =
        Process::serve(folder.path(), &["--model", "scripted=scripted:ttft=5ms,itl=10ms", "--model", "tiny"]);
    let models = ["scripted", "scripted", "scripted", "tiny"];
    let mut streams: Vec<Asked> =
        models.iter().map(|model| Asked::stream(&server.address, &streamed(model, 100))).collect();
    streams.iter_mut().for_each(|stream| drop(stream.line("\"content\":")));
    server.signal("-TERM");
    until("the word that it stops", || server.said().contains("stopping").then_some(()));
    for stream in streams {
        let (rest, is_cut) = stream.rest();
        assert!(!is_cut && rest.contains("\"finish_reason\":\"") && rest.contains("data: [DONE]"), "{rest}");
        assert!(rest.ends_with("0\r\n\r\n"), "{rest}");
    }
    let (status, said) = server.ends();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("every answer that had begun has ended"), "{said}");
    assert!(std::net::TcpStream::connect(&server.address).is_err());
}

#[test]
fn an_answer_that_never_ends_is_cut_at_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--drain-timeout", "200ms", "--model", "scripted=scripted:ttft=5ms,itl=50ms"];
    let mut server = Process::serve(folder.path(), &arguments);
    let mut stream = Asked::stream(&server.address, &streamed("scripted", 100_000));
    stream.line("\"content\":");
    server.signal("-TERM");
    let (rest, _) = stream.rest();
    assert!(!rest.contains("[DONE]"), "{rest}");
    let (status, said) = server.ends();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("1 connections were cut after 200ms"), "{said}");
}

#[test]
fn a_killed_service_starts_again_on_its_port() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().to_string();
    let arguments = ["serve", "--port", &port, "--model", "scripted=scripted:ttft=5ms,itl=10ms"];
    let mut first = Process::start(folder.path(), &arguments);
    let mut stream = Asked::stream(&first.address, &streamed("scripted", 1000));
    stream.line("\"content\":");
    first.signal("-KILL");
    assert_eq!(first.ends().0.code(), None);
    let (rest, _) = stream.rest();
    assert!(!rest.contains("[DONE]"), "{rest}");
    let second = Process::start(folder.path(), &arguments);
    assert_eq!(first.address, second.address);
    second.chat("scripted").succeeded();
}
