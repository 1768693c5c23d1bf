"""What the operator costs with 1,000 workloads on 10 node classes: time to settle, API writes, memory, a restart."""
