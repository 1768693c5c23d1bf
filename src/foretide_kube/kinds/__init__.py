"""Typed forms of Foretide's own kinds, one module per kind; `crds/*.yaml` is the truth that they mirror."""
