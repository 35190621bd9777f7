//! Messages to webhooks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use weighbridge_engine_http::{HttpError, Webhook};

use crate::support::{answer, answering};

const PATIENCE: Duration = Duration::from_secs(30);

/// Posts to a server that answers with a status; the requests that it took, and the error.
async fn posted(status: &'static str, headers: &'static str, said: &'static str) -> (Vec<String>, Option<HttpError>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let root = answering(move |head, body| {
        log.lock().unwrap().push(format!("{head}{}", String::from_utf8_lossy(body)));
        answer(status, headers, said).into_bytes()
    })
    .await;
    let hook = Webhook::parse(&format!("{root}/hooks/word?key=word")).unwrap();
    let error = hook.post(b"{\"a\":1}", PATIENCE).await.err();
    let seen = seen.lock().unwrap().clone();
    (seen, error)
}

#[tokio::test]
async fn a_message_arrives_once() {
    let (seen, error) = posted("204 No Content", "", "").await;
    assert!(error.is_none(), "{error:?}");
    let [request] = &seen[..] else { panic!("{seen:?}") };
    assert!(request.starts_with("POST /hooks/word?key=word HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("content-type: application/json\r\n") && request.ends_with("{\"a\":1}"), "{request}");
}

#[tokio::test]
async fn what_is_refused_or_redirected_is_no_success_and_shows_no_key() {
    let cases = [
        ("500 Internal Server Error", "", "no hook /hooks/word?key=word", "HTTP 500"),
        ("307 Temporary Redirect", "location: http://127.0.0.1:1/other\r\n", "", "redirects are not followed"),
    ];
    for (status, headers, said, expected) in cases {
        let (seen, error) = posted(status, headers, said).await;
        let error = error.unwrap().to_string();
        assert!(seen.len() == 1 && error.contains(expected) && !error.contains("word"), "{error} {seen:?}");
    }
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hook = Webhook::parse(&format!("http://{}/word", silent.local_addr().unwrap())).unwrap();
    let error = hook.post(b"{}", Duration::from_millis(50)).await.unwrap_err().to_string();
    assert!(error.contains("within 0.05 s") && !error.contains("word"), "{error}");
}
