"""Images: built from the project's Dockerfiles without an engine or a registry, and loaded into nodes without copying."""
