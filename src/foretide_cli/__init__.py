"""The command `foretide`: what a person, or an uninstall, does to the cluster by hand."""
