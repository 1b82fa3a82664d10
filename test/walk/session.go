package walk

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"strings"
	"time"
)

// Client is the distribution's client, whatever else is on the PATH.
const Client = "/usr/bin/openstack"

// Environment is what a session needs besides what tells the client where the
// cloud is: no warnings of Python's among the complaints, wide tables, answers
// as soon as they are there.
var Environment = []string{"PYTHONWARNINGS=ignore", "COLUMNS=500", "PYTHONUNBUFFERED=1"}

// patience is how long one command may take.
const patience = 30 * time.Second

// Session is a running client in which commands are typed: it takes a second to
// start. It is for one goroutine.
type Session struct {
	cmd       *exec.Cmd
	in        io.WriteCloser
	documents <-chan any    // what the client shows; closed at its end
	lines     <-chan string // what it complains of
	closed    chan struct{}
	names     map[string]string
	typed     int
}

// answer is what the client said to one command.
type answer struct {
	shown any
	said  string
}

// Open starts a session. The command runs the client without arguments, which
// it would take for commands; start is the command's Start, or what runs it in
// another place. The names are for $name in steps.
func Open(cmd *exec.Cmd, start func() error, names map[string]string) (*Session, error) {
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	complaints, err3 := cmd.StderrPipe()
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	if err := start(); err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	s := &Session{cmd: cmd, in: in, closed: make(chan struct{}), names: map[string]string{}}
	maps.Copy(s.names, names)
	shown, said := bufio.NewReader(out), bufio.NewReader(complaints)
	s.documents = follow(s.closed, out, func() (any, error) { return document(shown) })
	s.lines = follow(s.closed, complaints, func() (string, error) { return said.ReadString('\n') })
	return s, nil
}

// document reads the next JSON document, as the client writes them: its first
// and its last line are not indented. Other lines are of commands that answer
// in their own words.
func document(r *bufio.Reader) (v any, err error) {
	var text strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if text.Len() == 0 && !strings.HasPrefix(line, "{") && !strings.HasPrefix(line, "[") {
			continue
		}
		text.WriteString(line)
		if last := strings.TrimRight(line, "\r\n"); strings.HasPrefix(last, " ") || !strings.HasSuffix(last, "}") && !strings.HasSuffix(last, "]") {
			continue
		}
		if err := json.Unmarshal([]byte(text.String()), &v); err == nil {
			return v, nil
		}
		text.Reset() // it was none
	}
}

// follow hands on what next reads, until it fails or the session is closed.
func follow[T any](closed <-chan struct{}, r io.Reader, next func() (T, error)) <-chan T {
	c := make(chan T)
	go func() {
		defer close(c)
		for {
			v, err := next()
			if err != nil {
				// Not to block a client that writes what cannot be read.
				_, _ = io.Copy(io.Discard, r)
				return
			}
			select {
			case c <- v:
			case <-closed:
				return
			}
		}
	}()
	return c
}

// Close ends the client.
func (s *Session) Close() {
	close(s.closed)
	_ = s.in.Close()
	_ = s.cmd.Wait() // fails when the last command did
}

// Walk types the steps and gives what is wrong with the answers. The error is
// of a client that does not answer.
func (s *Session) Walk(steps []Step) (wrong []string, err error) {
	for _, step := range steps {
		step, err := step.filled(s.names)
		if err != nil {
			// A step before was wrong already.
			wrong = append(wrong, err.Error())
			continue
		}
		a, err := s.ask(step)
		if err != nil {
			return wrong, fmt.Errorf("%s: %w", step.Command, err)
		}
		if w := step.check(a); w != "" {
			wrong = append(wrong, w)
			continue
		}
		if step.Saves != "" {
			id, err := step.id(a)
			if err != nil {
				wrong = append(wrong, err.Error())
				continue
			}
			s.names[step.Saves] = id
		}
	}
	return wrong, nil
}

// ask types a command and reads the answer.
func (s *Session) ask(step Step) (a answer, err error) {
	s.typed++
	// The client does not say where its complaints end. A network that is not
	// there is a mark among them.
	mark := fmt.Sprintf("No Network found for end-of-%d\n", s.typed)
	if _, err := fmt.Fprintf(s.in, "%s\nnetwork show end-of-%d\n", step.Command, s.typed); err != nil {
		return a, fmt.Errorf("type command: %w", err)
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	var said strings.Builder
	for documents := s.documents; ; {
		select {
		case v, ok := <-documents:
			if a.shown = v; !ok {
				documents = nil // its complaints may say why
			}
		case line, ok := <-s.lines:
			said.WriteString(line)
			if !ok {
				return a, fmt.Errorf("the client has ended and says %q", said.String())
			}
			before, found := strings.CutSuffix(said.String(), mark)
			if !found {
				continue
			}
			// The mark's own line may begin with words of the client.
			a.said = strings.TrimSpace(strings.TrimSuffix(before, "Error while executing command: "))
			return s.shown(step, a, limit.C)
		case <-limit.C:
			return a, fmt.Errorf("no answer after %s, but %q", patience, said.String())
		}
	}
}

// shown waits for the document that an answer must still have: what is written
// first is not always read first.
func (s *Session) shown(step Step, a answer, limit <-chan time.Time) (answer, error) {
	if a.shown != nil || a.said != "" || !step.answers() {
		return a, nil
	}
	select {
	case v, ok := <-s.documents:
		if a.shown = v; ok {
			return a, nil
		}
		return a, errors.New("the client shows what is no JSON")
	case <-limit:
		return a, fmt.Errorf("the client shows nothing after %s", patience)
	}
}
