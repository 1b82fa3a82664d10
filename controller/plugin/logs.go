package plugin

import (
	"reflect"
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// LogSpec is a log as a request asks for it.
type LogSpec struct{ model.Log }

// LoggableResources are the resource types that logs can be about.
func LoggableResources() []string { return []string{model.LogSecurityGroup} }

// The key that a log holds of the group and of the port that it names; the log
// goes when one of them does.
func logPrefix(object string) string   { return "log/" + object + "/" }
func logKey(object, log string) string { return logPrefix(object) + log }

func logClaims(log *model.Log) []string {
	var keys []string
	for _, object := range []string{log.ResourceID, log.TargetID} {
		if object != "" {
			keys = append(keys, logKey(object, log.ID))
		}
	}
	return keys
}

// CreateLog makes a log.
func (p *Plugin) CreateLog(_ Call, u *records.Update, s *LogSpec) (string, error) {
	log := s.Log
	p.newMeta(&log.Meta, 0)
	if !slices.Contains(LoggableResources(), log.ResourceType) {
		return "", BadRequest("InvalidLogResourceType", "Invalid log resource_type: %s.", log.ResourceType)
	}
	if err := checkLogged(u, &log); err != nil {
		return "", err
	}
	if err := reclaim(u, log.ID, nil, logClaims(&log)); err != nil {
		return "", err
	}
	records.Logs.Put(u, &log)
	return log.ID, nil
}

// checkLogged finds the group and the port that a log names; they become
// conditions of the commit.
func checkLogged(u *records.Update, log *model.Log) error {
	if log.ResourceID != "" {
		if _, ok := records.SecurityGroups.Get(u, log.ResourceID); !ok {
			return NotFoundAs("ResourceNotFound", "Resource %s could not be found.", log.ResourceID)
		}
	}
	if log.TargetID == "" {
		return nil
	}
	port, ok := records.Ports.Get(u, log.TargetID)
	switch {
	case !ok:
		return NotFoundAs("TargetResourceNotFound", "Target resource %s could not be found.", log.TargetID)
	case port.VNICType != "" && port.VNICType != "normal":
		// Such an interface passes by the switch.
		return Conflict("LoggingTypeNotSupported", "Logging type %s is not supported on port %s, whose binding:vnic_type is %s.",
			log.ResourceType, port.ID, port.VNICType)
	case log.ResourceID != "" && !slices.Contains(port.SecurityGroups, log.ResourceID):
		return BadRequest("InvalidResourceConstraint", "Port %s is not in security group %s.", port.ID, log.ResourceID)
	}
	return nil
}

// UpdateLog changes a log's name and description, and whether it is written.
func (p *Plugin) UpdateLog(_ Call, u *records.Update, before *model.Log, s *LogSpec) error {
	log := s.Log
	if !reflect.DeepEqual(log, *before) {
		p.touch(&log.Meta)
		records.Logs.Put(u, &log)
	}
	return nil
}

// DeleteLog removes a log.
func (p *Plugin) DeleteLog(u *records.Update, id string) error {
	log, ok := records.Logs.Get(u, id)
	if !ok {
		return NotFoundAs("LogResourceNotFound", "Log resource %s could not be found.", id)
	}
	if err := reclaim(u, id, logClaims(log), nil); err != nil {
		return err
	}
	records.Logs.Delete(u, id)
	return nil
}

// dropLogs removes the logs about a security group or a port that goes away. One
// that comes at the same moment makes the update run again.
func (p *Plugin) dropLogs(u *records.Update, object string) error {
	var logs []string
	for _, id := range u.ClaimsUnder(logPrefix(object)) {
		logs = append(logs, id)
	}
	for _, id := range logs {
		if err := p.DeleteLog(u, id); err != nil {
			return err
		}
	}
	u.RequireNoNewClaims(logPrefix(object))
	return nil
}
