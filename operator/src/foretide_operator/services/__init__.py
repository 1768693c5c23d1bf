"""What services say of their requests, read once a minute and held against what was predicted for their Pods."""
