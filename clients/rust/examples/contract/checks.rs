//! What a case led to, held against what it expects.

use dragoman_client::Error;
use dragoman_client::v1::{Choice, Completion, CompletionRequest, Usage};
use prost::Message;
use serde_json::{Value, json};

use crate::Failure;
use crate::actions::Outcome;
use crate::request::{known, last_text};
use crate::transcript::Transcript;

/// Fails with the first expectation that the outcome does not meet.
pub(crate) fn check(expect: &Value, request: &CompletionRequest, outcome: &Outcome) -> Result<(), Failure> {
    if let (Some(error), Value::Null) = (&outcome.error, &expect["code"]) {
        return Err(format!("it failed: {error}"));
    }
    for (key, wanted) in known(expect, &[])? {
        let (found, right) = pair(&key, &wanted, request, outcome)?;
        if found != right {
            return Err(format!("{key}: expected {}, found {}", short(&right), short(&found)));
        }
    }
    Ok(())
}

/// What was found, and what it should be.
fn pair(key: &str, wanted: &Value, request: &CompletionRequest, outcome: &Outcome) -> Result<(Value, Value), Failure> {
    let wanted_value = wanted.clone();
    let found = match key {
        "text" => return Ok((texts(outcome)?, json!([wanted, wanted]))),
        "echo" => return Ok((texts(outcome)?, json!([last_text(request), last_text(request)]))),
        "usage" => usage(completion(outcome)?, wanted)?,
        "finish_reason" => json!(choice(outcome)?.finish_reason().as_str_name()),
        "min_deltas" => return Ok(at_least(deltas(outcome)?.len(), wanted)),
        "first_deltas" => {
            let count = wanted.as_array().map_or(0, Vec::len);
            json!(deltas(outcome)?.into_iter().take(count).collect::<Vec<_>>())
        }
        "logprobs" => json!(choice(outcome)?.logprobs.len()),
        "min_bytes" => return Ok(at_least(completion(outcome)?.encoded_len(), wanted)),
        "blocked" => return Ok((blocked(choice(outcome)?), json!([true, [wanted]]))),
        "code" => json!(code(outcome)?),
        "reason" => {
            let name = error(outcome)?.reason().as_str_name().trim_start_matches("ERROR_REASON_");
            json!(if name == "UNSPECIFIED" { "" } else { name })
        }
        "fields" => {
            let fields = error(outcome)?.fields().iter().map(|violation| json!(violation.field));
            return Ok((sorted(fields.collect()), sorted(wanted.as_array().cloned().unwrap_or_default())));
        }
        "retry_after" => {
            let found = error(outcome)?.retry_after().map(|delay| delay.as_secs_f64());
            return Ok((json!(found), json!(wanted.as_f64())));
        }
        "call_id" => json!(!error(outcome)?.call_id().is_empty()),
        "status" => json!(outcome.health),
        "models" => {
            let mut right = outcome.models.clone();
            right.sort();
            right.dedup();
            return Ok((json!([outcome.models.len(), outcome.models]), json!([wanted, right])));
        }
        "input_tokens" => json!(outcome.input_tokens),
        "tokens" => json!(outcome.tokens),
        _ => return Err(format!("unknown expectation {key}")),
    };
    Ok((found, wanted_value))
}

/// The text of the completion, and the text that was streamed, if any was.
fn texts(outcome: &Outcome) -> Result<Value, Failure> {
    let text = completion(outcome)?.text();
    let streamed = outcome.transcript.as_ref().map_or_else(|| text.clone(), |transcript| transcript.deltas().concat());
    Ok(json!([text, streamed]))
}

fn usage(completion: &Completion, wanted: &Value) -> Result<Value, Failure> {
    let Usage { input_tokens, output_tokens, total_tokens, .. } = completion.usage.unwrap_or_default();
    let all = json!({"input_tokens": input_tokens, "output_tokens": output_tokens, "total_tokens": total_tokens});
    let names = known(wanted, &["input_tokens", "output_tokens", "total_tokens"])?;
    Ok(names.keys().map(|name| (name.clone(), all[name].clone())).collect())
}

fn blocked(choice: &Choice) -> Value {
    let safety = choice.safety.clone().unwrap_or_default();
    let ratings = safety.ratings.iter().filter(|rating| rating.blocked);
    json!([safety.blocked, ratings.map(|rating| &rating.category).collect::<Vec<_>>()])
}

fn at_least(found: usize, wanted: &Value) -> (Value, Value) {
    let right = wanted.as_u64().unwrap_or_default().max(found as u64);
    (json!(found), json!(right))
}

/// The name of the status code, as gRPC writes it.
fn code(outcome: &Outcome) -> Result<String, Failure> {
    if outcome.is_dropped {
        return Ok("CANCELLED".to_owned());
    }
    let mut name = String::new();
    for character in format!("{:?}", error(outcome)?.code()).chars() {
        if character.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(character.to_ascii_uppercase());
    }
    Ok(name)
}

fn sorted(mut names: Vec<Value>) -> Value {
    names.sort_by_key(Value::to_string);
    json!(names)
}

fn completion(outcome: &Outcome) -> Result<&Completion, Failure> {
    outcome.completion.as_ref().ok_or_else(|| "there is no completion".to_owned())
}

fn choice(outcome: &Outcome) -> Result<&Choice, Failure> {
    completion(outcome)?.choices.first().ok_or_else(|| "there is no choice".to_owned())
}

fn deltas(outcome: &Outcome) -> Result<Vec<String>, Failure> {
    outcome.transcript.as_ref().map(Transcript::deltas).ok_or_else(|| "nothing was streamed".to_owned())
}

fn error(outcome: &Outcome) -> Result<&Error, Failure> {
    outcome.error.as_ref().ok_or_else(|| "it did not fail".to_owned())
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    let beginning: String = text.chars().take(200).collect();
    if beginning.len() == text.len() { text } else { format!("{beginning}… ({} bytes)", text.len()) }
}
