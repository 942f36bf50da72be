"""OpenAI's Responses API as a server speaks it."""
