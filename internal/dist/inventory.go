package main

import (
	"bytes"
	"cmp"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// inventory is what is inside the programs of a release: modules by path, as the
// programs themselves tell.
type inventory struct {
	toolchain string
	modules   map[string]module
}

type module struct{ path, version, sum string }

// add takes in the modules of one program.
func (v *inventory) add(program string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	v.toolchain = info.GoVersion
	if v.modules == nil {
		v.modules = map[string]module{}
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			return fmt.Errorf("%s: %s is replaced; a release has none of that", program, m.Path)
		}
		v.modules[m.Path] = module{m.Path, m.Version, m.Sum}
	}
	return nil
}

func (v *inventory) list() []module {
	return slices.SortedFunc(maps.Values(v.modules), func(a, b module) int { return cmp.Compare(a.path, b.path) })
}

// The part of CycloneDX 1.5 that we write.
type (
	bom struct {
		Format     string      `json:"bomFormat"`
		Spec       string      `json:"specVersion"`
		Version    int         `json:"version"`
		Metadata   metadata    `json:"metadata"`
		Components []component `json:"components"`
	}
	metadata struct {
		Timestamp string    `json:"timestamp"`
		Component component `json:"component"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		PURL       string     `json:"purl,omitempty"`
		Licenses   []licence  `json:"licenses,omitempty"`
		Properties []property `json:"properties,omitempty"`
	}
	licence struct {
		License struct {
			ID string `json:"id"`
		} `json:"license"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
)

// sbom is the inventory as CycloneDX has it. The hash of a module is go.sum's,
// which is of its tree and not of one file, so it stands among the properties.
func (v *inventory) sbom(version string, date time.Time) ([]byte, error) {
	own := component{Type: "application", Ref: "larder", Name: "larder", Version: version, Licenses: make([]licence, 1)}
	own.Licenses[0].License.ID = "Apache-2.0"
	std := strings.TrimPrefix(v.toolchain, "go")
	b := bom{Format: "CycloneDX", Spec: "1.5", Version: 1, Metadata: metadata{date.Format(time.RFC3339), own},
		Components: []component{{Type: "library", Ref: "std", Name: "std", Version: std, PURL: "pkg:golang/std@" + std}}}
	for _, m := range v.list() {
		purl := "pkg:golang/" + strings.ReplaceAll(m.path, "+", "%2B") + "@" + strings.ReplaceAll(m.version, "+", "%2B")
		b.Components = append(b.Components, component{Type: "library", Ref: purl, Name: m.path, Version: m.version, PURL: purl,
			Properties: []property{{"larder:go.sum", m.sum}}})
	}
	text, err := json.MarshalIndent(b, "", "  ")
	return append(text, '\n'), err
}

// legal are the names of files whose text must go along.
var legal = regexp.MustCompile(`(?i)^((un)?licen[cs]e|copying|notice|patents|copyright)([-._].*)?$`)

// notices is our licence, Go's, and those of all modules; a module without one
// fails the release.
func (v *inventory) notices() ([]byte, error) {
	var b bytes.Buffer
	section := func(title, dir string) error {
		names, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		found := false
		for _, e := range names {
			if !e.Type().IsRegular() || !legal.MatchString(e.Name()) {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return err
			}
			found = true
			fmt.Fprintf(&b, "%s\n%s: %s\n%[1]s\n\n%[4]s\n\n", strings.Repeat("=", 79), title, e.Name(), bytes.TrimSpace(text))
		}
		if !found {
			return fmt.Errorf("%s has no licence in %s", title, dir)
		}
		return nil
	}
	if err := section("Larder", "."); err != nil {
		return nil, err
	}
	goroot, err := output("go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	if err := section("The Go programming language "+v.toolchain, goroot); err != nil {
		return nil, err
	}
	for _, m := range v.list() {
		dir, err := output("go", "list", "-m", "-f", "{{.Dir}}", m.path)
		if err != nil {
			return nil, err
		}
		if err := section(m.path+" "+m.version, dir); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}
