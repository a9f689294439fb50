package asset

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// ParseDownloadManifest reads a download manifest of at most 8 MiB, with or without
// "//" comments. Members that it does not know are kept in Extra. The error is a
// *[Faults] with all that is wrong.
func ParseDownloadManifest(data []byte) (*DownloadManifest, error) {
	doc, faults := readJSON("read download manifest", data, MaxDownloadManifest)
	if doc == nil || !faults.isObject(doc) {
		return nil, faults
	}
	m := &DownloadManifest{Packs: []Pack{}, Extra: extra(doc, "primaryLanguage", "assetPacks")}
	if n := doc.member("primaryLanguage"); n != nil {
		m.PrimaryLanguage = faults.language(n)
	}
	packs := faults.needs(doc, "assetPacks", "list the packs, or none: []")
	if packs != nil && faults.isArray(packs) {
		seen := map[string]bool{}
		for _, n := range packs.items {
			if !faults.isObject(n) {
				continue
			}
			p := faults.pack(n)
			key := fmt.Sprint(strings.ToLower(string(p.ID)), " ", p.Version)
			if p.ID != "" && seen[key] {
				faults.add(n, fmt.Sprintf("version %d of %s stands there twice", p.Version, p.ID), "remove one, or raise its version")
			}
			seen[key] = true
			m.Packs = append(m.Packs, p)
		}
	}
	if err := faults.orNil(); err != nil {
		return nil, err
	}
	return m, nil
}

// UnmarshalJSON is [ParseDownloadManifest].
func (m *DownloadManifest) UnmarshalJSON(data []byte) error {
	read, err := ParseDownloadManifest(data)
	if err == nil {
		*m = *read
	}
	return err
}

// UnmarshalJSON takes one pack of a download manifest. The error tells every fault.
func (p *Pack) UnmarshalJSON(data []byte) error {
	doc, faults := readJSON("read asset pack", data, MaxDownloadManifest)
	if doc == nil || !faults.isObject(doc) {
		return faults
	}
	read := faults.pack(doc)
	if err := faults.orNil(); err != nil {
		return err
	}
	*p = read
	return nil
}

func (e *Faults) pack(n *node) (p Pack) {
	p.Extra = extra(n, packKeys...)
	if m := e.needs(n, "id", mendPackID); m != nil && e.isString(m) {
		if problem := checkPackID(m.text); problem != "" {
			e.add(m, problem, mendPackID)
		} else {
			p.ID = PackID(m.text)
		}
	}
	if m := e.needs(n, "version", "write an integer"); m != nil {
		p.Version = e.integer(m, MaxPackVersion)
	}
	if m := e.needs(n, "downloadSize", "write the bytes of the archive"); m != nil {
		p.DownloadSize = e.integer(m, 1<<50)
	}
	if m := e.needs(n, "url", "write the URL of the archive"); m != nil {
		p.URL = e.url(m)
	}
	if m := e.needs(n, "downloadPolicy", "write "+choice(policyKinds)+" with their events"); m != nil {
		p.DownloadPolicy = readPolicy(e, m)
	}
	if m := n.member("host"); m != nil && e.isObject(m) {
		p.Host = m.canonical()
	}
	if m := n.member("userInfo"); m != nil {
		p.UserInfo = e.userInfo(m)
	}
	if m := n.member("content"); m != nil {
		p.Content = e.hash(m)
	}
	if m := n.member("index"); m != nil {
		p.Index = e.hash(m)
	}
	if m := n.member("indexSize"); m != nil {
		if p.IndexSize = e.integer(m, 1<<50); p.IndexSize > p.DownloadSize {
			e.add(m, "the index is larger than the archive", "write the bytes of the index")
		}
	}
	if m := n.member("installSize"); m != nil {
		p.InstallSize = e.integer(m, 1<<50)
	}
	if m := n.member("platforms"); m != nil {
		p.Platforms = e.platforms(m)
	}
	if m := n.member("language"); m != nil {
		p.Language = e.language(m)
	}
	if m := n.member("deltas"); m != nil && e.isArray(m) {
		for _, item := range m.items {
			if e.isObject(item) {
				p.Deltas = append(p.Deltas, e.delta(item))
			}
		}
	}
	if m := n.member("appVersions"); m != nil && e.isObject(m) {
		p.AppVersions = e.appVersions(m)
	}
	if m := n.member("rollout"); m != nil && e.isObject(m) {
		p.Rollout = e.rollout(m)
	}
	return p
}

