"""The parts of `bench/relay.py`: who is asked, what is asked of them, and what it cost."""
