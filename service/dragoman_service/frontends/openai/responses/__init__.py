"""OpenAI's Responses API over HTTP: answers, and answers that are stored, which are operations."""
