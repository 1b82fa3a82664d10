#!/bin/bash
# Process 1 of a machine, before it becomes systemd. Runs in new mount, pid,
# cgroup, uts, ipc and network namespaces.
#   boot.sh LOWER DIR NAME [SOURCE TARGET]...
set -e
lower=$1 dir=$2 name=$3 root=$2/root
mount --make-rprivate /
# The writable layer is in memory: it is gone with the last process.
mount -t tmpfs -o mode=755 machine "$dir"
mkdir "$dir/upper" "$dir/work" "$root"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$dir/upper,workdir=$dir/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
	mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
else
	mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
	mkdir "$root/sys/fs/cgroup/systemd"
	mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
fi
# Open vSwitch's start script wants to see its kernel module; without one the
# userspace datapath does.
if [ ! -e /sys/module/openvswitch ]; then
	mount -t tmpfs -o mode=755 tmpfs "$root/sys/module"
	mkdir "$root/sys/module/openvswitch"
fi
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --rbind /dev "$root/dev"
mkdir -p "$root/debs"
shift 3
while [ $# -ge 2 ]; do
	mkdir -p "$root$2"
	mount --bind "$1" "$root$2"
	mount -o remount,bind,ro "$root$2"
	shift 2
done
echo "$name" >"$root/etc/hostname"
: >"$root/etc/machine-id"
rm -f "$root/usr/sbin/policy-rc.d" "$root/etc/openvswitch/conf.db" "$root/var/lib/openvswitch/conf.db"
hostname "$name"
ip link set lo up
exec env -i container=test TERM=dumb PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" /lib/systemd/systemd --system --unit=basic.target
