use std::time::Duration;

use dragoman_client::v1::completion_event::Event;
use dragoman_client::v1::delta::Content;
use dragoman_client::v1::{CompletionRequest, Message, Role};
use dragoman_client::{Certificate, Client, ClientTlsConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(std::fs::read("ca.pem")?));
    let client = Client::builder("completions.example.com:443").api_key("KEY").tls(tls).connect()?;

    let question = CompletionRequest::from("Count to five.").with_model("local");
    let mut answer = client.with_timeout(Duration::from_secs(30)).stream(question);
    while let Some(text) = answer.next_text().await? {
        print!("{text}");
    }
    println!();

    if let Err(error) = client.complete(CompletionRequest::from("Hello!").with_model("nobody")).await {
        println!("{:?} {:?} {} {:?}", error.code(), error.reason(), error.fields().len(), error.retry_after());
    }

    let question = Message::new(Role::User, "Describe a lighthouse.");
    let mut operation = client.start(CompletionRequest::new("local", [question])).await?;
    let completion = operation.result(Duration::from_secs(600)).await?;
    println!("{} {}", operation.name().split('/').next().unwrap_or_default(), completion.text());
    operation.delete().await?;

    let (mut last, mut said) = (0, String::new());
    let mut stream = client.stream(CompletionRequest::from("Name three fruits.").with_model("local").continuing());
    while let Some(event) = stream.next().await {
        let event = event?;
        last = event.sequence;
        if let Some(Event::Delta(delta)) = event.event
            && let Some(Content::Text(text)) = delta.content
        {
            said += &text;
        }
    }
    println!("{said}");
    let mut rest = client.operation(stream.operation()).events(last - 1);
    while let Some(event) = rest.next().await {
        println!("{}", event?.sequence == last);
    }
    Ok(())
}
