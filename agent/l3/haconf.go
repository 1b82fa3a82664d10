package l3

import (
	"fmt"
	"path/filepath"
)

// haAdvert is how often the active host says that it is there, in seconds: VRRP
// takes three of them for its end (RFC 5798, section 6.1).
const haAdvert = "0.3"

// The controllers give hosts priorities from 100 down to 61 (plugin.haPriority),
// so they differ by 39 at most. Here they begin at 40: a weight more counts more
// than any of them, and the highest stays below 255, which VRRP keeps for other
// uses (RFC 5798, section 5.2.4).
const (
	haLower = 60
	haBoost = 41
)

// vrrpPriority is a host's priority without a weight.
func vrrpPriority(given int) int { return max(given-haLower, 1) }

// keepalivedConf writes keepalived.conf(5). The master's address is of no use;
// the agent gives the links theirs, after asking the controllers.
func keepalivedConf(router, link string, ha *HA) string {
	return fmt.Sprintf(`global_defs {
    router_id %[1]s
    vrrp_version 3
    vrrp_priority -20
    vrrp_higher_prio_send_advert true
    script_user root
}
track_file active {
    file "%[2]s"
}
vrrp_instance VR_%[3]d {
    state BACKUP
    interface %[4]s
    virtual_router_id %[3]d
    priority %[5]d
    nopreempt
    advert_int %[6]s
    garp_master_delay 0
    garp_master_repeat 1
    virtual_ipaddress {
        %[7]s dev %[4]s
    }
    track_file {
        active weight %[8]d
    }
    notify "%[9]s %[1]s" root
    notify_master_rx_lower_pri "%[9]s %[1]s INSTANCE VR_%[3]d HEARD" root
}
`, router, filepath.Join(ha.Dir, activeFile), ha.VRID, link, vrrpPriority(ha.Priority), haAdvert, haVIP(ha.VRID), haBoost, filepath.Join(filepath.Dir(ha.Dir), notifyFile))
}

// conntrackdPort is the first UDP port by which connections are synchronised:
// routers of one network differ in the numbers that are added.
const conntrackdPort = 3780

// conntrackdConf writes conntrackd.conf(5). What other hosts send goes into the
// kernel at once, so that nothing has to be done when one takes over. There may
// be more than two hosts, which the protocols that number messages do not bear.
func conntrackdConf(f face, ha *HA) string {
	own, _ := f.first(false)
	return fmt.Sprintf(`Sync {
    Mode NOTRACK {
        DisableExternalCache yes
        StartupResync yes
    }
    Multicast {
        IPv4_address 225.0.0.50
        Group %[1]d
        IPv4_interface %[2]s
        Interface %[3]s
        SndSocketBuffer 1249280
        RcvSocketBuffer 1249280
        Checksum on
    }
}
General {
    HashSize 4096
    HashLimit 262144
    Syslog off
    LogFile off
    LockFile %[4]s
    UNIX {
        Path %[5]s
    }
    NetlinkBufferSize 2097152
    NetlinkBufferSizeMaxGrowth 8388608
    Filter From Userspace {
        Protocol Accept {
            TCP
            UDP
            SCTP
            DCCP
            ICMP
            IPv6-ICMP
        }
        Address Ignore {
            IPv4_address 127.0.0.1
            IPv4_address 169.254.192.0/18
            IPv6_address ::1
        }
    }
}
`, conntrackdPort+ha.VRID, own.IP, f.link, filepath.Join(ha.Dir, "lock"), filepath.Join(ha.Dir, "ctl"))
}
