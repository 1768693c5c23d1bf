"""The scheduler extender: tells kube-scheduler on which node a task would finish first."""
