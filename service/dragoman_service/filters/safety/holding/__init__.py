"""Holds an answer back until a judge has decided what of it may leave."""
