"""How well a few chosen measurements foretell the others, beside as many taken at random."""
