"""What bench/hostile.py sends, the upstream that it sets up, and the probe that waits for answers meanwhile."""
