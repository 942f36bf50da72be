//! The events of a completion, in the order in which they came.

use dragoman_client::v1::completion_event::Event;
use dragoman_client::v1::{Completion, CompletionEvent, Delta, delta, finished};

use crate::Failure;

#[derive(Debug, Default)]
pub(crate) struct Transcript {
    pub(crate) events: Vec<CompletionEvent>,
}

impl Transcript {
    /// The text deltas that no later event has retracted.
    pub(crate) fn deltas(&self) -> Vec<String> {
        let mut kept: Vec<(i64, &str)> = Vec::new();
        for event in &self.events {
            if let Some(Event::Retracted(retracted)) = &event.event {
                kept.retain(|(number, _)| *number < retracted.from_sequence);
            } else if let Some(text) = text_of(event) {
                kept.push((event.sequence, text));
            }
        }
        kept.into_iter().map(|(_, text)| text.to_owned()).collect()
    }

    pub(crate) fn is_retracted(&self) -> bool {
        self.events.iter().any(|event| matches!(event.event, Some(Event::Retracted(_))))
    }

    pub(crate) fn completion(&self) -> Option<Completion> {
        let Some(Event::Finished(finished)) = &self.events.last()?.event else { return None };
        let Some(finished::Outcome::Completion(completion)) = &finished.outcome else { return None };
        Some(completion.clone())
    }

    /// The numbers have no gap, and the text is that of the final completion.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let numbers: Vec<i64> = self.events.iter().map(|event| event.sequence).collect();
        if !numbers.iter().copied().eq(1..=numbers.len() as i64) {
            return Err(format!("the numbers of the events are {numbers:?}"));
        }
        let joined = self.deltas().concat();
        match self.completion() {
            Some(completion) if completion.text() != joined => {
                Err(format!("deltas {joined:?}, completion {:?}", completion.text()))
            }
            _ => Ok(()),
        }
    }
}

/// The fragment of the first choice's text that the event brings.
pub(crate) fn text_of(event: &CompletionEvent) -> Option<&str> {
    match &event.event {
        Some(Event::Delta(Delta { choice_index: 0, content: Some(delta::Content::Text(text)), .. }))
            if !text.is_empty() =>
        {
            Some(text)
        }
        _ => None,
    }
}
