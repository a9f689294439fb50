package publisher

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"larder/asset"
	"larder/internal/host/access"
	"larder/internal/host/jsonapi"
)

const op = "publish to host"

// Host is a host as a publisher reaches it. HTTP may be nil.
type Host struct {
	URL  string
	Key  access.Credential
	HTTP *http.Client
}

// At checks the URL of a host.
func At(raw string, key access.Credential) (*Host, error) {
	u, err := url.Parse(raw)
	if err == nil && u.Host != "" && u.User == nil && u.RawQuery == "" && strings.Trim(u.Path, "/") == "" &&
		(u.Scheme == "https" || u.Scheme == "http" && asset.IsLoopback(u.Hostname())) {
		return &Host{URL: u.Scheme + "://" + u.Host, Key: key}, nil
	}
	return nil, &asset.Error{Code: asset.CodeConfiguration, Op: op, Subject: fmt.Sprintf("%.80q", raw), Message: "this is not the URL of a host", Help: "for example https://packs.example.org; plain http is for this machine alone"}
}

func (h *Host) client() *http.Client {
	if h.HTTP == nil {
		return http.DefaultClient
	}
	return h.HTTP
}

// resource is what is read of a resource.
type resource struct {
	Type       string `json:"type"`
	ID         string `json:"id"`
	Attributes struct {
		State    string `json:"state"`
		Version  string `json:"version"`
		Details  detail `json:"stateDetails"`
		Delivery struct {
			State  string `json:"state"`
			Errors []fact `json:"errors"`
		} `json:"assetDeliveryState"`
		FileName string `json:"fileName"`
		FileSize int64  `json:"fileSize"`
		Sums     struct {
			File struct {
				Hash string `json:"hash"`
			} `json:"file"`
		} `json:"sourceFileChecksums"`
		Operations []operation `json:"uploadOperations"`
	} `json:"attributes"`
}

type detail struct {
	Errors   []fact `json:"errors"`
	Warnings []fact `json:"warnings"`
	Infos    []fact `json:"infos"`
}

type fact struct {
	Code        string `json:"code"`
	Description string `json:"description"`
}

type operation struct {
	Method  string `json:"method"`
	URL     string `json:"url"`
	Length  int64  `json:"length"`
	Offset  int64  `json:"offset"`
	Headers []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"requestHeaders"`
	Part int    `json:"partNumber"`
	Tag  string `json:"entityTag"`
}

// answer is a document.
type answer struct {
	Data     json.RawMessage `json:"data"`
	Included []resource      `json:"included"`
}

func (a answer) one() (r resource, err error) { return r, json.Unmarshal(a.Data, &r) }

func (a answer) many() (list []resource, err error) { return list, json.Unmarshal(a.Data, &list) }

// body is the text of a request that makes or changes a resource.
func body(typ, id string, attributes map[string]any, relations ...jsonapi.Ref) map[string]any {
	data := map[string]any{"type": typ}
	if id != "" {
		data["id"] = id
	}
	if attributes != nil {
		data["attributes"] = attributes
	}
	if len(relations) > 0 {
		rel := map[string]any{}
		for _, r := range relations {
			rel[names[r.Type]] = map[string]any{"data": r}
		}
		data["relationships"] = rel
	}
	return map[string]any{"data": data}
}

// names of relationships, by the type that they lead to.
var names = map[string]string{"apps": "app", "backgroundAssets": "backgroundAsset", "backgroundAssetVersions": "backgroundAssetVersion"}

const (
	maxAnswer = 16 << 20
	tries     = 6
)

// ask asks the host. What may be said twice is said again when no answer came, or one of a host
// in trouble.
func (h *Host) ask(ctx context.Context, method, path string, send any) (out answer, err error) {
	var text []byte
	if send != nil {
		if text, err = json.Marshal(send); err != nil {
			return out, err
		}
	}
	err = again(ctx, method != http.MethodPost, func() error {
		req, err := http.NewRequestWithContext(ctx, method, h.URL+path, bytes.NewReader(text))
		if err != nil {
			return err
		}
		token, err := h.Key.Token(time.Now())
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		out = answer{}
		return h.do(req, &out)
	})
	return out, err
}

// again repeats a step while that may help.
func again(ctx context.Context, twice bool, step func() error) (err error) {
	for n := range tries {
		if err = step(); err == nil || !twice || !passing(err) || ctx.Err() != nil {
			return err
		}
		if err := rest(ctx, pace(n+2)); err != nil {
			return err
		}
	}
	return err
}

// passing reports whether an error may be gone soon.
func passing(err error) bool {
	code := asset.CodeOf(err)
	return code == asset.CodeNetwork || code == asset.CodeServer
}

func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// do sends a request and reads its answer into out, if that is not nil.
func (h *Host) do(req *http.Request, out *answer) error {
	resp, err := h.client().Do(req)
	if err != nil {
		if ctx := req.Context(); ctx.Err() != nil {
			return ctx.Err()
		}
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err // without the URL, which may have a signature
		}
		return &asset.Error{Code: asset.CodeNetwork, Op: op, Subject: h.URL, Message: "no answer", Err: err, Help: "see whether the host runs, and run the command again: it goes on"}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return &asset.Error{Code: asset.CodeNetwork, Op: op, Subject: h.URL, Message: "the answer broke off", Err: err}
	}
	if resp.StatusCode >= 300 {
		return h.refusal(resp, text)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return &asset.Error{Code: asset.CodeServer, Op: op, Subject: h.URL, Message: "what answers there is no Larder host", Err: err, Help: "check the URL"}
	}
	return nil
}

// refusal tells what the host said.
func (h *Host) refusal(resp *http.Response, text []byte) error {
	e := &asset.Error{Code: asset.CodeConfiguration, Op: op, Subject: h.URL, Message: "the answer was " + strconv.Itoa(resp.StatusCode)}
	switch {
	case resp.StatusCode == http.StatusNotFound:
		e.Code = asset.CodeNotFound
	case resp.StatusCode == http.StatusConflict || resp.StatusCode == http.StatusTooManyRequests:
		e.Code = asset.CodeState
	case resp.StatusCode >= 500:
		e.Code = asset.CodeServer
	}
	var told jsonapi.Faults
	if json.Unmarshal(text, &told) == nil && len(told.Errors) > 0 {
		e.Message = told.Errors[0].Detail
		e.Help, _ = told.Errors[0].Meta["help"].(string)
	}
	return e
}
