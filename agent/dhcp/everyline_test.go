package dhcp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/agent/dhcp/answers"
	"github.com/lepton-sdn/lepton/linux/linuxtest"
	"github.com/lepton-sdn/lepton/linux/netns"
	"github.com/lepton-sdn/lepton/model"
)

// words are what values are made of: all that means something to dnsmasq.
var words = strings.Split("a f 0 1 255 : . , [ ] \" \\ # ' - / x 0x é ! % 10.0.0.1 2001:db8::1 tag: option: w {} * infinite = @ + 00:11 vendor: encap: option6: net: \t :: ff", " ")

// oddOption draws an option of a port as somebody may write it.
func oddOption(t *rapid.T) model.DHCPOption {
	o := model.DHCPOption{IPVersion: rapid.SampledFrom([]int{4, 6}).Draw(t, "version")}
	o.Name = fmt.Sprint(rapid.IntRange(1, 255).Draw(t, "code"))
	o.Value = rapid.OneOf(
		rapid.Map(rapid.IntRange(0, 70000), func(n int) string { return fmt.Sprint(n) }),
		rapid.SampledFrom([]string{"10.0.0.1,10.0.0.2", "2001:db8::1, [2001:db8::2]", "a.example, b.example", "10.0.0.0/8,10.0.0.1"}),
		rapid.Map(rapid.SliceOfN(rapid.SampledFrom(words), 1, 12), func(list []string) string { return strings.Join(list, "") }),
	).Draw(t, "value")
	return o
}

// untilRead gives what dnsmasq says until it has read a file, or ends.
func untilRead(r io.Reader, path string) string {
	var said strings.Builder
	for lines := bufio.NewScanner(r); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if strings.HasSuffix(lines.Text(), "read "+path) {
			break
		}
	}
	return said.String()
}

// Whatever ports ask for, dnsmasq understands what it is told: a line that it does
// not take is an option that no guest gets, and nobody hears of it.
func TestDnsmasqTakesEveryLineOfOptions(t *testing.T) {
	var lines []string
	var options []model.DHCPOption
	rapid.Check(t, func(t *rapid.T) {
		for range 40 {
			o := oddOption(t)
			enc, err := answers.Encode(o)
			// Of these dnsmasq takes no single byte that is no character.
			if err != nil || o.IPVersion == 4 && (enc.Code == 43 || enc.Code == 56) && len(enc.Data) == 1 {
				continue
			}
			line := optionLine("port-"+portA, enc, o.IPVersion == 6)
			if strings.Count(line, "\n") != 1 || len(line) > 1024 {
				t.Fatalf("%+v is written as %q", o, line)
			}
			lines, options = append(lines, line), append(options, o)
		}
	})
	dir := t.TempDir()
	path := filepath.Join(dir, "opts")
	if _, err := writeFile(path, strings.Join(lines, "")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--user=root",
		"--log-facility=-", "--port=0", "--dhcp-optsfile="+path, "--pid-file="+filepath.Join(dir, "pid"), "--dhcp-leasefile="+filepath.Join(dir, "leases"),
		"--dhcp-range=10.30.0.0,static,255.255.255.0")
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := netns.Do(linuxtest.Namespace(t), cmd.Start); err != nil {
		t.Fatal(err)
	}
	said := untilRead(out, path)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if !strings.HasSuffix(said, "read "+path+"\n") {
		t.Fatalf("dnsmasq: %s", said)
	}
	for line := range strings.Lines(said) {
		if _, where, bad := strings.Cut(line, " at line "); bad {
			n := 0
			_, _ = fmt.Sscan(where, &n)
			t.Errorf("%+v, written as %q: %s", options[n-1], lines[n-1], line)
		}
	}
	t.Logf("%d lines", len(lines))
}
