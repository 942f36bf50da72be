//! Prints an answer while it arrives, from the server that `make run` starts.

use std::io::Write;

use dragoman_client::{Client, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = Client::new("127.0.0.1:50051")?;
    let mut answer = client.stream("What is the capital of France?");
    while let Some(text) = answer.next_text().await? {
        print!("{text}");
        std::io::stdout().flush().expect("stdout is open");
    }
    println!();
    Ok(())
}
