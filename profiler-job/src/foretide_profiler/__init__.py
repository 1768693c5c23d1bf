"""Inspects, profiles, probes and runs inference workloads, in a Job or by hand, without any cluster."""
