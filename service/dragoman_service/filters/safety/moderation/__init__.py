"""The filter `moderation`: an endpoint that rates texts."""
