#!/bin/bash
# The controller: provision/controller.sh NAME NUMBER
. /vagrant/provision/common.sh
install_packages lepton-controller leptonctl python3-openstackclient
certificates lepton
cat >/etc/lepton/controller.yaml <<END
# Without authentication the API is for this machine alone.
rpc:
  listen: 192.168.56.$number:9797
  tls: { cert: /etc/lepton/tls/cert.pem, key: /etc/lepton/tls/key.pem, ca: /etc/lepton/tls/ca.pem, crl: /etc/lepton/tls/crl.pem }
network:
  vlan: { network_vlan_ranges: ["physnet1:100:200"] }
END
lepton-controller --check --config /etc/lepton/controller.yaml
systemctl restart lepton-controller
cat >/etc/profile.d/openstack.sh <<END
export OS_AUTH_TYPE=none OS_ENDPOINT=http://127.0.0.1:9696
END
