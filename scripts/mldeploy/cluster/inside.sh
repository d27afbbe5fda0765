#!/bin/sh
# The cluster's first process, in its new network, mount and process namespaces: makes them a machine of their own, says
# which process it is on standard output, and becomes the supervisor. Started in the folder that is /run/mldeploy inside.
# usage: inside.sh NODE_NETWORK SERVICE_NETWORK PATH
set -eu
# The host's /proc is still here, so this is the host's number of this process.
read -r pid rest </proc/self/stat
mount -t proc proc /proc
# What programs leave in /run and /var/log (locks, sockets, network namespaces, links to pods' logs) ends with the cluster.
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t tmpfs -o mode=0755 tmpfs /var/log
mkdir /run/mldeploy /run/lock
mount --bind . /run/mldeploy
# Pods may ask for mounts that spread; nothing spreads to the host, whose mounts are not in this peer group.
mount --make-rshared /
PATH=$3
export PATH
# A bridge, since not every kernel has dummy interfaces. The node must route Service addresses somewhere before the
# firewall rewrites them; there is no default route, so nothing else goes anywhere.
ip -batch - <<EOF
link set lo up
link add node0 type bridge
addr add $1 dev node0
link set node0 up
route add $2 dev node0
EOF
echo 1 >/proc/sys/net/ipv4/ip_forward
cd /run/mldeploy/service
echo "$pid"
exec s6-svscan /run/mldeploy/service </dev/null >&2
