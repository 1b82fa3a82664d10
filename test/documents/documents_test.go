package documents

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// command is how text in backticks, or a line of a block, begins that can be
// typed: alone it would be the name of a program.
var command = regexp.MustCompile(`^(…|sudo|[A-Z_]+=\S+ make|make|go (run|test)|(sudo )?(bin/)?lepton\S*|lab|openstack|ovs-\w+|ip6?|ip6?tables\S*|conntrackd?|tcpdump|curl|etcdctl|journalctl|systemctl|apt-get|vagrant|ethtool|ps|tc|dnsmasq|ping|ss|cat|grep|GET) \S`)

// typing is what the test of all documents knows.
type typing struct {
	*world
	names  []name
	used   map[string]bool // of notTyped
	kept   map[int]bool    // promises that were kept
	typed  int
	last   time.Time
	byHand []string // commands of the openstack client for one session
}

// name is what a document writes for something that the test has made.
type name struct {
	written *regexp.Regexp
	is      string
}

func TestEveryCommandOfTheDocumentsIsTyped(t *testing.T) {
	ty := &typing{world: newWorld(t), used: map[string]bool{}, kept: map[int]bool{}, last: time.Now()}
	all := pages(t, ty.top)
	began := time.Now()
	for _, p := range all {
		for _, b := range p.Blocks {
			if b.Kind == "sh" && slices.Contains(b.Places, "desk") {
				ty.atDesk(p, b)
			}
		}
	}
	t.Logf("the blocks of the desk: %v", time.Since(began).Round(time.Millisecond))
	ty.furnish()
	for _, p := range all {
		for _, b := range p.Blocks {
			ty.block(p, b)
		}
		for _, s := range p.Spans {
			ty.span(p, s)
		}
	}
	ty.client()
	t.Logf("%d commands in %v", ty.typed, time.Since(began).Round(time.Millisecond))
	for text, reason := range notTyped {
		if !ty.used[text] {
			t.Errorf("no document has %q, which is not typed: %s", text, reason)
		}
	}
	for i, s := range seen {
		if !ty.kept[i] {
			t.Errorf("%s: nothing was seen of %q", s.page, s.promise)
		}
	}
}

