package rpc

import (
	"fmt"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

// This file: logs, trunks and QoS policies.

func encodeLog(l *model.Log) (*pb.Log, error) {
	return &pb.Log{
		Id: l.ID, ProjectId: l.ProjectID, Name: l.Name, Revision: l.Revision,
		ResourceType: l.ResourceType, Event: l.Event, ResourceId: l.ResourceID, TargetId: l.TargetID,
	}, nil
}

func decodeLog(m *pb.Log) (*model.Log, error) {
	if err := checkID("id", m.GetId()); err != nil {
		return nil, err
	}
	if m.GetResourceType() != model.LogSecurityGroup {
		return nil, fmt.Errorf("resource_type: %.80q is not known", m.GetResourceType())
	}
	switch m.GetEvent() {
	case model.LogAll, model.LogAccept, model.LogDrop:
	default:
		return nil, fmt.Errorf("event: %.80q is none", m.GetEvent())
	}
	return &model.Log{
		Meta: decodeMeta(m), ResourceType: m.GetResourceType(), Event: m.GetEvent(),
		ResourceID: m.GetResourceId(), TargetID: m.GetTargetId(), Enabled: true,
	}, nil
}

func encodeTrunk(t *model.Trunk) (*pb.Trunk, error) {
	m := &pb.Trunk{
		Id: t.ID, ProjectId: t.ProjectID, Name: t.Name, Revision: t.Revision, PortId: t.PortID, AdminStateUp: t.AdminStateUp,
	}
	for _, s := range t.SubPorts {
		m.SubPorts = append(m.SubPorts, &pb.SubPort{
			PortId: s.PortID, SegmentationType: s.SegmentationType, SegmentationId: uint32(max(s.SegmentationID, 0)),
		})
	}
	return m, nil
}

func decodeTrunk(m *pb.Trunk) (*model.Trunk, error) {
	if err := checkIDs(field{"id", m.GetId()}, field{"port_id", m.GetPortId()}); err != nil {
		return nil, err
	}
	t := &model.Trunk{Meta: decodeMeta(m), PortID: m.GetPortId(), AdminStateUp: m.GetAdminStateUp()}
	for _, s := range m.GetSubPorts() {
		if err := checkID("sub_ports: port_id", s.GetPortId()); err != nil {
			return nil, err
		}
		if id := s.GetSegmentationId(); s.GetSegmentationType() != "vlan" || id < 1 || id > 4094 {
			return nil, fmt.Errorf("sub_ports: %.80q %d is no VLAN", s.GetSegmentationType(), id)
		}
		t.SubPorts = append(t.SubPorts, model.SubPort{
			PortID: s.GetPortId(), SegmentationType: s.GetSegmentationType(), SegmentationID: int(s.GetSegmentationId()),
		})
	}
	return t, nil
}

func encodeQoSPolicy(p *model.QoSPolicy) (*pb.QoSPolicy, error) {
	m := &pb.QoSPolicy{Id: p.ID, ProjectId: p.ProjectID, Name: p.Name, Revision: p.Revision}
	for _, r := range p.Rules {
		m.Rules = append(m.Rules, &pb.QoSRule{
			Id: r.ID, Type: string(r.Type), Direction: r.Direction, Value: uint32(max(r.Value, 0)), Burst: uint32(max(r.Burst, 0)),
		})
	}
	return m, nil
}

func decodeQoSPolicy(m *pb.QoSPolicy) (*model.QoSPolicy, error) {
	if err := checkID("id", m.GetId()); err != nil {
		return nil, err
	}
	p := &model.QoSPolicy{Meta: decodeMeta(m)}
	for _, r := range m.GetRules() {
		if err := checkID("rules: id", r.GetId()); err != nil {
			return nil, err
		}
		if r.GetValue() > 1<<31-1 || r.GetBurst() > 1<<31-1 {
			return nil, fmt.Errorf("rules: value: %d, burst %d are over 31 bits", r.GetValue(), r.GetBurst())
		}
		p.Rules = append(p.Rules, model.QoSRule{
			ID: r.GetId(), Type: model.QoSRuleType(r.GetType()), Direction: r.GetDirection(),
			Value: int(r.GetValue()), Burst: int(r.GetBurst()),
		})
	}
	return p, nil
}
