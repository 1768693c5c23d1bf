"""NodeClasses: made from labels, counted, checked against each other, probed."""
