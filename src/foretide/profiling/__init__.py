"""What to measure next: what a measurement would gain (`gain`), and whose turn it is (`turns`)."""
