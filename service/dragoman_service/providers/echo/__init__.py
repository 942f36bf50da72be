"""A provider that answers with its prompt, or as its prompt scripts."""
