"""Words and patterns in folded text: found in linear time, wherever the text is cut."""
