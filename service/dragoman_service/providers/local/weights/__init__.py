"""The weights of the embedded model: where they are, how they are fetched, what they say."""
