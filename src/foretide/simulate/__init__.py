"""A cluster in simulated time: what becomes of arriving tasks under one policy or another."""
