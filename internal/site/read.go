package site

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"larder/asset"
	"larder/internal/language"
)

// features are what a manifest may require of its reader. Format 1 has none.
var features []string

const opRead = "read download manifest"

// Read reads a download manifest that came from base, an absolute URL, and makes
// its URLs absolute. It is refused when it requires what this Larder does not know
// (1008); otherwise the error has every fault (1000, see [asset.Faults]).
func Read(data []byte, base string) (*asset.DownloadManifest, error) {
	m, err := asset.ParseDownloadManifest(data)
	if err != nil {
		return nil, err
	}
	if err := required(m.Extra["requires"]); err != nil {
		return nil, err
	}
	from, err := url.Parse(base)
	if err != nil {
		return nil, &asset.Error{Code: asset.CodeInternal, Op: opRead, Subject: base, Message: "it came from no URL", Err: err}
	}
	faults := &asset.Faults{Op: opRead}
	if m.PrimaryLanguage != "" {
		faults.Check("primaryLanguage", m.PrimaryLanguage, spoken(m.PrimaryLanguage))
	}
	for n := range m.Packs {
		p := &m.Packs[n]
		at := fmt.Sprintf("assetPacks[%d].", n)
		faults.Check(at+"url", p.URL, resolve(from, &p.URL))
		for d := range p.Deltas {
			faults.Check(fmt.Sprintf("%sdeltas[%d].url", at, d), p.Deltas[d].URL, resolve(from, &p.Deltas[d].URL))
		}
		if p.Language != "" {
			faults.Check(at+"language", p.Language, spoken(p.Language))
		}
		if (p.Index == "") != (p.IndexSize == 0) || p.Index != "" && p.Content == "" {
			faults.Check(at+"index", p.Index, errors.New("index, indexSize and content are not there together"))
		}
		if p.DownloadSize == 0 {
			faults.Check(at+"downloadSize", "0", errors.New("no pack is that small"))
		}
	}
	if len(faults.List) > 0 {
		return nil, faults
	}
	return m, nil
}

// required refuses a manifest whose writer said that it must not be acted on
// without knowing certain things.
func required(list json.RawMessage) error {
	if list == nil {
		return nil
	}
	var names []string
	if err := json.Unmarshal(list, &names); err != nil {
		names = []string{"requires"}
	}
	for _, name := range names {
		if !slices.Contains(features, name) {
			return &asset.Error{Code: asset.CodeDoesNotFit, Op: opRead, Subject: fmt.Sprintf("%.80q", name), Message: "the manifest requires what this Larder does not know",
				Help: "install a newer version of Larder"}
		}
	}
	return nil
}

func spoken(tag string) error {
	if _, err := language.Parse(tag); err != nil {
		return errors.New(asset.AsError(err).Message)
	}
	return nil
}

// resolve makes a URL absolute and holds it to the rule for all that Larder fetches.
func resolve(base *url.URL, s *string) error {
	u, err := base.Parse(*s)
	if err != nil {
		return errors.New("it is no URL")
	}
	u.Fragment, u.RawFragment = "", ""
	out := u.String()
	if len(out) > asset.MaxURL {
		return errors.New("it is longer than 8,192 bytes")
	}
	if err := asset.CheckURL(out); err != nil {
		return err
	}
	if asset.IsLoopback(u.Hostname()) && !asset.IsLoopback(base.Hostname()) {
		return errors.New("it leads from the network to this machine")
	}
	*s = out
	return nil
}
