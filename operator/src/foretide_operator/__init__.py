"""Keeps profiles, model, predictions and runs of AIWorkloads in sync with the cluster."""
