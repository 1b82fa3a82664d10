package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// packetLine is a line of network_log.file.
type packetLine struct {
	Action  string
	Project string   `json:"project_id"`
	Logs    []string `json:"log_resource_ids"`
	Port    string   `json:"vm_port"`
	From    string   `json:"src_ip"`
	To      string   `json:"dst_ip"`
	SrcMAC  string   `json:"src_mac"`

	Direction, Protocol string
	DstPort             int `json:"dst_port"`
}

// packetLines reads the file's lines about a destination port.
func (c *Cloud) packetLines(file string, port int) []packetLine {
	c.Helper()
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	c.Must(err)
	var list []packetLine
	for line := range strings.Lines(string(text)) {
		var l packetLine
		if strings.HasSuffix(line, "\n") { // the last may be half written
			c.Must(json.Unmarshal([]byte(line), &l))
		}
		if l.DstPort == port {
			list = append(list, l)
		}
	}
	return list
}

// throw sends datagrams that nobody answers.
func (c *Cloud) throw(from, to Guest, port, count int, pause time.Duration) {
	c.Helper()
	conn, err := connect(from, "udp", 0, netip.AddrPortFrom(to.IP(4), uint16(port)))
	c.Must(err)
	defer conn.Close()
	for range count {
		_, err := conn.Write([]byte("?"))
		c.Must(err)
		time.Sleep(pause)
	}
}

func TestLogsWriteDownWhatGroupsAdmitAndRefuse(t *testing.T) {
	t.Parallel()
	topo, err := lab.LoadTopology("single")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "packets.log")
	topo.Agent = map[string]any{"network_log": map[string]any{"file": file}}
	c := StartTopology(t, topo)
	host := topo.Hosts[0].Name
	n := c.Network(nil)
	c.dual(n)
	web, other := c.SecurityGroup("web"), c.SecurityGroup("other")
	server, client := c.GuestIn(host, "server", n, web), c.GuestIn(host, "client", n, other)
	c.Echo(server, 80)
	c.Rule(host, web, Attributes{"protocol": "tcp", "port_range_min": 80, "port_range_max": 80})

	var answer struct {
		Log struct {
			ID      string
			Project string `json:"project_id"`
		}
	}
	c.Must(c.Lab.API().Call(c.Context(), "POST", "/v2.0/log/logs", map[string]any{"log": Attributes{
		"resource_type": "security_group", "event": "ALL", "resource_id": web,
	}}, &answer))
	flows := func() int {
		digits := strings.ReplaceAll(server.Port.ID, "-", "")[:12]
		return strings.Count(c.Exec(host, "ovs-ofctl", "dump-flows", "br-int", "cookie=0x1e0f"+digits+"/-1"), "cookie=")
	}
	c.Eventually("the log is in the switch", func() error {
		if got := flows(); got != 5 {
			return fmt.Errorf("%d flows of the log", got)
		}
		return nil
	})
	lines := func(port int, want ...packetLine) {
		t.Helper()
		c.Eventually(fmt.Sprintf("packets to port %d are logged", port), func() error {
			if got := c.packetLines(file, port); !slices.EqualFunc(got, want, func(a, b packetLine) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
				return fmt.Errorf("lines\n%+v\nwant\n%+v", got, want)
			}
			return nil
		})
	}
	line := packetLine{
		Project: answer.Log.Project, Logs: []string{answer.Log.ID}, Port: server.Port.ID, Direction: "ingress",
		From: client.IP(4).String(), To: server.IP(4).String(), SrcMAC: client.Port.MAC,
	}
	admitted, refused := line, line
	admitted.Action, admitted.Protocol, admitted.DstPort = "ACCEPT", "TCP", 80
	refused.Action, refused.Protocol, refused.DstPort = "DROP", "UDP", 53

	talk := c.Converse("an admitted connection", client, server, "tcp", 80, 4)
	lines(80, admitted)
	c.throw(client, server, 53, 3, 20*time.Millisecond)
	lines(53, refused, refused, refused)

	began := time.Now()
	const flood = 5000
	c.Eventually("the switch limits a flood", func() error { // which may lose much on its way there
		c.throw(client, server, 99, flood, 0)
		meter := c.Exec(host, "ovs-ofctl", "-O", "OpenFlow15", "meter-stats", "br-int", "meter=30")
		if !regexp.MustCompile(`bands:\s*0: packet_count:[1-9]`).MatchString(meter) {
			return errors.New(meter)
		}
		return nil
	})
	c.Alive(talk)
	time.Sleep(time.Second)
	most := 25 + int(100*(time.Since(began).Seconds()+1))
	if got := len(c.packetLines(file, 99)); got == 0 || got > most || got >= flood {
		t.Errorf("%d lines of a flood of %d, want at most %d", got, flood, most)
	}
	lines(80, admitted) // whatever came since on the same connection

	c.Must(c.Lab.API().Call(c.Context(), "DELETE", "/v2.0/log/logs/"+answer.Log.ID, nil, nil))
	c.Eventually("the log is gone from the switch", func() error {
		if got := flows(); got != 0 {
			return fmt.Errorf("%d flows of the log", got)
		}
		return nil
	})
	c.throw(client, server, 54, 3, 0)
	c.Alive(talk)
	lines(54)

	// A stateless group has no connections, but it admits datagrams.
	var group struct{ ID string }
	c.create("security_group", Attributes{"name": "stateless", "stateful": false}, &group)
	c.Update("port", server.Port.ID, Attributes{"security_groups": []string{group.ID}})
	c.Rule(host, group.ID, Attributes{"protocol": "udp", "port_range_min": 55, "port_range_max": 56})
	c.Must(c.Lab.API().Call(c.Context(), "POST", "/v2.0/log/logs", map[string]any{"log": Attributes{
		"resource_type": "security_group", "event": "ACCEPT", "resource_id": group.ID,
	}}, &answer))
	c.Eventually("the log of the stateless group is in the switch", func() error {
		if got := flows(); got != 6 {
			return fmt.Errorf("%d flows of the log", got)
		}
		return nil
	})
	c.throw(client, server, 55, 1, 0) // the next would hear that nobody listens
	stateless := admitted
	stateless.Logs, stateless.Protocol, stateless.DstPort = []string{answer.Log.ID}, "UDP", 55
	lines(55, stateless)
	// Somebody deletes the meters: they come back, and limit the flows again.
	c.Echo(server, 56)
	c.Exec(host, "ovs-ofctl", "-O", "OpenFlow15", "del-meters", "br-int")
	c.Eventually("the meters are there again and limit a flood", func() error {
		stats := c.Exec(host, "ovs-ofctl", "-O", "OpenFlow15", "meter-stats", "br-int")
		for _, meter := range strings.Split(stats, "meter:")[1:] {
			if strings.HasPrefix(meter, "31 ") && regexp.MustCompile(` packet_count:[1-9]`).MatchString(meter) {
				return nil
			}
		}
		if len(stats) > 0 {
			c.throw(client, server, 56, 3000, 0)
		}
		return fmt.Errorf("the switch has not limited the flood:\n%s", stats)
	})
}