func (e *Faults) delta(n *node) (d Delta) {
	if m := e.needs(n, "from", "write the content of the old version"); m != nil {
		d.From = e.hash(m)
	}
	if m := e.needs(n, "url", "write the URL of the delta"); m != nil {
		d.URL = e.url(m)
	}
	if m := e.needs(n, "size", "write the bytes of the delta"); m != nil {
		d.Size = e.integer(m, 1<<50)
	}
	if m := e.needs(n, "hash", "write the SHA-256 of the delta"); m != nil {
		d.Hash = e.hash(m)
	}
	return d
}

func (e *Faults) appVersions(n *node) *AppVersions {
	read := func(key string) string {
		m := n.member(key)
		if m == nil || !e.isString(m) {
			return ""
		}
		if !isAppVersion(m.text) {
			e.add(m, "it is no version of an app", mendAppVersion)
		}
		return m.text
	}
	return &AppVersions{Minimum: read("minimum"), Below: read("below")}
}

const mendAppVersion = "write one to three integers, for example 1.2.0"

func isAppVersion(s string) bool {
	parts := strings.Split(s, ".")
	ok := len(parts) <= 3
	for _, part := range parts {
		ok = ok && part != "" && len(part) <= 9 && strings.Trim(part, digits) == ""
	}
	return ok
}

// Check reports what of v is no version of an app, as a configuration error (1000).
func (v AppVersions) Check() error {
	for _, s := range []string{v.Minimum, v.Below} {
		if s != "" && !isAppVersion(s) {
			return &Error{Code: CodeConfiguration, Op: "read versions of an app", Subject: quote(s), Message: "it is no version of an app", Help: mendAppVersion}
		}
	}
	return nil
}

func (e *Faults) rollout(n *node) *Rollout {
	r := &Rollout{}
	if m := e.needs(n, "percent", "write 0 to 100"); m != nil {
		r.Percent = int(e.integer(m, 100))
	}
	if m := n.member("seed"); m != nil && e.isString(m) {
		r.Seed = m.text
	}
	return r
}

// extra are the members whose keys are none of these, or nil.
func extra(n *node, known ...string) map[string]json.RawMessage {
	var out map[string]json.RawMessage
next:
	for _, m := range n.members {
		for _, key := range known {
			if key == m.key {
				continue next
			}
		}
		if out == nil {
			out = map[string]json.RawMessage{}
		}
		out[m.key] = m.canonical()
	}
	return out
}

func (e *Faults) integer(n *node, most int64) int64 {
	v, err := strconv.ParseInt(n.text, 10, 64)
	if n.kind != "number" || err != nil || v < 0 || v > most {
		e.add(n, fmt.Sprintf("it is not an integer from 0 to %d", most), "write one")
		return 0
	}
	return v
}

func (e *Faults) url(n *node) string {
	if !e.isString(n) {
		return ""
	}
	u, err := url.Parse(n.text)
	switch {
	case err != nil || n.text == "" || len(n.text) > MaxURL:
	case u.Host != "" && (u.Scheme == "https" || u.Scheme == "http"):
		return n.text
	case u.Scheme == "" && u.Host == "" && u.User == nil && u.Opaque == "" && u.Path != "":
		return n.text
	}
	e.add(n, "it is no URL of http or https", "write one, for example https://cdn.example.com/tutorial, or a path from the manifest on")
	return n.text
}

func (e *Faults) hash(n *node) string {
	if !e.isString(n) {
		return ""
	}
	if len(n.text) != 64 || strings.Trim(n.text, "0123456789abcdef") != "" {
		e.add(n, "it is no SHA-256", "write 64 lower-case hexadecimal digits")
	}
	return n.text
}

func (e *Faults) language(n *node) string {
	if !e.isString(n) {
		return ""
	}
	tag, err := ParsePackLanguage(n.text)
	if err != nil {
		e.add(n, "it is no language tag of a pack", mendLanguage)
	}
	return tag
}

// platforms gives them in their order, each once.
func (e *Faults) platforms(n *node) (out []Platform) {
	if !e.isArray(n) {
		return nil
	}
	found := map[Platform]bool{}
	for _, item := range n.items {
		if !e.isString(item) {
			continue
		}
		p, err := ParsePlatform(item.text)
		if err != nil {
			e.add(item, "there is no such platform", mendPlatform(item.text))
		}
		found[p] = true
	}
	for _, p := range platforms {
		if found[p] {
			out = append(out, p)
		}
	}
	return out
}

// MaxUserInfo bounds userInfo, in bytes of its shortest form: each device fetches
// it again with each manifest.
const MaxUserInfo = 64 << 10

func (e *Faults) userInfo(n *node) json.RawMessage {
	if !e.isObject(n) {
		return nil
	}
	b := n.canonical()
	if len(b) > MaxUserInfo {
		e.add(n, fmt.Sprintf("it is longer than %d bytes", MaxUserInfo), "put it into a file of the pack")
	}
	return b
}
