//! Where no request goes, whoever names it: metadata services and link-local addresses, in every way to write them.

use std::time::Duration;

use weighbridge_engine_http::{HttpEngine, HttpError, HttpOptions, Relay, Webhook};
use weighbridge_types::model_ref::Preset;

use crate::support::{answer, answering, endpoint};

/// Hosts that lead there; the two without dots are numbers that resolvers take for addresses.
const HOSTS: [&str; 6] =
    ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "2852039166", "0xa9fea9fe"];

fn check(what: &str, error: &HttpError) {
    let is_refused = matches!(error, HttpError::Url { problem, .. } if problem.contains("metadata"));
    assert!(is_refused, "{what}: {error:?}");
}

#[tokio::test]
async fn neither_engine_nor_relay_nor_webhook_goes_there() {
    for host in HOSTS {
        let named = |preset| {
            let mut endpoint = endpoint(preset, &format!("http://{host}/v1"));
            endpoint.model = Some("m".to_owned());
            endpoint
        };
        for preset in [Preset::OpenAi, Preset::Anthropic, Preset::Ollama] {
            check(host, &HttpEngine::connect(named(preset), HttpOptions::default()).await.unwrap_err());
        }
        check(host, &Relay::connect(named(Preset::OpenAi), HttpOptions::default()).await.unwrap_err());
        let hook = Webhook::parse(&format!("https://{host}/hooks/word")).unwrap();
        let error = hook.post(b"{}", Duration::from_secs(30)).await.unwrap_err();
        check(host, &error);
        assert!(!error.to_string().contains("word"), "{error}");
    }
}

/// A server that is asked may send its client on to such an address: no redirect is followed.
#[tokio::test]
async fn no_redirect_is_followed() {
    let to = "location: http://169.254.169.254/latest/meta-data\r\n";
    let root = answering(move |_, _| answer("302 Found", to, "").into_bytes()).await;
    let hook = Webhook::parse(&format!("{root}/hooks")).unwrap();
    assert!(hook.post(b"{}", Duration::from_secs(30)).await.is_err());
}
