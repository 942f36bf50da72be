"""Wire twins of Google Cloud's services for language models."""
