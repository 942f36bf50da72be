use std::collections::HashMap;
use std::time::Duration;

use dragoman_client::v1::{
    Completion, CompletionRequest, CountTokensResponse, ListModelsResponse, Model, Token, TokenizeRequest,
    TokenizeResponse,
};
use dragoman_client::{Client, Code, ErrorReason};
use futures_util::TryStreamExt;
use prost::Message;
use tonic::{Code as StatusCode, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::service::{Answer, Service, message};

fn named(name: &str) -> Completion {
    Completion { name: name.to_owned(), ..Completion::default() }
}

#[tokio::test]
async fn a_text_goes_to_the_local_model_with_key_and_deadline() {
    let (service, builder) = Service::serve([message(named("completions/1"))]).await;
    let client = builder.api_key(" secret\n").timeout(Duration::from_secs(5)).connect().unwrap();

    assert_eq!(client.complete("Hello!").await.unwrap().name, "completions/1");
    let [call] = &service.calls()[..] else { panic!("one call") };
    assert_eq!((call.detail.as_str(), call.authorization.as_str()), ("local", "Bearer secret"));
    assert!(call.timeout.starts_with("49999") || call.timeout.starts_with('5'), "{}", call.timeout);
    assert!(!format!("{client:?}").contains("secret"));
}

#[tokio::test]
async fn a_call_is_repeated_while_the_service_is_unavailable() {
    let unavailable = || Answer::Fail(Status::unavailable("restarting"));
    let (service, client) = Service::start([unavailable(), unavailable(), message(named("completions/1"))]).await;

    assert_eq!(client.complete("Hello!").await.unwrap().name, "completions/1");
    assert_eq!(service.calls().len(), 3);
}

#[tokio::test]
async fn a_call_is_made_four_times_at_most() {
    let (service, client) = Service::start((0..9).map(|_| Answer::Fail(Status::unavailable("down")))).await;

    assert_eq!(client.complete("Hello!").await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(service.calls().len(), 4);
}

#[tokio::test]
async fn other_errors_are_not_repeated() {
    let (service, client) = Service::start([Answer::Fail(Status::internal("broken"))]).await;

    assert_eq!(client.complete("Hello!").await.unwrap_err().code(), Code::Internal);
    assert_eq!(service.calls().len(), 1);
}

#[tokio::test]
async fn the_server_may_forbid_a_repetition() {
    let mut status = Status::unavailable("overloaded");
    status.metadata_mut().insert("grpc-retry-pushback-ms", "-1".parse().unwrap());
    let (service, client) = Service::start([Answer::Fail(status)]).await;

    assert_eq!(client.complete("Hello!").await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(service.calls().len(), 1);
}

#[tokio::test]
async fn a_call_that_takes_too_long_exceeds_its_deadline() {
    let (_service, client) = Service::start([Answer::Hang]).await;

    let error = client.with_timeout(Duration::from_millis(50)).complete("Hello!").await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
    assert_eq!(error.reason(), ErrorReason::Unspecified);
}

#[tokio::test]
async fn an_error_has_all_details_of_the_service() {
    let metadata =
        HashMap::from([("call_id".to_owned(), "c1".to_owned()), ("retryable".to_owned(), "false".to_owned())]);
    let mut details = ErrorDetails::with_error_info("INVALID_FIELD", "dragoman", metadata);
    details.add_bad_request_violation("messages[0].parts", "must not be empty");
    details.set_retry_info(Some(Duration::from_millis(1500)));
    let status = Status::with_error_details(StatusCode::InvalidArgument, "Wrong.", details);
    let (_service, client) = Service::start([Answer::Fail(status)]).await;

    let error = client.complete("Hello!").await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::InvalidArgument, "Wrong."));
    assert_eq!((error.reason(), error.call_id()), (ErrorReason::InvalidField, "c1"));
    assert_eq!(error.retry_after(), Some(Duration::from_millis(1500)));
    let fields: Vec<_> = error.fields().iter().map(|field| (&*field.field, &*field.description)).collect();
    assert_eq!(fields, [("messages[0].parts", "must not be empty")]);
    assert_eq!(error.to_string(), "Wrong. (INVALID_FIELD, call c1)");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn details_of_others_give_no_reason() {
    let details = ErrorDetails::with_error_info("INVALID_FIELD", "elsewhere", HashMap::new());
    let status = Status::with_error_details(StatusCode::InvalidArgument, "Wrong.", details);
    let (_service, client) = Service::start([Answer::Fail(status)]).await;

    assert_eq!(client.complete("Hello!").await.unwrap_err().reason(), ErrorReason::Unspecified);
}

#[tokio::test]
async fn an_answer_may_have_more_than_4_mib() {
    let long = named(&"x".repeat(5 << 20));
    let size = long.encoded_len();
    let (_service, client) = Service::start([message(long)]).await;

    assert_eq!(client.complete("Hello!").await.unwrap().encoded_len(), size);
}

#[tokio::test]
async fn models_are_read_page_by_page() {
    let page = |names: &[&str], next: &str| {
        let models = names.iter().map(|name| Model { name: (*name).to_owned(), ..Model::default() }).collect();
        message(ListModelsResponse { models, next_page_token: next.to_owned(), ..ListModelsResponse::default() })
    };
    let (service, client) = Service::start([page(&["a", "b"], "t"), page(&["c"], "")]).await;

    let models: Vec<Model> = client.models().try_collect().await.unwrap();
    assert_eq!(models.iter().map(|model| &*model.name).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(service.log(), ["list ", "list t"]);
}

#[tokio::test]
async fn tokens_are_counted_and_listed() {
    let tokens = vec![Token { text: "Hi".to_owned(), ..Token::default() }];
    let counted = CountTokensResponse { input_tokens: 3, ..CountTokensResponse::default() };
    let answers = [message(counted), message(TokenizeResponse { tokens: tokens.clone() })];
    let (service, client) = Service::start(answers).await;

    assert_eq!(client.count_tokens("Hello!").await.unwrap().input_tokens, 3);
    assert_eq!(client.tokenize(TokenizeRequest::new("echo", "Hi")).await.unwrap(), tokens);
    assert_eq!(service.log(), ["count ", "tokenize echo"]);
}

#[tokio::test]
async fn nobody_listens() {
    let client = Client::new("127.0.0.1:1").unwrap().with_timeout(Duration::from_millis(300));
    let error = client.complete(CompletionRequest::from("Hello!")).await.unwrap_err();

    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().starts_with("Cannot reach 127.0.0.1:1: "), "{error}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_key_or_target_that_cannot_be_sent_is_refused() {
    for builder in [Client::builder("127.0.0.1:1").api_key("zwei Wörter"), Client::builder("not a target")] {
        assert_eq!(builder.connect().unwrap_err().code(), Code::InvalidArgument);
    }
}
