"""Makes the tables of an empty database and serves Neutron's API: Debian's
python3-neutron has the code, and no programs. With a physical network there are
agents that count as alive."""

import datetime
import json
import sys
import uuid

import sqlalchemy

from neutron.cmd.eventlet import server
from neutron.db.migration.models import head

AGENTS = [
    ("Open vSwitch agent", "neutron-openvswitch-agent", "hv1"),
    ("Open vSwitch agent", "neutron-openvswitch-agent", "hv2"),
    ("Open vSwitch agent", "neutron-openvswitch-agent", "net1"),
    ("L3 agent", "neutron-l3-agent", "net1"),
    ("L3 agent", "neutron-l3-agent", "net2"),
]


def prepare(url, physical):
    metadata = head.get_metadata()
    engine = sqlalchemy.create_engine(url)
    metadata.create_all(engine)  # what is there already stays
    if not physical:
        return
    now = datetime.datetime.utcnow()
    rows = []
    for kind, binary, host in AGENTS:
        configurations = {
            "bridge_mappings": {physical: "br-phys"}, "tunnel_types": ["vxlan"], "tunneling_ip": "192.0.2.1",
            "integration_bridge": "br-int", "datapath_type": "system", "agent_mode": "legacy", "in_distributed_mode": False,
        }
        rows.append({
            "id": str(uuid.uuid4()), "agent_type": kind, "binary": binary, "host": host, "topic": "N/A",
            "admin_state_up": True, "created_at": now, "started_at": now,
            # Nobody sends heartbeats: the last one is yet to come.
            "heartbeat_timestamp": now + datetime.timedelta(days=1),
            "configurations": json.dumps(configurations), "load": 0, "availability_zone": "nova",
        })
    with engine.begin() as connection:
        connection.execute(metadata.tables["agents"].insert(), rows)


prepare(sys.argv[1], sys.argv[2])
sys.argv = ["neutron-server", "--config-file", sys.argv[3]]
sys.exit(server.main())
