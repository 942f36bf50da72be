"""What bench/counts.py counts with: an event loop, and CPython's allocators."""
