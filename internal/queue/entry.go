// Package queue is the durable download queue: which downloads there are, in
// which order they run, when each is tried next, and which results are still to
// be delivered. Every change is one call inside the caller's transaction; the
// state changes through one door (move). It fetches nothing.
package queue

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"larder/asset"
)

// Kind tells an app's manifest, the files its extension asked for, and its asset
// packs, whose bytes go to the shelf and not to the inbox.
type Kind string

// The kinds of downloads.
const (
	File     Kind = "file"
	Manifest Kind = "manifest"
	Pack     Kind = "pack"
)

// Delivery says whether the result still has to reach the app or its extension.
type Delivery string

// The states of a delivery.
const (
	NotDue    Delivery = ""
	Due       Delivery = "due"
	Delivered Delivery = "done"
	HeldBack  Delivery = "held" // given up on the extension; waits for the app
)

// Entry is one row: what was asked for, and how far it is.
type Entry struct {
	asset.Download // Identifier, UniqueIdentifier, State, URL, …
	Seq            int64
	App            asset.AppID
	Kind           Kind
	Host           string

	Bytes     int64  // synced to disk
	Total     int64  // 0 unknown
	Validator string // strong; "" means the bytes cannot be resumed. Of a finished manifest what names it, of any strength
	Boot      string // fsx.BootID when the bytes were written
	Wire      int64  // received in all, those given up included; counted before the first launch

	Attempts int       // in a row without a byte
	NextTry  time.Time // zero: any time
	Moved    time.Time // when bytes last moved, or it was queued
	Reason   *asset.Reason
	Error    *asset.Error

	Delivery     Delivery
	Deliveries   int
	NextDelivery time.Time
	Path         string // in the inbox, once finished; empty when Unless still holds

	// Unless names the manifest that is held already, so that only another is fetched.
	Unless string
	// MaxBytes bounds a manifest; 0 is the bound for all.
	MaxBytes int64

	// Pack is what is to be installed, of kind Pack. Size is that of its archive, Total what
	// it takes on the wire, once that is known.
	Pack  *asset.Pack
	Ended time.Time
	// Batch names what a pack is updated with, so that apps see all of it at once; empty: alone.
	Batch string
	// Traffic is what a pack has cost so far; nil before anything came.
	Traffic *asset.Traffic
}

// Expected is the number of bytes the download will have, 0 when unknown.
func (e *Entry) Expected() int64 {
	if e.FileSize > 0 && (e.Kind != Pack || e.Total == 0) {
		return e.FileSize
	}
	return e.Total
}

// Status is the entry as the API tells it.
func (e *Entry) Status() asset.DownloadStatus {
	s := asset.DownloadStatus{Identifier: e.Identifier, UniqueIdentifier: e.UniqueIdentifier, Manifest: e.Kind == Manifest, State: e.State, Essential: e.Essential,
		Priority: e.Priority, Bytes: e.Bytes, TotalBytes: e.Expected(), Reason: e.Reason}
	if e.Pack != nil {
		s.AssetPack, s.PackVersion, s.Traffic = e.Pack.ID, e.Pack.Version, e.Traffic
	}
	if e.State == asset.StateFinished {
		s.Reason = nil
		if e.Delivery == Due || e.Delivery == HeldBack {
			s.FilePath = e.Path
		}
	}
	return s
}

// request is what of a Download is stored as one JSON text.
type request struct {
	URL     string            `json:"url"`
	Method  string            `json:"method,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    []byte            `json:"body,omitempty"`
	Unless  string            `json:"unless,omitempty"`
	Max     int64             `json:"max,omitempty"`
	Batch   string            `json:"batch,omitempty"`
	Traffic *asset.Traffic    `json:"traffic,omitempty"`
}

func hostOf(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil || string(b) == "null" {
		return ""
	}
	return string(b)
}

func fromJSON[T any](s string) *T {
	if s == "" {
		return nil
	}
	var v T
	if json.Unmarshal([]byte(s), &v) != nil {
		return nil
	}
	return &v
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}
