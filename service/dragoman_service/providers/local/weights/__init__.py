"""The weights of the embedded model: their location, their download, their metadata."""
