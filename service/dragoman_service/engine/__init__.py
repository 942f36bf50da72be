"""From a model's name to the events of its completion: catalogue, relay, fold."""
