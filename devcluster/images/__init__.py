"""Images: built from the project's Dockerfiles without engine or registry, loaded into nodes without copying."""
