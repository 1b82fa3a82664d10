// Package metadata is what a guest may ask about itself: the documents of EC2
// and OpenStack as guests' cloud-init reads them.
//
//	records ── Gather ──► Guest (a value) ── Answer(request) ──► Reply
//
//	/                           EC2 versions, 1.0 to 2009-04-04, and latest
//	/latest/meta-data/…         the EC2 tree: one value, or a list, a line each
//	/latest/user-data           the instance's user data
//	/openstack/                 OpenStack's versions, 2012-08-10 to 2020-10-14, and latest
//	/openstack/latest/          meta_data.json, network_data.json, user_data,
//	                            vendor_data.json, vendor_data2.json, password
//
// Answer is a pure function. Names, forms and the versions in which something
// appeared are those of Nova's metadata service. Beyond them, mac and network/
// stand in the EC2 tree from 2009-04-04 on, because clients configure interfaces
// from them.
//
// A port without an instance record has documents too, made of the port: its
// device_id (or its own id) as instance, its dns_name as host, and its network.
package metadata
