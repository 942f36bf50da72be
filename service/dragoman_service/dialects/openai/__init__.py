"""The dialect of OpenAI's completions API."""
