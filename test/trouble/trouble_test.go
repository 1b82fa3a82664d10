package trouble

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	Main()
	if len(os.Args) == 3 && os.Args[1] == "tell" {
		tell(os.Args[2])
		return
	}
	os.Exit(m.Run())
}

// tell answers each line on its input with the time of day, the time that passed
// since the line before by the monotonic clock, and how long a file took to be
// written.
func tell(file string) {
	f, err := os.Create(file)
	if err != nil {
		panic(err)
	}
	last := time.Now()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		now := time.Now()
		passed := now.Sub(last)
		last = now
		if err := f.Sync(); err != nil {
			panic(err)
		}
		fmt.Println(now.UnixNano(), int64(passed), int64(time.Since(now)))
	}
}

// teller runs tell on a machine.
type teller struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Scanner
}

func startTeller(t *testing.T, m *Machine) *teller {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	argv := m.Wrap([]string{self, "tell", filepath.Join(t.TempDir(), "file")})
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return &teller{t, in, bufio.NewScanner(out)}
}

func (p *teller) asks() (now time.Time, passed, sync time.Duration) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, "\n"); err != nil {
		p.t.Fatal(err)
	}
	var unix, a, b int64
	if !p.out.Scan() {
		p.t.Fatalf("the program ended: %v", p.out.Err())
	}
	if _, err := fmt.Sscan(p.out.Text(), &unix, &a, &b); err != nil {
		p.t.Fatal(err)
	}
	return time.Unix(0, unix), time.Duration(a), time.Duration(b)
}

func near(a, b, by time.Duration) bool { return (a - b).Abs() <= by }

func TestAProgramSeesItsMachinesClockAndDisk(t *testing.T) {
	t.Parallel()
	m := NewMachine(t)
	p := startTeller(t, m)
	p.asks()
	for _, ahead := range []time.Duration{0, time.Hour, -2 * time.Hour, 0} {
		m.SetClock(ahead)
		now, passed, _ := p.asks()
		if off := time.Until(now); !near(off, ahead, 5*time.Second) {
			t.Errorf("the clock is off by %s, is to be by %s", off, ahead)
		}
		if passed < 0 || passed > 5*time.Second {
			t.Errorf("%s passed between two questions", passed)
		}
	}
	for _, slow := range []time.Duration{0, 300 * time.Millisecond, 0} {
		m.SlowDisk(slow)
		if _, _, sync := p.asks(); sync < slow || sync > slow+5*time.Second {
			t.Errorf("an fsync took %s, is to take %s longer than ever", sync, slow)
		}
	}
}

func TestAMachinesClockIsSetWhenAProgramBegins(t *testing.T) {
	t.Parallel()
	m := NewMachine(t)
	m.SetClock(-72 * time.Hour)
	now, _, _ := startTeller(t, m).asks()
	if off := now.Sub(m.Now()); !near(off, 0, 5*time.Second) {
		t.Errorf("the program's clock is %s from its machine's", off)
	}
}

func TestADiskIsFullAndHasRoomAgain(t *testing.T) {
	t.Parallel()
	d := NewDisk(t, 8<<20)
	file := filepath.Join(d.Path, "mine")
	d.Fill(0)
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("a full disk says %v", err)
	}
	d.MakeRoom()
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o600); err != nil {
		t.Error(err)
	}
	// Other programs see the same.
	if out, err := exec.Command("stat", "-c", "%s", file).Output(); err != nil || strings.TrimSpace(string(out)) != fmt.Sprint(1<<20) {
		t.Errorf("another program sees %s, %v", out, err)
	}
	d.Fill(2 << 20)
	if free := d.Free(); free > 2<<20 || free < 1<<20 {
		t.Errorf("%d bytes are free", free)
	}
}
