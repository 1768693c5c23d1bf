module foretide.dev/bench/zero-extender

go 1.24
