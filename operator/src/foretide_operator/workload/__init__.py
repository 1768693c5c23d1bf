"""AIWorkloads: from a manifest to a signature, measurements, predictions and a run."""
