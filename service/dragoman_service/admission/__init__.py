"""Slots for requests under way, and bounded queues before them: who is served next, who waits, and who is refused."""