// pages reads the documents, those with a lab first, and in the end the one with
// the lab that stays.
func pages(t *testing.T, top string) []Page {
	t.Helper()
	names := []string{"README.md", "vagrant/README.md", "docs/lab.md"}
	docs, err := filepath.Glob(filepath.Join(top, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range docs {
		if d, _ := filepath.Rel(top, d); !slices.Contains(names, d) {
			names = append(names, d)
		}
	}
	var all []Page
	for _, n := range names {
		p, err := Read(top, n)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := elsewhere[n]; ok {
			if _, err := os.Stat(filepath.Join(top, other)); err != nil {
				t.Errorf("%s: %v", n, err)
			}
			continue
		}
		all = append(all, p)
	}
	return all
}

// fill puts what there is in the place of what the document writes.
func (ty *typing) fill(text string) string {
	for _, n := range ty.names {
		text = n.written.ReplaceAllString(text, strings.ReplaceAll(n.is, "$", "$$"))
	}
	return text
}

func (ty *typing) call(written string, is string) {
	ty.names = append(ty.names, name{regexp.MustCompile(written), is})
}

// judge says what is wrong with an answer.
func (ty *typing) judge(p Page, line int, text, out string, err error) {
	ty.Helper()
	ty.typed++
	ty.Logf("%4d ms: %s:%d: %s", time.Since(ty.last).Milliseconds(), p.Name, line, text)
	ty.last = time.Now()
	if err != nil {
		ty.Errorf("%s:%d: %s: %v\n%s", p.Name, line, text, err, out)
		return
	}
	for i, s := range seen {
		if s.page != p.Name || !strings.Contains(text, s.command) {
			continue
		}
		if ty.kept[i] = true; !strings.Contains(p.Text, s.promise) {
			ty.Errorf("%s does not say %q any more", p.Name, s.promise)
		}
		if !s.answer.MatchString(out) {
			ty.Errorf("%s:%d: %s shows nothing like %s:\n%s", p.Name, line, text, s.answer, out)
		}
	}
}

// bare is a line without its comment.
func bare(line string) string {
	return strings.TrimSpace(regexp.MustCompile(`\s+# .*$`).ReplaceAllString(line, ""))
}

// skipped reports whether a command is in the list of those that are not typed,
// or one that is looked at only: of make and of go.
func (ty *typing) skipped(p Page, line int, text string) bool {
	ty.Helper()
	if _, ok := notTyped[text]; ok {
		ty.used[text] = true
		return true
	}
	words := strings.Fields(text)
	for len(words) > 0 && strings.Contains(words[0], "=") {
		words = words[1:]
	}
	switch {
	case len(words) < 2:
		return false
	case words[0] == "make":
		out, err := ty.here("make -n " + words[1] + " >/dev/null")
		ty.judge(p, line, text, out, err)
		return true
	case words[0] == "go":
		ty.judge(p, line, text, "", goFlags(ty.top, words[2], words[3:]))
		return true
	}
	return false
}

// goFlags looks whether a package is there and declares the flags.
func goFlags(top, pkg string, args []string) error {
	files, err := filepath.Glob(filepath.Join(top, pkg, "*.go"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("package %s: %d files, %w", pkg, len(files), err)
	}
	var text strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		text.Write(b)
	}
	for _, a := range args {
		if f, ok := strings.CutPrefix(a, "-"); ok && !regexp.MustCompile(`flag\.\w+\((&\w+(\.\w+)*, )?"`+f+`"`).MatchString(text.String()) {
			return fmt.Errorf("package %s has no flag -%s", pkg, f)
		}
	}
	return nil
}

// atDesk types a block line by line where the sources are. Lines behind a
// prompt go into a lab's shell.
func (ty *typing) atDesk(p Page, b Block) {
	ty.Helper()
	prompt := regexp.MustCompile(`^\[(\w+)\] (.*)`)
	lines := strings.Split(strings.TrimSpace(b.Text), "\n")
	for i := 0; i < len(lines); i++ {
		text := bare(lines[i])
		if text == "" || ty.skipped(p, b.Line+i+1, text) || strings.Contains(text, " lab shell ") {
			continue
		}
		if strings.Contains(text, " lab up") {
			ty.must(ty.here("leptonctl lab down"))
		}
		if m := prompt.FindStringSubmatch(text); m != nil {
			script := m[2]
			for ; i+1 < len(lines); i++ {
				next := prompt.FindStringSubmatch(lines[i+1])
				if next == nil || next[1] != m[1] {
					break
				}
				script += "\n" + next[2]
			}
			out, err := ty.shell(m[1], script)
			ty.judge(p, b.Line+i+1, text, out, err)
			continue
		}
		out, err := ty.here(ty.fill(text))
		if m := regexp.MustCompile(`guest b on .* (\S+)/\d+`).FindStringSubmatch(out); m != nil {
			ty.call(`10\.0\.0\.77`, m[1])
		}
		ty.judge(p, b.Line+i+1, text, out, err)
	}
}

// block types a block on the furnished lab, or looks at a configuration.
func (ty *typing) block(p Page, b Block) {
	ty.Helper()
	at := strings.Join(b.Places, " ")
	switch {
	case b.Kind == "":
		for _, line := range strings.Split(b.Text, "\n") {
			if command.MatchString(line) {
				ty.Errorf("%s:%d: a block of commands says nowhere where they are typed (```sh PLACE): %s", p.Name, b.Line, line)
			}
		}
	case b.Kind == "text", at == "desk":
	case at == "":
		ty.Errorf("%s:%d: the block does not say where it is typed", p.Name, b.Line)
	case onMachines[p.Name] && (machines[b.Places[0]] || strings.Contains(at, ":/")):
	case b.Kind == "sh" && at == "etcd":
		other, err := os.ReadFile(filepath.Join(ty.top, "test/clusterfaults/full_test.go"))
		if err != nil || !strings.Contains(string(other), filepath.Base(p.Name)) {
			ty.Errorf("%s:%d: test/clusterfaults does not type it: %v", p.Name, b.Line, err)
		}
	case b.Kind == "sh":
		ty.onHost(p, b, at)
	case b.Kind == "yaml" && at == "topology":
		_, err := lab.ParseTopology(p.Name, []byte(b.Text))
		ty.judge(p, b.Line, at, "", err)
	case b.Kind == "yaml" && (at == "controller" || at == "agent"):
		out, err := ty.here("lepton-" + at + " --check --config /dev/stdin <<'END'\n" + b.Text + "END")
		ty.judge(p, b.Line, at, out, err)
	default:
		ty.Errorf("%s:%d: nothing types a block ```%s %s", p.Name, b.Line, b.Kind, at)
	}
}

// onHost types a block on a host, line by line where each is a command.
func (ty *typing) onHost(p Page, b Block, place string) {
	ty.Helper()
	commands := strings.Split(strings.TrimSpace(b.Text), "\n")
	if slices.ContainsFunc(commands, func(l string) bool { return strings.HasPrefix(l, "  ") }) {
		commands = []string{strings.TrimSpace(b.Text)}
	}
	for i, text := range commands {
		out, err := ty.at(place, bounded(ty.fill(text)))
		ty.judge(p, b.Line+i+1, text, out, err)
	}
}

// endless are commands that somebody ends.
var endless = regexp.MustCompile(`(^|exec \S+ |-- )(tcpdump|ping)\b|--follow`)

// bounded lets a command that would not end do its work for a while.
func bounded(text string) string {
	if strings.HasPrefix(text, "leptonctl explain ") {
		return text + " || [ $? = 8 ]" // what is dropped is explained as well
	}
	if !endless.MatchString(text) || strings.Contains(text, " -c3 ") { // an id may have -c3, too
		return text
	}
	return "c=0; timeout --foreground -s INT 1.2 " + text + " || c=$?; [ $c = 124 ] || exit $c"
}

// span types a command that is written in a sentence or a table.
func (ty *typing) span(p Page, s Span) {
	ty.Helper()
	text := s.Text
	if !command.MatchString(text) || strings.HasPrefix(text, "lab ") && p.Name != "docs/lab.md" {
		return
	}
	if ty.skipped(p, s.Line, text) {
		return
	}
	text = strings.Replace(text, "… ", "ip netns exec qrouter-ROUTER ", 1)
	if strings.HasPrefix(text, "lab ") {
		text = "leptonctl " + text
	}
	if of, ok := strings.CutPrefix(text, "leptonctl --lab NAME "); ok {
		text = "leptonctl --lab lab " + strings.Replace(of, "--host HOST", "--host hv1", 1)
	}
	var out string
	var err error
	switch filled := ty.fill(strings.ReplaceAll(text, "PORT|ADDRESS", "PORT")); {
	case usages.MatchString(text):
		err = ty.usage(text)
	case strings.HasPrefix(text, "GET "):
		out, err = ty.at("net1", "curl -sSfg "+quoted("http://127.0.0.1:9696"+filled[4:]))
	case strings.HasPrefix(text, "openstack ") && !strings.Contains(text, "'"):
		words := strings.TrimPrefix(filled, "openstack ")
		if !strings.ContainsAny(filled, "-<") && filled == text {
			words = "help " + words // it is named, maybe without what it needs
		}
		ty.byHand = append(ty.byHand, words)
		ty.typed++
		return
	default:
		out, err = ty.wherever(filled)
	}
	ty.judge(p, s.Line, s.Text, out, err)
}

// wherever types a command where it belongs.
func (ty *typing) wherever(text string) (string, error) {
	for _, p := range places {
		switch {
		case !p.command.MatchString(text):
		case p.place == "":
			return ty.here(bounded(text))
		default:
			return ty.at(p.place, bounded(text))
		}
	}
	panic("the last place takes everything")
}

// usage looks for the words and the flags of a command in its help.
func (ty *typing) usage(text string) error {
	words := regexp.MustCompile(`^leptonctl((?: [a-z]+)*)`).FindStringSubmatch(text)
	out, err := ty.here("leptonctl" + words[1] + " --help")
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if !strings.Contains(out, "leptonctl"+words[1]+" ") {
		return fmt.Errorf("leptonctl has no%s:\n%s", words[1], out)
	}
	for _, f := range regexp.MustCompile(`[ []-[-a-z]+`).FindAllString(text, -1) {
		if f = f[1:]; f != "--" && !regexp.MustCompile(f+`[, ]`).MatchString(out) {
			return fmt.Errorf("it has no %s:\n%s", f, out)
		}
	}
	return nil
}

// client types the commands of the openstack client in one session: it takes a
// second to start, and complains on standard error.
func (ty *typing) client() {
	ty.Helper()
	out, err := ty.at("net1", "openstack 2>&1 >/dev/null <<'END'\n"+strings.Join(ty.byHand, "\n")+"\nEND\n")
	if err != nil || out != "" {
		ty.Errorf("openstack says of\n%s\n%v\n%s", strings.Join(ty.byHand, "\n"), err, out)
	}
}
