//! The HTTP server that cuts connections, kills workers and counts what runs.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::Failure;

const STOPS_WITHIN: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

/// Posts to a path, which must answer 200.
pub(crate) async fn post(control: &str, path: &str) -> Result<(), Failure> {
    ask(control, "POST", path).await.map(drop)
}

/// Returns as soon as the number of completions at the providers is 0, or at least 1.
pub(crate) async fn until_running(control: &str, at_least_one: bool) -> Result<(), Failure> {
    let end = Instant::now() + STOPS_WITHIN;
    loop {
        let number = ask(control, "GET", "running").await?;
        if (number.trim() != "0") == at_least_one {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(format!("{number} completions run after {STOPS_WITHIN:?}"));
        }
        sleep(POLL).await;
    }
}

async fn ask(control: &str, method: &str, path: &str) -> Result<String, Failure> {
    let host = control.strip_prefix("http://").unwrap_or(control);
    let fault = |error: std::io::Error| format!("{method} {control}/{path}: {error}");
    let mut stream = TcpStream::connect(host).await.map_err(fault)?;
    let request = format!("{method} /{path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(fault)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.map_err(fault)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let is_ok = head.lines().next().is_some_and(|line| line.contains(" 200 "));
    if is_ok { Ok(body.to_owned()) } else { Err(format!("{method} {path} answered {answer}")) }
}
