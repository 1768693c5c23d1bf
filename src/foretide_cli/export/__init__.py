"""What is known of a cluster as one file: written, read again, and its measurements given to another cluster."""
