package model

// Instance is what a guest is told about itself by the metadata service, when no
// Nova does that.
type Instance struct {
	Meta
	// Hostname is the guest's name, with or without a domain; never empty.
	Hostname         string `json:"hostname"`
	AvailabilityZone string `json:"availability_zone,omitempty"`
	// ImageID and InstanceType are texts that documents show.
	ImageID      string        `json:"image_id,omitempty"`
	InstanceType string        `json:"instance_type,omitempty"`
	Keys         []InstanceKey `json:"keys,omitempty"`
	// UserData is what the guest gets byte by byte.
	UserData []byte            `json:"user_data,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	// VendorData is the JSON object of vendor_data.json.
	VendorData map[string]any `json:"vendor_data,omitempty"`
	// Password is what the guest has posted, encrypted with its owner's key.
	Password string `json:"password,omitempty"`
	// Ports are the instance's network interfaces, the first one first. A port
	// is of one instance at most.
	Ports []string `json:"ports,omitempty"`
}

// InstanceKey is a public key that may log in.
type InstanceKey struct {
	Name string `json:"name"`
	// Data is one line as in authorized_keys.
	Data string `json:"data"`
}
