package identity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/config"
)

// Bounds of a file of tokens.
const (
	maxTokenFile = 1 << 20 // bytes
	maxTokens    = 1000
	// maxToken is the longest token in bytes: more than any of Keystone's.
	maxToken = 8192
)

// tokenPoll is how often a file of tokens is read again.
const tokenPoll = time.Second

// digest is the SHA-256 of a token; tokens themselves are not kept.
type digest [sha256.Size]byte

func digestOf(token string) digest { return sha256.Sum256([]byte(token)) }

// holder is one line of a file of tokens.
type holder struct {
	digest digest
	who    Identity
}

// Tokens is the authenticator of auth.mode token: a file says which tokens
// there are and who holds them. It is safe for concurrent use.
type Tokens struct {
	path string
	log  *zap.Logger
	poll time.Duration
	// Counted, if set before Run, is told of every look at the file.
	Counted func(began time.Time, err error)
	holders atomic.Pointer[[]holder]
	// Only Run and OpenTokens use these: what was read last, and what was
	// last found wrong.
	content digest
	failure string
}

// OpenTokens reads a file of tokens. Errors name the file, and the line or the
// entry; never a token. Run keeps up with changes of the file.
func OpenTokens(path string, log *zap.Logger) (*Tokens, error) {
	t := &Tokens{path: path, log: log, poll: tokenPoll}
	if _, err := t.load(); err != nil {
		return nil, err
	}
	return t, nil
}

// Run reads the file again when it changes, until ctx ends. A file that cannot
// be used leaves the tokens as they are; this is logged once for each state of
// the file.
func (t *Tokens) Run(ctx context.Context) error {
	tick := time.NewTicker(t.poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			t.reload()
		}
	}
}

func (t *Tokens) reload() {
	began := time.Now()
	changed, err := t.load()
	if t.Counted != nil {
		t.Counted(began, err)
	}
	switch {
	case err != nil && err.Error() != t.failure:
		t.failure = err.Error()
		t.log.Error("file of tokens cannot be used, the tokens read before stay valid", zap.Error(err))
	case err == nil && (changed || t.failure != ""):
		t.failure = ""
		t.log.Info("file of tokens read", zap.String("file", t.path), zap.Int("tokens", len(*t.holders.Load())))
	}
}

// load reads the file and reports whether it is another than before.
func (t *Tokens) load() (changed bool, err error) {
	text, mode, err := readTokens(t.path)
	if err != nil {
		return false, err
	}
	sum := digest(sha256.Sum256(text))
	if sum == t.content && t.holders.Load() != nil {
		return false, nil
	}
	holders, err := parseTokens(t.path, text)
	if err != nil {
		return false, err
	}
	if mode.Perm()&0o077 != 0 {
		t.log.Warn("file of tokens is open to other users of this machine",
			zap.String("file", t.path), zap.String("mode", mode.Perm().String()))
	}
	t.content = sum
	t.holders.Store(&holders)
	return true, nil
}

// CheckTokens says what is wrong with a file of tokens.
func CheckTokens(path string) error {
	text, _, err := readTokens(path)
	if err != nil {
		return err
	}
	_, err = parseTokens(path, text)
	return err
}

func readTokens(path string) (text []byte, mode os.FileMode, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("read file of tokens: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("read file of tokens: %w", err)
	}
	text, err = io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err != nil {
		return nil, 0, fmt.Errorf("read file of tokens %s: %w", path, err)
	}
	if len(text) > maxTokenFile {
		return nil, 0, fmt.Errorf("read file of tokens %s: larger than %d bytes", path, maxTokenFile)
	}
	return text, info.Mode(), nil
}

// Authenticate gives the holder of the token in X-Auth-Token.
func (t *Tokens) Authenticate(r *http.Request) (Identity, error) {
	token, err := tokenOf(r, "X-Auth-Token")
	if err != nil {
		return Identity{}, err
	}
	who, ok := t.holder(token)
	if !ok {
		return Identity{}, fmt.Errorf("unknown token: %w", ErrUnauthorized)
	}
	return who, nil
}

// Recognize gives the holder of the token in X-Auth-Token.
func (t *Tokens) Recognize(r *http.Request) (Identity, bool) {
	token, err := tokenOf(r, "X-Auth-Token")
	if err != nil {
		return Identity{}, false
	}
	return t.holder(token)
}

