"""Faults of every kind on a real cluster while tasks are kept coming: nothing is lost, done twice or left behind."""
