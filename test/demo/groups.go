package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// groups shows a security group rule at work: nothing, something, and nothing
// again reaches a guest, and the neighbours notice nothing.
func (t *tour) groups(ctx context.Context) error {
	t.title("A security group rule at work")
	t.say("The guests so far are in the default group, whose members may talk to each other.\nweb1 gets a group of its own, which admits nothing yet.\n")
	if err := t.openstack(ctx,
		"security group create web -f value -c name",
		"port create web1 --network blue --fixed-ip subnet=blue4,ip-address=10.0.0.13 --security-group web -f value -c name",
	); err != nil {
		return err
	}
	if _, err := t.ctl(ctx, fmt.Sprintf("lab plug --name %s hv2 web1", t.name)); err != nil {
		return err
	}
	const ping = "ping -c 3 -i 0.2 -W 0.3 10.0.0.13"
	t.command("blue1# ", ping)
	out, _ := t.on(ctx, "blue1", ping) // exits 1 without answer
	t.output(out)
	t.claim(strings.Contains(out, " 0 received"), "without a rule nothing reaches web1")

	rule := "security group rule create web --protocol icmp -f value -c id"
	began := time.Now()
	id, err := t.on(ctx, "net1", openstackPath+" "+rule)
	session := time.Since(began)
	if err != nil {
		return err
	}
	t.command("net1# openstack ", rule)
	t.output(id)
	id = strings.TrimSpace(id)
	dump := "ovs-ofctl dump-flows --names br-int cookie=0x1e0d" + strings.ReplaceAll(id, "-", "")[:12] + "/-1"
	if err := t.await(ctx, "hv2", dump, "n_packets"); err != nil {
		return err
	}
	out, err = t.exec(ctx, "blue1", ping)
	t.claim(err == nil && strings.Contains(out, " 3 received"), "with the rule pings do")
	t.say("The rule is one flow on web1's host, and counts what it admits. Its cookie ends in\nthe first digits of the rule's id:")
	out, err = t.exec(ctx, "hv2", dump)
	packets := regexp.MustCompile(`n_packets=(\d+)`).FindStringSubmatch(out)
	t.claim(err == nil && packets != nil && packets[1] != "0", "the rule has admitted packets")
	return t.cut(ctx, id, session)
}

// await waits until a command's output has a word.
func (t *tour) await(ctx context.Context, place, line, word string) error {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		out, err := t.on(ctx, place, line)
		switch {
		case err != nil:
			return err
		case strings.Contains(out, word):
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("%s: %s says %q, not %q", place, line, out, word)
		}
	}
}

// cut takes the rule away while two guests are pinged, for longer than the client
// takes for that, which is what a session took before.
func (t *tour) cut(ctx context.Context, rule string, session time.Duration) error {
	t.say("blue1 pings web1 and blue2 while the rule is taken away.\n")
	count := min(max(100, int((2*session+2*time.Second)/(50*time.Millisecond))), 600)
	lines := []string{
		fmt.Sprintf("ping -q -c %d -i 0.05 -W 0.3 10.0.0.13", count),
		fmt.Sprintf("ping -q -c %d -i 0.05 10.0.0.12", count),
	}
	done := make([]chan string, len(lines))
	for i, line := range lines {
		t.command("blue1# ", line+" &")
		done[i] = make(chan string, 1)
		go func() {
			out, _ := t.on(ctx, "blue1", line) // exits 1 when an answer is missing
			done[i] <- out
		}()
	}
	time.Sleep(500 * time.Millisecond)
	if err := t.openstack(ctx, "security group rule delete "+rule); err != nil {
		return err
	}
	var got []int
	for _, d := range done {
		out := <-d
		t.output(out)
		n := regexp.MustCompile(`(\d+) received`).FindStringSubmatch(out)
		if n == nil {
			return fmt.Errorf("ping said %q", out)
		}
		count, _ := strconv.Atoi(n[1])
		got = append(got, count)
	}
	t.claim(got[0] > 0 && got[0] < count, "the answers of web1 ended: %d of %d", got[0], count)
	t.claim(got[1] == count, "blue2 has answered everything")
	return nil
}
