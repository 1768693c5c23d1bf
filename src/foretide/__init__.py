"""Foretide's shared library: what decides and predicts, as pure functions of values."""
