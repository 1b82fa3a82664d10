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
	if len(body) >= zipFrom && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body = a.zip.compress(body)
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Vary", "Accept-Encoding")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(res.status)
	_, _ = w.Write(body) // the client may be gone
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
