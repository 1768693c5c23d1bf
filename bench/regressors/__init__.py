"""Usual regressors and the completion-time model on the project's own measurements."""
