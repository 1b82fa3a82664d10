package walk

// Chapters gives all chapters, in their order. They want an empty cloud without
// authentication limits: three hosts net1, hv1 and hv2 with agents of Open
// vSwitch, all on physnet1, and all types of network for everybody.
func Chapters() []Chapter {
	return []Chapter{
		{"extensions and agents", agentSteps},
		{"networks", networkSteps},
		{"segments", segmentSteps},
		{"subnets", subnetSteps},
		{"address scopes and subnet pools", poolSteps},
		{"security groups", groupSteps},
		{"address groups", addressGroupSteps},
		{"ports", portSteps},
		{"routers", routerSteps},
		{"floating addresses", floatingSteps},
		{"sharing", sharingSteps},
		{"quality of service", qosSteps},
		{"trunks", trunkSteps},
		{"flavors", flavorSteps},
		{"logging", loggingSteps},
		{"metering", meterSteps},
		{"local addresses", localIPSteps},
		{"what is in use stays", inUseSteps},
		{"everything can be deleted", deleteSteps},
	}
}
