//! What the runner does in a case.

use dragoman_client::v1::{Completion, CompletionRequest, TokenizeRequest};
use dragoman_client::{Client, CompletionStream, Error, Operation};
use futures_util::TryStreamExt;
use serde_json::{Map, Value};

use crate::control::{post, until_running};
use crate::transcript::{Transcript, text_of};
use crate::{Failure, LIMIT, health};

pub(crate) const NAMES: [&str; 13] = [
    "complete",
    "stream",
    "operation",
    "attach",
    "resume",
    "retracted",
    "cancel",
    "deadline",
    "error",
    "blocked",
    "health",
    "paging",
    "tokens",
];
pub(crate) const OPTIONS: [&str; 14] = [
    "after_sequence",
    "cancel_after",
    "cut_after",
    "cuts",
    "delete",
    "key",
    "kill_after",
    "repeat",
    "running",
    "service",
    "text",
    "timeout",
    "times",
    "via",
];

/// A case, and what its actions need.
pub(crate) struct Run {
    pub(crate) client: Client,
    pub(crate) request: CompletionRequest,
    pub(crate) options: Map<String, Value>,
    pub(crate) control: String,
}

/// What an action led to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) completion: Option<Completion>,
    pub(crate) transcript: Option<Transcript>,
    pub(crate) error: Option<Error>,
    /// The caller itself ended the call by dropping it, which in Rust returns no error.
    pub(crate) is_dropped: bool,
    pub(crate) health: String,
    pub(crate) models: Vec<String>,
    pub(crate) input_tokens: i64,
    pub(crate) tokens: Vec<String>,
}

pub(crate) async fn act(action: &str, run: &Run) -> Result<Outcome, Failure> {
    match action {
        "complete" => complete(run).await,
        "stream" => read(run.stream(), |_| None, run).await,
        "operation" => operation(run).await,
        "attach" => attach(run).await,
        "resume" => resume(run).await,
        "retracted" => retracted(run).await,
        "cancel" => cancel(run).await,
        "deadline" => {
            let outcome = error(run).await?;
            until_running(&run.control, false).await.map(|()| outcome)
        }
        "error" => error(run).await,
        "blocked" => blocked(run).await,
        "health" => {
            Ok(Outcome { health: health::check(&run.client, run.text("service")).await?, ..Outcome::default() })
        }
        "paging" => paging(run).await,
        "tokens" => tokens(run).await,
        _ => unreachable!("only the actions in NAMES are run"),
    }
}

impl Run {
    fn text(&self, option: &str) -> &str {
        self.options.get(option).and_then(Value::as_str).unwrap_or_default()
    }

    fn number(&self, option: &str, default: u64) -> u64 {
        self.options.get(option).and_then(Value::as_u64).unwrap_or(default)
    }

    fn is_set(&self, option: &str) -> bool {
        self.options.get(option).and_then(Value::as_bool).unwrap_or_default()
    }

    fn stream(&self) -> CompletionStream {
        self.client.stream(self.request.clone())
    }

    async fn start(&self) -> Result<Operation, Failure> {
        self.client.start(self.request.clone()).await.map_err(said)
    }

    /// A stream, or the events of an operation that is started.
    async fn via(&self) -> Result<CompletionStream, Failure> {
        if self.text("via") == "stream" { Ok(self.stream()) } else { Ok(self.start().await?.events(0)) }
    }
}

fn said(error: Error) -> Failure {
    format!("it failed: {error}")
}

/// The outcome of a call that has to fail.
fn failing<T>(result: Result<T, Error>) -> Result<Outcome, Failure> {
    match result {
        Ok(_) => Err("it did not fail".to_owned()),
        Err(error) => Ok(Outcome { error: Some(error), ..Outcome::default() }),
    }
}

/// Reads to the end. After each text delta, `after` may name what is to be posted; it gets the number so far.
async fn read(
    mut stream: CompletionStream,
    after: impl Fn(u64) -> Option<&'static str>,
    run: &Run,
) -> Result<Outcome, Failure> {
    let (mut outcome, mut transcript, mut count) = (Outcome::default(), Transcript::default(), 0);
    while let Some(next) = stream.next().await {
        match next {
            Err(error) => outcome.error = Some(error),
            Ok(event) => {
                let is_text = text_of(&event).is_some();
                transcript.events.push(event);
                count += u64::from(is_text);
                if let (true, Some(path)) = (is_text, after(count)) {
                    post(&run.control, path).await?;
                }
            }
        }
    }
    transcript.check()?;
    Ok(Outcome { completion: transcript.completion(), transcript: Some(transcript), ..outcome })
}

async fn complete(run: &Run) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::default();
    for _ in 0..run.number("times", 1) {
        let completion = run.client.complete(run.request.clone()).await.map_err(said)?;
        let earlier = outcome.completion.get_or_insert_with(|| completion.clone());
        if earlier.name != completion.name {
            return Err(format!("the same request had the answers {} and {}", earlier.name, completion.name));
        }
    }
    Ok(outcome)
}

