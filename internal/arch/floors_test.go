// Package arch holds the shape of the house as tests: which package may import
// which, where each outside module lives, what an app inherits that imports our
// public packages, and that each package says what it promises. It reads the
// source as text for all systems at once, so it is fast and needs no build; it
// judges imports, not what the code does with them. "make test" runs it first.
package arch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// floors is the house from the roof to the ground. Imports only go down;
// packages on one floor never import each other.
var floors = [][]string{
	{"cmd/larder", "internal/dist", "bench", "bench/fleet"},
	{"bench/peer"},
	{"bench/corpus", "bench/meter"},
	{"internal/autostart", "internal/desktop"},
	{"internal/demo"},
	{"internal/service", "internal/host", "internal/serve"}, // what a device knows of a host came over HTTP
	{"internal/host/api", "internal/host/publisher"},
	{"internal/host/process"},
	{"internal/host/webhook"},
	{"internal/host/catalog", "internal/host/staging", "internal/host/access", "internal/host/jsonapi", "internal/host/certificate", "internal/host/trace"}, // books, parts, keys, form
	{"internal/bucket", "internal/stick"}, // a site in a bucket; one that is carried by hand
	{"internal/publish"},
	{"internal/packing", "internal/depot", "internal/patching", "internal/chart"}, // files to packs; scripts of Steam; what updates cost; drawn
	{"internal/dispatch", "internal/courier"},                                     // run the queue; talk to extensions
	{"client"},
	{"internal/apps"},
	{"internal/queue"},
	{"internal/stock"},
	{"internal/install"},
	{"internal/exthost"},
	{"internal/fence"},
	{"internal/transfer"},
	{"internal/localapi"},
	{"internal/device"},
	{"internal/trust"},
	{"internal/lifecycle", "internal/policy", "internal/reconcile"},
	{"extension"},
	{"internal/site", "internal/faulty", "internal/front"}, // a site; what may go wrong between it and a device
	{"internal/shelf"},
	{"pack"},
	{"pack/internal/delta", "pack/internal/deflate"},
	{"internal/bundle"},
	{"internal/db"},
	{"internal/dirs"},
	{"internal/purge"},
	{"internal/fsx"},
	{"internal/language"},
	{"asset"},
}

// public packages are what apps and extensions import. The programs in
// examples/ may use nothing else of ours.
var public = []string{"client", "extension", "pack", "asset"}

// pure packages compute from what they are given: no disk, no network, no
// database, no clock, no chance.
var pure = []string{"internal/lifecycle", "internal/policy", "internal/reconcile", "internal/language", "pack/internal/delta", "pack/internal/deflate", "asset"}

// testsOnly packages may look at every floor and no product may import them.
var testsOnly = map[string]bool{
	"clients":                              true,
	"internal/arch":                        true,
	"internal/bucket/buckettest":           true,
	"internal/host/certificate/pebbletest": true,
	"internal/conformance":                 true,
	"internal/extensiontest":               true,
	"internal/fault":                       true,
	"internal/fence/escape":                true,
	"internal/fsx/crash":                   true,
	"internal/localapi/localapitest":       true,
	"internal/programtest":                 true,
}

func floorOf(path string) int {
	return slices.IndexFunc(floors, func(f []string) bool { return slices.Contains(f, path) })
}

func TestImportsGoDown(t *testing.T) {
	for _, s := range readTree(t) {
		report(t, checkFloors(s))
	}
}

func TestPurePackagesTouchNothing(t *testing.T) {
	for _, s := range readTree(t) {
		report(t, checkPure(s))
	}
}

func checkFloors(s source) (faults []string) {
	from, example := floorOf(s.path), strings.HasPrefix(s.path, "examples/")
	if from < 0 && !example && !testsOnly[s.path] {
		return []string{fmt.Sprintf("%s stands on no floor: give it one in internal/arch/floors_test.go, above what it imports "+
			"and below what imports it, and a line in ARCHITECTURE.md", s.path)}
	}
	for _, f := range s.files {
		for _, imp := range f.imports {
			to, ok := ours(imp)
			if !ok || to == s.path {
				continue
			}
			switch {
			case testsOnly[to]:
				if s.product(f) {
					faults = append(faults, fmt.Sprintf("%s imports %s, which is for tests only", f.name, to))
				}
			case testsOnly[s.path], example && f.test:
			case example:
				if !slices.Contains(public, to) {
					faults = append(faults, fmt.Sprintf("%s imports %s; examples use the public packages only (%s)", f.name, to, strings.Join(public, ", ")))
				}
			case floorOf(to) < 0:
				faults = append(faults, fmt.Sprintf("%s imports %s, which stands on no floor", f.name, to))
			case floorOf(to) == from:
				faults = append(faults, fmt.Sprintf("%s imports its neighbour %s; packages on one floor do not meet: "+
					"move what both need to a floor below", f.name, to))
			case floorOf(to) < from:
				faults = append(faults, fmt.Sprintf("%s imports %s, which stands above it; imports only go down: "+
					"let the caller pass it in (an interface or func of %s), or move the shared part below both", f.name, to, s.path))
			}
		}
	}
	return faults
}

func checkPure(s source) (faults []string) {
	if !slices.Contains(pure, s.path) {
		return nil
	}
	for _, f := range s.files {
		if f.test {
			continue
		}
		if f.clock {
			faults = append(faults, fmt.Sprintf("%s reads the clock; %s is pure: take the time as an argument", f.name, s.path))
		}
		for _, imp := range f.imports {
			if touches(imp) && (s.path != "asset" || imp != "net/http") { // asset wants HTTP's words and names
				faults = append(faults, fmt.Sprintf("%s imports %s; %s is pure: its caller reads the world and passes facts in", f.name, imp, s.path))
			}
		}
	}
	return faults
}

func touches(imp string) bool {
	for _, bad := range []string{"os", "net", "net/http", "syscall", "database/sql", "math/rand", "crypto/rand",
		module + "/internal/fsx", module + "/internal/db"} {
		if imp == bad || bad != "net" && strings.HasPrefix(imp, bad+"/") {
			return true
		}
	}
	return false
}
