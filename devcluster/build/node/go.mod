module foretide.dev/devcluster/node

go 1.24
