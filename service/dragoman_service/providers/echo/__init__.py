"""A provider that answers with its prompt, or with what its prompt scripts."""
