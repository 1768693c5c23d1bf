"""The one port to Kubernetes: client, watch caches and typed forms of our kinds."""
