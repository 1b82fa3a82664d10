// What the modules hand to each other, for editors and readers.

/**
 * @typedef {{id: string, name: string, cidr: string, gateway_ip: string|null, enable_dhcp: boolean}} Subnet
 *
 * @typedef {object} Network
 * @property {string} id
 * @property {string} name
 * @property {string} project_id
 * @property {boolean} admin_state_up
 * @property {boolean} shared
 * @property {number} mtu
 * @property {Subnet[]} subnets
 * @property {number} ports    of guests
 * @property {number} active   of these, wired by their host
 * @property {number} error    of these, not to be wired
 * @property {number} service  ports of the network service's own
 *
 * @typedef {object} Router
 * @property {string} id
 * @property {string} name
 * @property {string} project_id
 * @property {string} status
 * @property {string|null} gateway    a network's id
 * @property {string[]} networks      of its interfaces
 * @property {string[]} [hosts]
 *
 * @typedef {object} Host
 * @property {string} host            empty: where ports are that are bound to none
 * @property {boolean} agent
 * @property {boolean} [alive]
 * @property {boolean} [in_sync]
 * @property {number} [problems]
 * @property {number} [devices]
 * @property {string[]} [roles]
 * @property {string} [version]
 * @property {string|null} [tunneling_ip]
 * @property {string[]} [tunnel_types]
 * @property {string[]} [physical_networks]
 * @property {[number, number, number, number, number][]} networks  place in networks, ports, active, error, service
 *
 * @typedef {{networks: Network[], routers: Router[], hosts?: Host[]}} Topology
 *
 * @typedef {object} Port
 * @property {string} id
 * @property {string} name
 * @property {string} network_id
 * @property {string} status
 * @property {boolean} admin_state_up
 * @property {string} mac_address
 * @property {string} device_id
 * @property {string} device_owner
 * @property {{ip_address: string, subnet_id: string}[]} fixed_ips
 *
 * A key names a thing in the picture: "network:ID", "router:ID", "port:ID",
 * "host:NAME", "subnet:ID", "cell:NETWORK@HOST", "tunnel:HOST|HOST",
 * "physical:NAME".
 * @typedef {string} Key
 *
 * @typedef {{x: number, y: number, w: number, h: number}} Rect
 *
 * A scene is a laid out view: where things are, what is at a point, how it is drawn.
 * @typedef {object} Scene
 * @property {Rect} bounds
 * @property {(key: Key) => Rect|null} find
 * @property {(x: number, y: number, zoom: number) => {key: Key, tip: string}|null} at
 * @property {(brush: import("./brush.js").Brush) => void} draw
 */
export {};
