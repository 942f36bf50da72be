//! Runs the cases of the contract suite: `contract cases.json servers.json`, see tests/clients/contract/README.md.

mod actions;
mod checks;
mod control;
mod health;
mod request;
mod transcript;

use std::time::Duration;

use dragoman_client::{Certificate, Client, ClientTlsConfig};
use serde_json::{Value, json};

use actions::Run;

/// What went wrong, in words.
type Failure = String;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let files: Vec<Value> = std::env::args().skip(1).map(|path| read(&path)).collect();
    let [cases, servers] = &files[..] else { panic!("usage: contract cases.json servers.json") };
    for case in cases.as_array().expect("the cases are a list") {
        let (status, message) = match run(case, servers).await {
            None => ("unsupported", format!("unknown action {}", case["action"])),
            Some(Err(message)) => ("failed", message),
            Some(Ok(())) => ("passed", String::new()),
        };
        println!("{}", json!({"case": case["name"], "status": status, "message": message}));
    }
}

fn read(path: &str) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs a case; None if its action is unknown.
async fn run(case: &Value, servers: &Value) -> Option<Result<(), Failure>> {
    let action = case["action"].as_str()?;
    if !actions::NAMES.contains(&action) {
        return None;
    }
    let ended = tokio::time::timeout(LIMIT, checked(action, case, servers)).await;
    Some(ended.unwrap_or_else(|_| Err(format!("it took longer than {LIMIT:?}"))))
}

async fn checked(action: &str, case: &Value, servers: &Value) -> Result<(), Failure> {
    let options = &case["options"];
    let server = &servers[case["server"].as_str().unwrap_or_default()];
    let run = Run {
        client: client(server, options)?,
        request: request::of(case)?,
        options: request::known(options, &actions::OPTIONS)?,
        control: servers["control"].as_str().unwrap_or_default().to_owned(),
    };
    let outcome = actions::act(action, &run).await?;
    checks::check(&case["expect"], &run.request, &outcome)
}

fn client(server: &Value, options: &Value) -> Result<Client, Failure> {
    let target = server["target"].as_str().ok_or("the server has no target")?;
    let key = options["key"].as_str().or(server["key"].as_str()).unwrap_or_default();
    let timeout = Duration::from_secs_f64(options["timeout"].as_f64().unwrap_or(LIMIT.as_secs_f64()));
    let mut builder = Client::builder(target).api_key(key).timeout(timeout);
    if let Some(path) = server["ca"].as_str() {
        let pem = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
        builder = builder.tls(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)));
    }
    builder.connect().map_err(|error| error.to_string())
}
