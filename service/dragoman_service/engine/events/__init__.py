"""What the engine does to the events of a completion: it merges them, completes them and collects findings."""
