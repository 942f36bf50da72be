//! Requests from proto JSON: only the fields that the cases have; any other one is an error.

use dragoman_client::v1::{CompletionRequest, DisconnectPolicy, GenerationConfig, Message, Part, Role, part};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::Failure;

/// The request of a case, with a request_id of its own and the text repeated.
pub(crate) fn of(case: &Value) -> Result<CompletionRequest, Failure> {
    let mut request = CompletionRequest::default();
    for (key, value) in known(&case["request"], &[])? {
        match key.as_str() {
            "model" => request.model = text(&value)?,
            "messages" => request.messages = list(&value, message)?,
            "generation_config" => request.generation_config = Some(config(&value)?),
            "request_id" => request.request_id = format!("{}-{}", text(&value)?, Uuid::new_v4()),
            "disconnect_policy" => {
                let policy = DisconnectPolicy::from_str_name(&text(&value)?).ok_or("unknown disconnect_policy")?;
                request.set_disconnect_policy(policy);
            }
            _ => return Err(format!("unknown field {key}")),
        }
    }
    if let Some(times) = case["options"]["repeat"].as_u64() {
        let last = request.messages.last_mut().and_then(|message| message.parts.first_mut());
        let last = last.ok_or("there is no text to repeat")?;
        last.content = Some(part::Content::Text(text_of(last).repeat(times as usize)));
    }
    Ok(request)
}

/// The entries of an object or of null. With names, any other one is an error.
pub(crate) fn known(object: &Value, names: &[&str]) -> Result<Map<String, Value>, Failure> {
    let entries = object.as_object().cloned().unwrap_or_default();
    match entries.keys().find(|key| !names.is_empty() && !names.contains(&key.as_str())) {
        Some(key) => Err(format!("unknown key {key}")),
        None => Ok(entries),
    }
}

/// The text of the last message.
pub(crate) fn last_text(request: &CompletionRequest) -> &str {
    request.messages.last().and_then(|message| message.parts.first()).map_or("", text_of)
}

fn text_of(part: &Part) -> &str {
    if let Some(part::Content::Text(text)) = &part.content { text } else { "" }
}

fn message(value: &Value) -> Result<Message, Failure> {
    let mut message = Message::default();
    for (key, value) in known(value, &["role", "parts"])? {
        if key == "role" {
            message.set_role(Role::from_str_name(&text(&value)?).ok_or("unknown role")?);
        } else {
            message.parts = list(&value, |part| {
                known(part, &["text"])?;
                Ok(Part { content: Some(part::Content::Text(text(&part["text"])?)), ..Part::default() })
            })?;
        }
    }
    Ok(message)
}

fn config(value: &Value) -> Result<GenerationConfig, Failure> {
    let mut config = GenerationConfig::default();
    for (key, value) in known(value, &[])? {
        match key.as_str() {
            "max_output_tokens" => config.max_output_tokens = value.as_i64().map(|number| number as i32),
            "temperature" => config.temperature = value.as_f64(),
            "top_p" => config.top_p = value.as_f64(),
            "presence_penalty" => config.presence_penalty = value.as_f64(),
            "include_logprobs" => config.include_logprobs = value.as_bool(),
            "top_logprobs" => config.top_logprobs = value.as_i64().map(|number| number as i32),
            _ => return Err(format!("unknown field generation_config.{key}")),
        }
    }
    Ok(config)
}

fn text(value: &Value) -> Result<String, Failure> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("{value} is not a text"))
}

fn list<T>(value: &Value, item: impl Fn(&Value) -> Result<T, Failure>) -> Result<Vec<T>, Failure> {
    value.as_array().ok_or_else(|| format!("{value} is not a list"))?.iter().map(item).collect()
}
