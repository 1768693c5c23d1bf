"""What a release consists of, and the version that all parts of it bear."""
