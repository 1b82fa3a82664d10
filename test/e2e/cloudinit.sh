#!/bin/sh
# Runs cloud-init as a guest's first process would: in mount, UTS and PID
# namespaces of its own, on a copy-on-write root.
#
#   cloudinit.sh DIR PACKAGE SOURCE    in the guest's network namespace
#
# DIR is an empty directory, PACKAGE the unpacked Debian package, SOURCE the name
# of a data source with its settings as YAML: OpenStack, Ec2. What it made is
# printed, a name and a value a line.
set -eu
dir=$1 package=$2 source=$3
mount -t tmpfs none "$dir"
mkdir "$dir/upper" "$dir/work" "$dir/root"
mount -t overlay none -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
root=$dir/root
mount -t proc none "$root/proc"
mount -t sysfs none "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs none "$root/run"
mount -t tmpfs none "$root/tmp"
cp -a "$package/." "$root/"
rm -rf "$root/var/lib/cloud" "$root/var/log/cloud-init.log"
# There are no name servers here, and waiting for them takes its time.
rm -f "$root/etc/resolv.conf"
echo "nameserver 127.0.0.1" >"$root/etc/resolv.conf"
cat >"$root/etc/cloud/cloud.cfg.d/99-test.cfg" <<CFG
datasource_list: [$source]
datasource:
  $source: {metadata_urls: ["http://169.254.169.254"], max_wait: 30, timeout: 5, strict_id: false}
network: {config: disabled}
ssh_deletekeys: false
ssh_genkeytypes: []
cloud_init_modules: [set_hostname, users-groups, ssh]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user]
CFG
for step in init "modules --mode=config" "modules --mode=final"; do
	# shellcheck disable=SC2086
	chroot "$root" /usr/bin/cloud-init $step >"$dir/out" 2>&1 || { cat "$dir/out" "$root/var/log/cloud-init.log"; exit 1; }
done
echo "uts $(hostname)"
echo "hostname $(cat "$root/etc/hostname")"
echo "key $(grep -v '^#' "$root/home/debian/.ssh/authorized_keys" | head -n1)"
echo "script $(cat "$root/var/tmp/told" 2>/dev/null || true)"
echo "source $(chroot "$root" /usr/bin/cloud-init query subplatform)"
echo "errors $(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["v1"]["errors"])' "$root/run/cloud-init/result.json")"
