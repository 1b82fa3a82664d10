"""Plugs and unplugs a server's port as nova-compute does: Nova's own code asks
the network service, makes its model of the port, gives that to os-vif, and
writes the interface for libvirt, which this prints.

    novaplug.py plug|unplug NOVA.CONF OVERRIDES PORT SERVER delegate|libvirt
    novaplug.py check NOVA.CONF
"""

import configparser
import os
import sys

import nova.conf
import os_vif
from nova import context, objects
from nova.network import neutron, os_vif_util
from nova.virt.libvirt import vif as libvirt_vif
from vif_plug_ovs import privsep



def check(path):
    """Fails for an option that neither Nova nor os-vif has."""
    neutron._load_auth_plugin(nova.conf.CONF)
    page = configparser.ConfigParser(default_section="none")
    page.read(path)
    for section in page.sections():
        group = nova.conf.CONF if section == "DEFAULT" else nova.conf.CONF[section]
        for option in page[section]:
            if str(group[option]).lower() != page[section][option].lower() and not isinstance(group[option], list):
                sys.exit("%s of [%s] is %s" % (option, section, group[option]))


what, files = sys.argv[1], sys.argv[2:4]
nova.conf.CONF([], default_config_files=files)
objects.register_all()
os_vif.initialize()
if what == "check":
    check(files[0])
    sys.exit(0)
port_id, server, by = sys.argv[4:]
# This process is privileged itself: there is no daemon to ask.
privsep.vif_plug.set_client_mode(False)

admin = context.RequestContext("nova", "service", is_admin=True)
client = neutron.get_client(admin, admin=True)
port = client.show_port(port_id)["port"]
if port["binding:vif_type"] != "ovs":
    sys.exit("the port's vif_type is %s: Nova would not boot the server" % port["binding:vif_type"])
networks = client.list_networks(id=port["network_id"])["networks"]
vif = neutron.API()._build_vif_model(admin, client, port, networks, [])
# Either os-vif makes the switch's port, or, in older releases, libvirt does.
vif["delegate_create"] = by == "delegate"

instance = objects.Instance(
    admin, id=1, uuid=server, host=port["binding:host_id"], project_id=port["project_id"], display_name="plugged",
    system_metadata={}, numa_topology=None, flavor=objects.Flavor(extra_specs={}, vcpus=1, memory_mb=64))
plugged, info = os_vif_util.nova_to_osvif_vif(vif), os_vif_util.nova_to_osvif_instance(instance)
if what == "unplug":
    os_vif.unplug(plugged, info)
else:
    os_vif.plug(plugged, info)
    image = objects.ImageMeta(properties=objects.ImageMetaProps())
    driver = libvirt_vif.LibvirtGenericVIFDriver(host=None)
    print(driver.get_config(instance, vif, image, instance.flavor, "kvm").to_xml(), flush=True)
os._exit(0)  # os-vif's connection to the database would go on
