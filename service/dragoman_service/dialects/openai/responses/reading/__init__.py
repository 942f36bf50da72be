"""Requests are decoded: parameters, items, and the parts that these consist of."""
