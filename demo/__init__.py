"""The main job, end to end, on real nodes: what `make demo` runs."""
