package model

// Flavor is a kind of router, or of another service, that users choose by name.
type Flavor struct {
	Meta
	ServiceType string `json:"service_type"` // L3_ROUTER_NAT for routers
	Enabled     bool   `json:"enabled"`
	// ServiceProfiles are the ids of the profiles that realise the flavor; the
	// first decides.
	ServiceProfiles []string `json:"service_profiles,omitempty"`
}

// ServiceProfile says how a flavor is realised.
type ServiceProfile struct {
	Meta
	Driver   string `json:"driver,omitempty"`
	MetaInfo string `json:"metainfo,omitempty"`
	Enabled  bool   `json:"enabled"`
}
