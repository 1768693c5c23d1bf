"""How fast the extender answers, beside one in Go that knows nothing, and whether it stays so over hours."""
