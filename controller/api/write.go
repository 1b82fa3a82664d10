package api

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// zipFrom is the size in bytes from which compressing an answer pays.
const zipFrom = 4 << 10

// write sends an answer; a client that is gone does not matter.
func (a *API) write(w http.ResponseWriter, r *http.Request, res response) {
	if res.body == nil {
		w.WriteHeader(res.status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	body := res.body
	if len(body) >= zipFrom {
		w.Header().Set("Vary", "Accept-Encoding")
		if takesGzip(r.Header) {
			body = a.zip.compress(body)
			w.Header().Set("Content-Encoding", "gzip")
		}
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(res.status)
	_, _ = w.Write(body) // the client may be gone
	if res.pooled {
		a.bodies.put(res.body)
	}
}

// bodyPool keeps the memory of answers that lists are written into: they are
// large, and garbage that large makes the collector look through all records
// again and again.
type bodyPool struct{ pool sync.Pool }

// maxKept is the largest body whose memory is kept.
const maxKept = 4 << 20

func (p *bodyPool) get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return nil
}

func (p *bodyPool) put(b []byte) {
	if cap(b) <= maxKept {
		p.pool.Put(&b)
	}
}

// takesJSON reads Accept (RFC 9110, section 12.5.1) as far as Neutron does: weights
// do not matter, and one that names no media type at all takes everything.
func takesJSON(h http.Header) bool {
	named := false
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept"), ","), ",") {
		media, _, _ := strings.Cut(part, ";")
		switch media = strings.ToLower(strings.TrimSpace(media)); {
		case media == "application/json", media == "application/*", media == "*/*":
			return true
		case strings.Contains(media, "/"):
			named = true
		}
	}
	return !named
}

// takesGzip reads Accept-Encoding (RFC 9110, section 12.5.3): a coding of
// weight 0 is one that is not wanted.
func takesGzip(h http.Header) bool {
	all := false
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		coding, parameters, _ := strings.Cut(part, ";")
		weight := strings.ReplaceAll(strings.ToLower(parameters), " ", "")
		wanted := !strings.HasPrefix(weight, "q=0") || strings.ContainsAny(weight[3:], "123456789")
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			return wanted
		case "*":
			all = wanted
		}
	}
	return all
}

// compressor reuses gzip writers, which are large.
type compressor struct{ pool sync.Pool }

func (c *compressor) compress(b []byte) []byte {
	z, ok := c.pool.Get().(*gzip.Writer)
	if !ok {
		z, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	}
	defer c.pool.Put(z)
	var out bytes.Buffer
	z.Reset(&out)
	_, _ = z.Write(b) // a buffer takes everything
	_ = z.Close()
	return out.Bytes()
}
