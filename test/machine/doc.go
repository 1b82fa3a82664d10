// Package machine boots computers for tests: systemd as process 1, in
// namespaces of its own, on a copy-on-write view of a root directory, by
// default this machine's. What happens in it (packages, services, users,
// network) stays in it and is gone with it.
//
//	m := machine.Boot(t, machine.Options{Name: "hv1"})
//	m.Run("dpkg -i /debs/lepton-agent.deb")
//	m.Run("systemctl is-active lepton-agent")
//
// It needs root, overlayfs, and a cgroup hierarchy to give away. Kernel modules
// are shared with the machine around it.
package machine
