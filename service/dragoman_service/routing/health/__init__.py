"""How targets are, by what became of the attempts at them in this process. No I/O; the clock is injected."""
