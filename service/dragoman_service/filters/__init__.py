"""Filters: each wraps the one shape, `Complete`, in another, and sees every completion however it is delivered."""
