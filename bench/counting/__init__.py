"""What is counted, and what bench/counts.py counts with: an event loop, and CPython's allocators."""
