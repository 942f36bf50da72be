"""Wire twins of Vertex AI."""
