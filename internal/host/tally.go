package host

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"larder/asset"
	"larder/internal/host/catalog"
	"larder/internal/site"
)

// tally counts what devices fetch until it is written to the catalog, once a minute: delivery
// asks no database. A host that is killed forgets the last minute. There is a row for each blob and context that
// the site has and somebody asked for, so there are no more than that.
type tally struct {
	mu   sync.Mutex
	rows map[string]amount // by path below the site's prefix
}

type amount struct{ requests, bytes int64 }

// answered counts what devices were answered. What there was not is not counted.
func (t *tally) answered(r *http.Request, status int, sent int64) {
	path := strings.TrimPrefix(r.URL.Path, site.Prefix)
	if (status/100 == 2 || status == http.StatusNotModified) && (strings.HasPrefix(path, "blobs/") || isCheck(path)) {
		t.add(path, amount{1, sent})
	}
}

// isCheck reports whether a device asks by this path what there is: the manifest, or the time under which
// it is signed.
func isCheck(path string) bool {
	return strings.HasPrefix(path, "apps/") && (strings.HasSuffix(path, "/manifest.json") || strings.HasSuffix(path, "/trust/timestamp.json"))
}

func (t *tally) add(path string, a amount) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows == nil {
		t.rows = map[string]amount{}
	}
	was := t.rows[path]
	t.rows[path] = amount{was.requests + a.requests, was.bytes + a.bytes}
}

// take empties it.
func (t *tally) take() map[string]amount {
	t.mu.Lock()
	defer t.mu.Unlock()
	rows := t.rows
	t.rows = nil
	return rows
}

// note writes what was counted to the catalog. What cannot be written is counted on.
func (h *Host) note(ctx context.Context) error {
	rows := h.tally.take()
	if len(rows) == 0 {
		return nil
	}
	err := h.catalog.Write(ctx, func(tx catalog.Tx) error {
		for path, a := range rows {
			if err := noteOne(tx, path, a); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for path, a := range rows {
			h.tally.add(path, a)
		}
	}
	return err
}

func noteOne(tx catalog.Tx, path string, a amount) error {
	part := strings.Split(path, "/")
	if part[0] == "blobs" {
		return tx.AddFetches(part[len(part)-1], a.requests, a.bytes)
	}
	channel := part[2]
	if channel == "trust" {
		channel = "" // it is one for all contexts
	}
	return tx.AddCheck(asset.AppID(part[1]), channel, a.requests, a.bytes)
}

// noting writes the counts every minute until ctx ends.
func (h *Host) noting(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := h.note(ctx); err != nil && ctx.Err() == nil {
				h.Log.Error("what devices fetched cannot be noted; it is tried again", "error", err)
			}
		}
	}
}
