package plugin

import (
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// macTries is how many random MACs are tried for a port.
const macTries = 16

// newMAC makes up a MAC that is free on the network, and claims it.
func (p *Plugin) newMAC(u *records.Update, network, owner string) (model.MAC, error) {
	kept := 3
	if p.baseMAC[3] != 0 {
		kept = 4
	}
	for range macTries {
		mac := p.baseMAC
		for i := kept; i < len(mac); i++ {
			mac[i] = byte(p.random(256))
		}
		if u.Claim(macKey(network, mac), owner) == nil {
			return mac, nil
		}
	}
	return model.MAC{}, Refuse(503, "MacAddressGenerationFailure", "Unable to generate unique mac on network %s.", network)
}

// changeMAC applies mac_address of an update; null asks for a new one. A bound
// port's guest has its MAC already, so it stays.
func (p *Plugin) changeMAC(c Call, u *records.Update, before, port *model.Port) error {
	if !c.Has("mac_address") || port.MAC == before.MAC {
		return nil
	}
	if trusted(before.DeviceOwner) {
		return Conflict("UnsupportedPortDeviceOwner", "Operation mac address update is not supported for device_owner %s on port %s.", before.DeviceOwner, port.ID)
	}
	if bound(before) {
		return Conflict("PortBound", "Unable to complete operation on port %s, port is already bound, port type: %s, old_mac %s, new_mac %s.",
			port.ID, before.VIFType, before.MAC, port.MAC)
	}
	if port.MAC != (model.MAC{}) {
		return nil
	}
	mac, err := p.newMAC(u, port.NetworkID, port.ID)
	port.MAC = mac
	return err
}

// followMAC gives a port whose MAC changed the addresses that its guest will
// now make from it.
func followMAC(u *records.Update, before, port *model.Port) {
	if port.MAC == before.MAC {
		return
	}
	fixed := make([]model.FixedIP, 0, len(port.FixedIPs))
	for _, f := range port.FixedIPs {
		subnet, ok := records.Subnets.Get(u, f.SubnetID)
		if ok && automatic(subnet) && f.IP == before.MAC.EUI64(subnet.CIDR) {
			f.IP = port.MAC.EUI64(subnet.CIDR)
		}
		fixed = append(fixed, f)
	}
	port.FixedIPs = fixed
}
