"""Thousands of real profiles of models of every kind on node classes of a devcluster: `make measure`."""
