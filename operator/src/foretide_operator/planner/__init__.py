"""The planner process: decides about tasks in the cluster's name, and writes on Pods what was predicted of them."""
