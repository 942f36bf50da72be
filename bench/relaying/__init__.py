"""The parts of `bench/relay.py`: the targets, the loads and the measurement."""
