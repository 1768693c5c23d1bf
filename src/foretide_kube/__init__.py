"""The one port to Kubernetes: client, caches, typed forms, and Pods and nodes read into what a plan is made from."""