func (t *Tokens) holder(token string) (who Identity, found bool) {
	sent := digestOf(token)
	// All are compared, so that the time says nothing of which one it was.
	for _, h := range *t.holders.Load() {
		if subtle.ConstantTimeCompare(h.digest[:], sent[:]) == 1 {
			found, who = true, h.who
		}
	}
	return who, found
}

// Challenge names the header that requests need.
func (*Tokens) Challenge() string { return `X-Auth-Token realm="lepton"` }

// tokenOf gives the token in a header.
func tokenOf(r *http.Request, header string) (string, error) {
	token := strings.TrimSpace(r.Header.Get(header))
	if token == "" {
		return "", fmt.Errorf("no header %s: %w", header, ErrUnauthorized)
	}
	if !validToken(token) {
		return "", fmt.Errorf("no token in header %s: %w", header, ErrUnauthorized)
	}
	return token, nil
}

// validToken reports whether the text can be a token: printable ASCII without
// blanks (RFC 9110, section 5.5, and what Keystone makes).
func validToken(s string) bool {
	if s == "" || len(s) > maxToken {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// tokenFile is the content of a file of tokens, in YAML or JSON.
type tokenFile struct {
	Tokens []tokenEntry `yaml:"tokens"`
}

// tokenEntry is one token, given as it is or as the SHA-256 of it in hex, and
// who holds it.
type tokenEntry struct {
	Token   string   `yaml:"token"`
	SHA256  string   `yaml:"sha256"`
	User    string   `yaml:"user"`
	Project string   `yaml:"project"`
	Roles   []string `yaml:"roles"`
}

// parseTokens reads a file of tokens. What is wrong is told without the values,
// which may be secrets.
func parseTokens(name string, text []byte) ([]holder, error) {
	var f tokenFile
	if err := config.Parse(name, text, &f); err != nil {
		return nil, errors.New(quoted.ReplaceAllString(err.Error(), "…"))
	}
	if len(f.Tokens) == 0 && len(bytes.TrimSpace(text)) == 0 {
		return nil, fmt.Errorf("%s: empty", name)
	}
	if len(f.Tokens) > maxTokens {
		return nil, fmt.Errorf("%s: %d tokens, more than %d", name, len(f.Tokens), maxTokens)
	}
	holders := make([]holder, 0, len(f.Tokens))
	seen := map[digest]int{}
	for i, e := range f.Tokens {
		h, err := e.holder()
		if err != nil {
			return nil, fmt.Errorf("%s: tokens[%d]: %w", name, i, err)
		}
		if first, ok := seen[h.digest]; ok {
			return nil, fmt.Errorf("%s: tokens[%d]: the same token as tokens[%d]", name, i, first)
		}
		seen[h.digest] = i
		holders = append(holders, h)
	}
	return holders, nil
}

// quoted is what the decoder's errors repeat of the file: keys, and the
// beginnings of values.
var quoted = regexp.MustCompile("`[^`]*`|\"[^\"]*\"")

func (e tokenEntry) holder() (holder, error) {
	h := holder{who: WithRoles(e.User, e.Project, e.Roles)}
	switch {
	case (e.Token == "") == (e.SHA256 == ""):
		return h, errors.New("one of token and sha256 is needed")
	case e.Token != "" && !validToken(e.Token):
		return h, fmt.Errorf("token is not 1 to %d printable ASCII characters without blanks", maxToken)
	case e.User == "":
		return h, errors.New("user is missing")
	case len(e.Roles) == 0:
		return h, errors.New("roles are missing")
	case e.Project == "" && !h.who.Admin:
		return h, errors.New("project is missing")
	case len(e.Project) > maxProjectID || len(e.User) > maxProjectID:
		return h, fmt.Errorf("project or user is longer than %d bytes", maxProjectID)
	}
	if e.Token != "" {
		h.digest = digestOf(e.Token)
		return h, nil
	}
	sum, err := hex.DecodeString(e.SHA256)
	if err != nil || len(sum) != sha256.Size {
		return h, fmt.Errorf("sha256 is not %d hex digits", 2*sha256.Size)
	}
	copy(h.digest[:], sum)
	return h, nil
}
