// Package trace tells a collector how long the steps of a host took, in OpenTelemetry's protocol: OTLP over
// HTTP, as JSON.
//
// It promises that nobody waits for the collector: spans are kept in a bounded queue, sent several at once,
// and dropped when the queue is full or the collector does not answer. A caller's trace (W3C traceparent) is
// gone on with. What a span says is for its caller, who must not say who asked.
//
// The command line makes a tracer; the host and its parts begin spans with it.
package trace

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"larder/asset"
)

// Kinds of spans, as the protocol numbers them.
const (
	Internal = 1
	Server   = 2
)

// Tracer sends spans. A nil one sends none.
type Tracer struct {
	url    string
	client *http.Client
	log    *slog.Logger
	queue  chan span
}

const (
	maxQueue = 2048 // spans; more in five seconds are no help to anybody
	maxBatch = 512
	pause    = 5 * time.Second
)

// New makes a tracer for a collector's endpoint, to which it adds /v1/traces.
func New(endpoint string, log *slog.Logger) (*Tracer, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, &asset.Error{Code: asset.CodeConfiguration, Op: "trace", Subject: fmt.Sprintf("%.80q", endpoint), Message: "this is not the URL of a collector", Help: "for example http://127.0.0.1:4318"}
	}
	return &Tracer{url: strings.TrimSuffix(u.String(), "/") + "/v1/traces", client: &http.Client{Timeout: 10 * time.Second}, log: log, queue: make(chan span, maxQueue)}, nil
}

// attribute is one fact about a span, in the form of the protocol.
type attribute struct {
	Key   string `json:"key"`
	Value struct {
		String string `json:"stringValue"`
	} `json:"value"`
}

func attributes(pairs []string) (list []attribute) {
	for i := 0; i+1 < len(pairs); i += 2 {
		a := attribute{Key: pairs[i]}
		a.Value.String = pairs[i+1]
		list = append(list, a)
	}
	return list
}

type span struct {
	Trace      string         `json:"traceId"`
	ID         string         `json:"spanId"`
	Parent     string         `json:"parentSpanId,omitempty"`
	Name       string         `json:"name"`
	Kind       int            `json:"kind"`
	Start      string         `json:"startTimeUnixNano"`
	End        string         `json:"endTimeUnixNano"`
	Attributes []attribute    `json:"attributes,omitempty"`
	Status     map[string]int `json:"status"`
}

// Begin begins a span, below the one that a traceparent names, if it names one. End ends it, with names and values
// of attributes in turn.
func (t *Tracer) Begin(name string, kind int, traceparent string) (end func(failed bool, pairs ...string)) {
	if t == nil {
		return func(bool, ...string) {}
	}
	s := span{Name: name, Kind: kind, ID: random(8), Start: nano(time.Now())}
	if s.Trace, s.Parent = parent(traceparent); s.Trace == "" {
		s.Trace = random(16)
	}
	return func(failed bool, pairs ...string) {
		s.End, s.Attributes, s.Status = nano(time.Now()), attributes(pairs), map[string]int{}
		if failed {
			s.Status["code"] = 2
		}
		select {
		case t.queue <- s:
		default: // the collector is slow: it has the spans before
		}
	}
}

func nano(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

func random(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

// parent reads a traceparent (W3C Trace Context): both are empty unless it is one that is sampled.
func parent(s string) (trace, id string) {
	part := strings.Split(s, "-")
	if len(part) < 4 || len(part[0]) != 2 || part[0] == "ff" || part[0] == "00" && len(part) != 4 || len(part[1]) != 32 || len(part[2]) != 16 || len(part[3]) != 2 ||
		strings.Trim(strings.Join(part[:4], ""), "0123456789abcdef") != "" || strings.Trim(part[1], "0") == "" || strings.Trim(part[2], "0") == "" {
		return "", ""
	}
	if flags, err := strconv.ParseUint(part[3], 16, 8); err != nil || flags&1 == 0 {
		return "", ""
	}
	return part[1], part[2]
}

// Run sends what is queued until ctx ends, and then the rest.
func (t *Tracer) Run(ctx context.Context) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for last := false; !last; {
		select {
		case <-ctx.Done():
			last = true
		case <-tick.C:
		}
		for batch := t.take(); len(batch) > 0; batch = t.take() {
			if err := t.send(context.WithoutCancel(ctx), batch); err != nil {
				t.log.Warn("spans were not taken by the collector", "spans", len(batch), "error", err)
				break
			}
		}
	}
}

func (t *Tracer) take() (batch []span) {
	for len(batch) < maxBatch {
		select {
		case s := <-t.queue:
			batch = append(batch, s)
		default:
			return batch
		}
	}
	return batch
}

func (t *Tracer) send(ctx context.Context, batch []span) error {
	type object = map[string]any
	text, err := json.Marshal(object{"resourceSpans": []any{object{
		"resource":   object{"attributes": attributes([]string{"service.name", "larder-host"})},
		"scopeSpans": []any{object{"scope": object{"name": "larder"}, "spans": batch}},
	}}})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := t.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("it answered %d", resp.StatusCode)
	}
	return nil
}
