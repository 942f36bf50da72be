use std::time::Duration;

use dragoman_client::v1::completion_event::Event;
use dragoman_client::v1::{
    Choice, Completion, CompletionEvent, CompletionRequest, Delta, Finished, Message, Retracted, Role, Started, delta,
    finished,
};
use dragoman_client::{Client, Code, Error};
use futures_util::{StreamExt, TryStreamExt};
use tonic::Status;

use crate::service::{Answer, End, Service};

pub(crate) fn event(sequence: i64, event: Event) -> CompletionEvent {
    CompletionEvent { sequence, event: Some(event), ..CompletionEvent::default() }
}

fn started(sequence: i64, operation: &str) -> CompletionEvent {
    event(sequence, Event::Started(Started { operation: operation.to_owned(), ..Started::default() }))
}

fn text(sequence: i64, text: &str) -> CompletionEvent {
    event(sequence, Event::Delta(Delta { content: Some(delta::Content::Text(text.to_owned())), ..Delta::default() }))
}

fn retracted(sequence: i64) -> CompletionEvent {
    event(sequence, Event::Retracted(Retracted { from_sequence: 1, reason: "its worker was lost".to_owned() }))
}

fn outcome(sequence: i64, outcome: finished::Outcome) -> CompletionEvent {
    event(sequence, Event::Finished(Finished { outcome: Some(outcome), usage: None }))
}

fn answered(sequence: i64, text: &str) -> CompletionEvent {
    let choice = Choice { message: Some(Message::new(Role::Assistant, text)), ..Choice::default() };
    outcome(sequence, finished::Outcome::Completion(Completion { choices: vec![choice], ..Completion::default() }))
}

async fn joined(client: &Client, request: impl Into<CompletionRequest>) -> Result<String, Error> {
    client.stream(request).text().try_collect().await
}

#[tokio::test]
async fn a_stream_gives_its_text_and_then_the_answer() {
    let events = vec![started(1, ""), text(2, "a"), text(3, "b"), answered(4, "ab")];
    let (_service, client) = Service::start([Answer::Events(events, End::Closes)]).await;
    let mut stream = client.stream("Hello!");

    assert_eq!(stream.next_text().await.unwrap().as_deref(), Some("a"));
    assert_eq!(stream.next_text().await.unwrap().as_deref(), Some("b"));
    assert_eq!(stream.next_text().await.unwrap(), None);
    assert_eq!(stream.completion().await.unwrap().text(), "ab");
}

#[tokio::test]
async fn a_stream_that_breaks_resumes_after_its_last_event() {
    let (service, client) = Service::start([
        Answer::Events(vec![started(1, "operations/1"), text(2, "a")], End::Fails(Status::unavailable("cut"))),
        Answer::Events(vec![text(3, "b")], End::Closes),
        Answer::Fail(Status::unavailable("restarting")),
        Answer::Events(vec![answered(4, "ab")], End::Closes),
    ])
    .await;

    assert_eq!(joined(&client, CompletionRequest::from("Hello!").continuing()).await.unwrap(), "ab");
    let attached = ["attach operations/1 after 2", "attach operations/1 after 3", "attach operations/1 after 3"];
    assert_eq!(service.log()[1..], attached);
}

#[tokio::test]
async fn a_stream_that_is_no_operation_fails_when_it_breaks() {
    for (end, cause) in [(End::Fails(Status::internal("cut.")), " was lost, cut."), (End::Closes, " closed it.")] {
        let (service, client) = Service::start([Answer::Events(vec![started(1, ""), text(2, "a")], end)]).await;
        let error = joined(&client, "Hello!").await.unwrap_err();

        assert_eq!(error.code(), Code::Unavailable);
        assert!(error.message().starts_with("The stream ended without `finished`"), "{error}");
        assert!(error.message().contains(&format!("{cause} The answer is incomplete")), "{error}");
        assert_eq!(service.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_stream_that_has_not_begun_is_repeated() {
    let events = Answer::Events(vec![started(1, ""), answered(2, "")], End::Closes);
    let (service, client) = Service::start([Answer::Fail(Status::unavailable("restarting")), events]).await;

    assert_eq!(joined(&client, "Hello!").await.unwrap(), "");
    assert_eq!(service.log(), ["stream local", "stream local"]);
}

#[tokio::test]
async fn retracted_text_is_reported_once_and_the_new_text_follows() {
    let mut events = vec![started(1, "operations/1"), text(2, "a"), retracted(3), retracted(4)];
    events.extend([text(5, "b"), answered(6, "b")]);
    let (_service, client) = Service::start([Answer::Events(events, End::Closes)]).await;
    let mut stream = client.stream("Hello!");

    assert_eq!(stream.next_text().await.unwrap().as_deref(), Some("a"));
    assert_eq!(stream.next_text().await.unwrap_err().code(), Code::Aborted);
    assert_eq!(stream.next_text().await.unwrap().as_deref(), Some("b"));
    assert_eq!(stream.next_text().await.unwrap(), None);
}

#[tokio::test]
async fn a_failed_completion_fails_the_stream_after_finished() {
    let status = tonic_types::pb::Status { code: 14, message: "The provider failed.".to_owned(), details: vec![] };
    let events = vec![started(1, "operations/1"), outcome(2, finished::Outcome::Error(status))];
    let (service, client) = Service::start([Answer::Events(events, End::Closes)]).await;
    let mut stream = client.stream("Hello!");

    assert_eq!(stream.next().await.unwrap().unwrap().sequence, 1);
    assert_eq!(stream.next().await.unwrap().unwrap().sequence, 2);
    assert_eq!(stream.next().await.unwrap().unwrap_err().message(), "The provider failed.");
    assert!(stream.next().await.is_none());
    assert_eq!(service.calls().len(), 1);
}

#[tokio::test]
async fn the_deadline_bounds_the_whole_stream() {
    let events = Answer::Events(vec![started(1, "operations/1"), text(2, "a")], End::Hangs);
    let (service, client) = Service::start([events]).await;

    let error = joined(&client.with_timeout(Duration::from_millis(100)), "Hello!").await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
    assert_eq!(service.calls().len(), 1);
}

#[tokio::test]
async fn reading_fails_after_the_time_without_contact() {
    let first = Answer::Events(vec![started(1, "operations/1")], End::Closes);
    let lost = (0..99).map(|_| Answer::Fail(Status::unavailable("down")));
    let (_service, builder) = Service::serve(std::iter::once(first).chain(lost)).await;
    let client = builder.reconnect_timeout(Duration::from_millis(200)).connect().unwrap();

    let error = client.stream("Hello!").completion().await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().contains("The operation continues; attach again after that number."), "{error}");
}

#[tokio::test]
async fn times_may_be_as_long_as_a_duration() {
    let answers = [
        Answer::Events(vec![started(1, "operations/1")], End::Closes),
        Answer::Events(vec![answered(2, "a")], End::Closes),
    ];
    let (_service, builder) = Service::serve(answers).await;
    let client = builder.timeout(Duration::MAX).reconnect_timeout(Duration::MAX).connect().unwrap();

    assert_eq!(client.stream("Hello!").completion().await.unwrap().text(), "a");
}

#[tokio::test]
async fn a_stream_is_a_stream_of_events() {
    let events = vec![started(1, ""), answered(2, "")];
    let (_service, client) = Service::start([Answer::Events(events.clone(), End::Closes)]).await;

    assert_eq!(client.stream("Hello!").map(Result::unwrap).collect::<Vec<_>>().await, events);
}
