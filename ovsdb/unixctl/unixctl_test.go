package unixctl_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/ovsdb/unixctl"
	"github.com/lepton-sdn/lepton/test/ovstest"
)

func TestARealDaemonAnswersAndRefuses(t *testing.T) {
	s := ovstest.Start(t)
	s.AddBridge("br0")
	socket, err := unixctl.Socket(s.Dir, "ovs-vswitchd")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := unixctl.Call(t.Context(), socket, "dpctl/dump-dps"); err != nil || strings.TrimSpace(got) != "netdev@ovs-netdev" {
		t.Errorf("the datapaths are %q, %v", got, err)
	}
	_, err = unixctl.Call(t.Context(), socket, "ofproto/trace", "br7", "in_port=1")
	if err == nil || !strings.Contains(err.Error(), "ofproto/trace") || !strings.Contains(err.Error(), "br7") {
		t.Errorf("the error about a bridge that is not there: %v", err)
	}
}

func TestTheSocketIsThatOfTheRunningProcess(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := func(name string) {
		t.Helper()
		if got, err := unixctl.Socket(dir, "ovs-vswitchd"); err != nil || got != filepath.Join(dir, name) {
			t.Errorf("the socket is %q, %v; want %s", got, err, name)
		}
	}
	if _, err := unixctl.Socket(dir, "ovs-vswitchd"); err == nil {
		t.Error("there is a socket in an empty directory")
	}
	write("ovs-vswitchd.17.ctl", "")
	write("ovs-vswitchd.ctl", "")
	write("ovs-vswitchd.18.ctl", "")
	want("ovs-vswitchd.ctl")
	write("ovs-vswitchd.pid", "18\n")
	want("ovs-vswitchd.18.ctl")
}

// TestWhatIsNoAnswerIsAnError: a daemon that says nothing, or something else.
func TestWhatIsNoAnswerIsAnError(t *testing.T) {
	for name, text := range map[string]string{
		"silence": "", "no JSON": "hello", "nothing in it": `{"id":0}`, "an error": `{"id":0,"result":null,"error":"no\n"}`, "another type": `{"result":5}`,
	} {
		path := filepath.Join(t.TempDir(), "s")
		ln, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer ln.Close()
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			defer nc.Close()
			_, _ = bufio.NewReader(nc).ReadString('\n')
			fmt.Fprint(nc, text)
			if text == "" {
				_, _ = io.Copy(io.Discard, nc)
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if got, err := unixctl.Call(ctx, path, "list-commands"); err == nil || !strings.Contains(err.Error(), "list-commands") {
			t.Errorf("%s: the answer is %q, %v", name, got, err)
		}
		cancel()
	}
}
