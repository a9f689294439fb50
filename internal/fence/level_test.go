//go:build unix

package fence

import (
	"slices"
	"strings"
	"testing"
)

func TestALevelClaimsNoMoreThanItsLayersHold(t *testing.T) {
	const no = "no"
	for _, c := range []struct {
		name    string
		facts   facts
		want    string
		missing []string
	}{
		{"all", facts{ABI: 10, Tasks: true, NoCgroup: no}, "namespaces+landlock+seccomp", nil},
		{"all, as root on an old kernel", facts{ABI: 5, NoCgroup: no}, "namespaces+landlock+seccomp", []string{Processes}},
		{"all, in a cgroup", facts{ABI: 5}, "namespaces+landlock+seccomp", nil},
		{"no namespaces", facts{NoNamespaces: no, ABI: 7, Tasks: true, NoCgroup: no}, "landlock+seccomp", []string{Attributes, Sight}},
		{"old Landlock", facts{NoNamespaces: no, ABI: 2, Tasks: true, NoCgroup: no}, "landlock+seccomp", []string{Files, Attributes, Signals, Sight, Survivors}},
		{"Landlock alone", facts{NoNamespaces: no, NoSeccomp: no, NoCgroup: no, ABI: 7, Tasks: true}, "landlock",
			[]string{Attributes, TCP, UDP, UnixSockets, Sight, Memory}},
		{"newest Landlock alone", facts{NoNamespaces: no, NoSeccomp: no, NoCgroup: no, ABI: 11, Tasks: true}, "landlock", []string{Attributes, TCP, Sight, Memory}},
		{"no Landlock", facts{NoLandlock: no, ABI: 11, Tasks: true, NoCgroup: no}, "namespaces+seccomp", []string{Files}},
		{"nothing", facts{NoNamespaces: no, NoLandlock: no, NoSeccomp: no, NoCgroup: no, ABI: 11}, "supervisor",
			[]string{Files, Attributes, TCP, UDP, UnixSockets, AbstractSockets, Trace, Signals, Sight, Survivors, Processes, Memory}},
	} {
		l := c.facts.level()
		var missing []string
		for _, m := range l.Missing {
			missing = append(missing, m.What)
			if m.Why == "" || slices.Contains(l.Holds, m.What) {
				t.Errorf("%s: %+v", c.name, m)
			}
		}
		if l.Name != c.want || !slices.Equal(missing, c.missing) || l.Full() != (len(c.missing) == 0) {
			t.Errorf("%s: %q misses %q; want %q, %q", c.name, l.Name, missing, c.want, c.missing)
		}
	}
	if s := bare("process group", "it is so", Memory).String(); !strings.HasPrefix(s, "process group; not held: files (it is so), ") || strings.Contains(s, "memory") {
		t.Error(s)
	}
}

func TestCommonTree(t *testing.T) {
	for want, paths := range map[string][]string{
		"/a":   {"/a/b", "/a/c/d"},
		"/":    {"/a", "/b"},
		"/a/b": {"/a/b", "/a/b/c"},
		"/x":   {"/x"},
	} {
		if got := commonTree(paths); got != want {
			t.Errorf("of %q: %q, not %q", paths, got, want)
		}
	}
	if within("/ab", "/a") || !within("/a/..b", "/a") || above("/a", "/a") {
		t.Error("a name that begins alike is not below")
	}
}
