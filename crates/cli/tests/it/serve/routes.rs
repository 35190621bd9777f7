//! The OpenAPI document and the routes agree.

use std::collections::BTreeSet;

use super::process::{Asked, Process, ask};

/// Routes in the source of the router, with their methods.
fn routed() -> BTreeSet<(String, String)> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../server/src/routes.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let parts = source.split(".route(\"").skip(1);
    let route = |part: &str| {
        let (path, rest) = part.split_once("\", ").unwrap();
        (path.to_owned(), rest.split_once('(').unwrap().0.to_owned())
    };
    parts.map(route).collect()
}

#[test]
fn the_document_describes_every_route_and_every_route_answers() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &["--cache-memory", "1MiB"]);
    let document = server.get("/openapi.json").succeeded();
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            described.insert((path.clone(), method.clone()));
        }
    }
    assert_eq!(described, routed());
    for (path, method) in &described {
        let place = path.replace("{model}", "tiny");
        if path.ends_with("/events") {
            // It has no end; its first event comes at once.
            let mut events = Asked::send(&server.address, "GET", &place, &[], b"");
            events.line("event: state");
            continue;
        }
        let answer = ask(&server.address, &method.to_uppercase(), &place, &[], b"{}");
        assert!(![404, 405].contains(&answer.status), "{method} {place}: {}", answer.text());
        let wrong = ask(&server.address, "DELETE", &place, &[], b"");
        assert_eq!((wrong.status, wrong.code().as_str()), (405, "method"), "{place}");
    }
    assert_eq!(server.get("/v1/nothing").code(), "not_found");
}
