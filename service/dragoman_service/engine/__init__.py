"""From the name of a model to the events of a completion: catalogue, relay, fold."""
