"""Filters, one file each: `Complete` in, `Complete` out."""
