"""The attempts of a call: one after the other, or two at a time, until one has begun to answer."""
