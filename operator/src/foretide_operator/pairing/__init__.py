"""Ended Pods held against their predictions, each once."""
