use std::time::Duration;

use dragoman_client::Code;
use dragoman_client::longrunning::operation::Result as Outcome;
use dragoman_client::longrunning::{ListOperationsResponse, Operation};
use dragoman_client::v1::completion_event::Event;
use dragoman_client::v1::{Completion, CompletionRequest, Finished, finished};
use futures_util::TryStreamExt;
use prost::Message;
use prost_types::Any;
use tonic::Status;

use crate::service::{Answer, End, Service, message};
use crate::streams::event;

fn running() -> Operation {
    Operation { name: "operations/1".to_owned(), ..Operation::default() }
}

fn done(result: Outcome) -> Operation {
    Operation { done: true, result: Some(result), ..running() }
}

fn answered(name: &str) -> Operation {
    let value = Completion { name: name.to_owned(), ..Completion::default() }.encode_to_vec();
    let type_url = "type.googleapis.com/dragoman.v1.Completion".to_owned();
    done(Outcome::Response(Any { type_url, value }))
}

#[tokio::test]
async fn an_operation_is_started_once_however_often_the_call_is_repeated() {
    let answers = [Answer::Fail(Status::unavailable("restarting")), message(running())];
    let (service, client) = Service::start(answers).await;

    assert_eq!(client.start("Hello!").await.unwrap().name(), "operations/1");
    let ids: Vec<String> = service.calls().into_iter().map(|call| call.detail).collect();
    assert_eq!(ids[0].len(), 36);
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_request_id_of_the_caller_is_kept() {
    let (service, client) = Service::start([message(running())]).await;
    client.start(CompletionRequest::from("Hello!").with_request_id("mine")).await.unwrap();

    assert_eq!(service.log(), ["start mine"]);
}

#[tokio::test]
async fn waiting_consists_of_several_calls_and_survives_a_restart() {
    let answers = [
        message(running()),
        Answer::Fail(Status::unavailable("1")),
        message(running()),
        message(answered("completions/1")),
    ];
    let (service, client) = Service::start(answers).await;
    let mut operation = client.operation("operations/1");

    assert_eq!(operation.result(None).await.unwrap().name, "completions/1");
    assert_eq!(service.log(), ["wait 25"; 4]);
    assert_eq!(operation.result(None).await.unwrap().name, "completions/1");
    assert_eq!(service.calls().len(), 4);
}

#[tokio::test]
async fn waiting_ends_with_its_time() {
    let (service, client) = Service::start([message(running()), message(running())]).await;
    let mut operation = client.operation("operations/1");

    assert!(!operation.wait(Duration::ZERO).await.unwrap().done);
    assert_eq!(operation.result(Duration::ZERO).await.unwrap_err().code(), Code::DeadlineExceeded);
    assert_eq!(service.log(), ["wait 0"; 2]);
}

#[tokio::test]
async fn the_error_of_an_operation_is_that_of_its_result() {
    let status = tonic_types::pb::Status { code: 1, message: "It was cancelled.".to_owned(), details: vec![] };
    let (_service, client) = Service::start([message(done(Outcome::Error(status)))]).await;

    let error = client.operation("operations/1").result(None).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Cancelled, "It was cancelled."));
}

#[tokio::test]
async fn waiting_for_an_unknown_operation_fails() {
    let (service, client) = Service::start([Answer::Fail(Status::not_found("no such operation"))]).await;

    assert_eq!(client.operation("operations/1").wait(None).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(service.calls().len(), 1);
}

#[tokio::test]
async fn events_begin_after_a_number() {
    let last = Finished { outcome: Some(finished::Outcome::Completion(Completion::default())), usage: None };
    let events = vec![event(8, Event::Finished(last))];
    let (service, client) = Service::start([Answer::Events(events.clone(), End::Closes)]).await;

    let found: Vec<_> = client.operation("operations/1").events(7).try_collect().await.unwrap();
    assert_eq!(found, events);
    assert_eq!(service.log(), ["attach operations/1 after 7"]);
}

#[tokio::test]
async fn cancelling_is_repeated_and_deleting_is_not() {
    let unavailable = || Answer::Fail(Status::unavailable("restarting"));
    let (service, client) = Service::start([unavailable(), message(()), unavailable()]).await;
    let operation = client.operation("operations/1");

    operation.cancel().await.unwrap();
    assert_eq!(operation.delete().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(service.log(), ["cancel ", "cancel ", "delete "]);
}

#[tokio::test]
async fn the_callers_operations_are_listed() {
    let page = ListOperationsResponse { operations: vec![answered("completions/1")], ..Default::default() };
    let (service, client) = Service::start([message(page)]).await;

    let found: Vec<_> = client.operations("state = SUCCEEDED").try_collect().await.unwrap();
    assert!(found[0].latest().done);
    assert_eq!(service.log(), ["list state = SUCCEEDED"]);
}
