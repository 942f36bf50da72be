use std::time::Duration;

use dragoman_client::config;
use serde_json::{Value, json};

#[test]
fn the_constants_are_those_of_the_published_service_config() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../dragoman_grpc_service_config.json");
    let published: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let seconds = |time: Duration| format!("{}s", time.as_secs_f64());
    let policy = json!({
        "maxAttempts": config::MAX_ATTEMPTS,
        "initialBackoff": seconds(config::INITIAL_BACKOFF),
        "maxBackoff": seconds(config::MAX_BACKOFF),
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    });

    let mut not_repeated = Vec::new();
    for entry in published["methodConfig"].as_array().unwrap() {
        assert_eq!(entry["maxRequestMessageBytes"], json!(config::MAX_MESSAGE_BYTES));
        assert_eq!(entry["maxResponseMessageBytes"], json!(config::MAX_MESSAGE_BYTES));
        match entry.get("retryPolicy") {
            Some(found) => assert_eq!(found, &policy),
            None => not_repeated.extend(entry["name"].as_array().unwrap().iter().map(|name| name["method"].clone())),
        }
    }
    assert_eq!(not_repeated, ["DeleteOperation"]);
}
