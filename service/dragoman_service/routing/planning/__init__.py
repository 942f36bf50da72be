"""The plan of a call: which targets are asked, in which order, and why others are not."""