async fn operation(run: &Run) -> Result<Outcome, Failure> {
    let mut operation = run.start().await?;
    let name = operation.name().to_owned();
    operation.wait(LIMIT).await.map_err(said)?;
    if operation.name() != name || !name.starts_with("operations/") {
        return Err(format!("the operation is named {name}, then {}", operation.name()));
    }
    let completion = operation.result(LIMIT).await.map_err(said)?;
    if run.is_set("delete") {
        operation.delete().await.map_err(said)?;
        match run.client.operation(name).wait(LIMIT).await {
            Err(error) if error.code() == dragoman_client::Code::NotFound => {}
            other => return Err(format!("after the deletion, waiting led to {other:?}")),
        }
    }
    Ok(Outcome { completion: Some(completion), ..Outcome::default() })
}

async fn attach(run: &Run) -> Result<Outcome, Failure> {
    let mut operation = run.start().await?;
    if !run.is_set("running") {
        operation.wait(LIMIT).await.map_err(said)?;
    }
    let outcome = read(operation.events(0), |_| None, run).await?;
    let after = run.number("after_sequence", 0);
    let later: Vec<_> = operation.events(after as i64).try_collect().await.map_err(said)?;
    let all = outcome.transcript.as_ref().map_or(&[][..], |transcript| &transcript.events);
    if all.get(after as usize..) == Some(&later) { Ok(outcome) } else { Err(format!("other events after {after}")) }
}

async fn resume(run: &Run) -> Result<Outcome, Failure> {
    let (every, cuts) = (run.number("cut_after", 1), run.number("cuts", 1));
    let after = |count| (count % every == 0 && count / every <= cuts).then_some("cut");
    read(run.via().await?, after, run).await
}

async fn retracted(run: &Run) -> Result<Outcome, Failure> {
    let moment = run.number("kill_after", 1);
    let outcome = read(run.via().await?, |count| (count == moment).then_some("kill-worker"), run).await?;
    let is_retracted = outcome.transcript.as_ref().is_some_and(Transcript::is_retracted);
    if is_retracted { Ok(outcome) } else { Err("nothing was retracted".to_owned()) }
}

async fn cancel(run: &Run) -> Result<Outcome, Failure> {
    let outcome = match run.text("via") {
        "complete" => {
            tokio::select! {
                ended = run.client.complete(run.request.clone()) => {
                    return Err(format!("it ended before it was cancelled: {ended:?}"));
                }
                seen = until_running(&run.control, true) => seen?,
            }
            Outcome { is_dropped: true, ..Outcome::default() }
        }
        "stream" => {
            let mut stream = run.stream();
            let mut count = 0;
            while count < run.number("cancel_after", 1) {
                let event = stream.next().await.ok_or("it ended before it was cancelled")?.map_err(said)?;
                count += u64::from(text_of(&event).is_some());
            }
            until_running(&run.control, true).await?;
            Outcome::default()
        }
        _ => {
            let mut operation = run.start().await?;
            until_running(&run.control, true).await?;
            operation.cancel().await.map_err(said)?;
            failing(operation.result(LIMIT).await)?
        }
    };
    until_running(&run.control, false).await.map(|()| outcome)
}

async fn error(run: &Run) -> Result<Outcome, Failure> {
    let request = run.request.clone();
    match run.text("via") {
        "stream" => read(run.stream(), |_| None, run).await,
        "complete" => failing(run.client.complete(request).await),
        "start" => failing(run.client.start(request).await),
        "count_tokens" => failing(run.client.count_tokens(request).await),
        "tokenize" => failing(run.client.tokenize(request).await),
        _ => failing(run.start().await?.result(LIMIT).await),
    }
}

async fn blocked(run: &Run) -> Result<Outcome, Failure> {
    match run.text("via") {
        "stream" => read(run.stream(), |_| None, run).await,
        "complete" => complete(run).await,
        _ => operation(run).await,
    }
}

async fn paging(run: &Run) -> Result<Outcome, Failure> {
    let models: Vec<String> = run.client.models().map_ok(|model| model.name).try_collect().await.map_err(said)?;
    Ok(Outcome { models, ..Outcome::default() })
}

async fn tokens(run: &Run) -> Result<Outcome, Failure> {
    if run.options.contains_key("text") {
        let request = TokenizeRequest::new(run.request.model.clone(), run.text("text"));
        let tokens = run.client.tokenize(request).await.map_err(said)?;
        return Ok(Outcome { tokens: tokens.into_iter().map(|token| token.text).collect(), ..Outcome::default() });
    }
    let counted = run.client.count_tokens(run.request.clone()).await.map_err(said)?;
    Ok(Outcome { input_tokens: counted.input_tokens, ..Outcome::default() })
}
