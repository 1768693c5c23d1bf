"""Pages of docs/reference that are made of code: kinds, calls of the command, settings and metrics."""
