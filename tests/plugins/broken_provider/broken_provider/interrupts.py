"""Is interrupted as soon as it is imported."""

raise KeyboardInterrupt
