#!/bin/sh
# The first program of a node, in a mount namespace of its own: it gives the node its own form of the few places whose paths
# kubelet and containerd fix, then becomes containerd. Everything mounted here ends with the node's last process.
# usage: node-init.sh NODE_DISK NODE_RUN CONTAINERD
set -eu
disk=$1 run=$2 containerd=$3
mount --make-rshared /
mkdir -p /var/lib/kubelet /var/lib/cni /run/containerd
mount --bind "$disk/kubelet" /var/lib/kubelet
mount --bind "$disk/cni-cache" /var/lib/cni
mount --bind "$disk/log" /var/log
mount --bind "$run/shims" /run/containerd
# kubelet sets these; the machine's own stay as they are
for setting in kernel/panic=10 kernel/panic_on_oops=1 vm/overcommit_memory=1 vm/panic_on_oom=0 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    file=$disk/sysctl/$(echo "${setting%=*}" | tr / .)
    echo "${setting#*=}" >"$file"
    mount --bind "$file" "/proc/sys/${setting%=*}"
done
exec "$containerd" --config "$disk/containerd.toml"
