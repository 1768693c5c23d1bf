"""The report: one HTML page that asks no network for anything, made from an export."""
