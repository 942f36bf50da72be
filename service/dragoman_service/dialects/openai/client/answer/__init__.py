"""What answers are made of: chunks, choices, content, tool calls, tokens."""
