package patching

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"

	"larder/pack"
)

// Rule names what a finding is about.
type Rule string

// The rules.
const (
	RuleTimes      Rule = "timestamps" // an archive in the tree holds times
	RuleSolid      Rule = "solid"      // compressed in one stream
	RuleCompressed Rule = "compressed" // compressed member by member
	RuleReordered  Rule = "reordered"  // an archive's members changed places
	RuleRewritten  Rule = "rewritten"  // a file has no old bytes any more
	RuleGiant      Rule = "giant"      // one file is most of the pack
	RuleLitter     Rule = "litter"     // what a desktop or editor left behind
)

// Finding is something that makes updates dear.
type Finding struct {
	Rule    Rule   `json:"rule"`
	Path    string `json:"path"`
	Bytes   int64  `json:"bytes"` // of the file
	Problem string `json:"problem"`
	Advice  string `json:"advice"`
}

// Bounds of the rule for giants: both must be met.
const (
	giantBytes = 256 << 20
	giantShare = 0.5
)

// worthwhile is the size from which it matters how a file is made: a smaller one is
// fetched as a whole in any case.
const worthwhile = 64 << 10

// LintPack judges the files of a pack. old is the version before, or nil; then what
// only shows in a comparison is not found.
func LintPack(ctx context.Context, old, now *pack.Archive) ([]Finding, error) {
	l := &linter{}
	if old != nil {
		update, err := Compare(ctx, old, now)
		if err != nil {
			return nil, err
		}
		l.changes = map[string]Change{}
		for _, c := range update.Changes {
			l.changes[c.Path] = c
		}
		l.members = map[string][]string{}
		err = ofPack(ctx, old, func(s *sample) {
			if c := l.changes[s.path]; c.Fate == Changed {
				if z := zipOf(s); z != nil {
					l.members[s.path] = names(z)
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	if err := ofPack(ctx, now, l.look); err != nil {
		return nil, err
	}
	return l.done(), nil
}

// LintTree judges all files below a directory.
func LintTree(ctx context.Context, root *os.Root) ([]Finding, error) {
	l := &linter{}
	if err := ofTree(ctx, root, l.look); err != nil {
		return nil, err
	}
	return l.done(), nil
}

type linter struct {
	changes map[string]Change   // from the version before
	members map[string][]string // of archives that changed, before
	found   []Finding
	total   int64
	largest int64
	giant   string
}

func (l *linter) find(s *sample, rule Rule, problem, advice string) {
	l.found = append(l.found, Finding{Rule: rule, Path: s.path, Bytes: s.size, Problem: problem, Advice: advice})
}

func (l *linter) look(s *sample) {
	l.total += s.size
	if s.size > l.largest {
		l.largest, l.giant = s.size, s.path
	}
	if litter(s.path) {
		l.find(s, RuleLitter, "a desktop or editor left it behind, and rewrites it when it likes", fmt.Sprintf(`exclude it: { "fileExclusion": %q }`, "**/"+pathBase(s.path)))
	}
	if s.size < worthwhile {
		return
	}
	before := len(l.found)
	switch z := zipOf(s); {
	case z != nil:
		l.zip(s, z)
	case bytes.HasPrefix(s.head, []byte("\x1f\x8b")):
		l.gzip(s)
	case solidFormat(s.head) != "":
		l.find(s, RuleSolid, fmt.Sprintf("it is a %s: one change inside changes all bytes that follow", solidFormat(s.head)), "pack what is in it, uncompressed; the pack compresses it")
	case len(s.head) > 512 && string(s.head[257:262]) == "ustar":
		l.tar(s)
	}
	if c, ok := l.changes[s.path]; ok && len(l.found) == before && c.Fate == Changed && c.OldSize > 1<<20 && float64(c.New) > 0.9*float64(c.Size) {
		l.find(s, RuleRewritten, "hardly any of its bytes are those of the version before", "see what its tool writes all over it: compression, encryption, a build number, offsets; or divide it into files")
	}
}

func pathBase(p string) string { return p[bytes.LastIndexByte([]byte(p), '/')+1:] }

// zipOf reads a sample's directory, if it is a zip that has it within its tail.
func zipOf(s *sample) *zip.Reader {
	if !bytes.HasPrefix(s.head, []byte("PK\x03\x04")) && !bytes.HasPrefix(s.head, []byte("PK\x05\x06")) {
		return nil
	}
	// The directory is at the end, and finds itself; so nothing in it can claim more
	// than there is.
	z, err := zip.NewReader(bytes.NewReader(s.tail), int64(len(s.tail)))
	if err != nil {
		return nil
	}
	return z
}

func names(z *zip.Reader) (out []string) {
	for _, f := range z.File {
		out = append(out, f.Name)
	}
	return out
}

func (l *linter) zip(s *sample, z *zip.Reader) {
	packed, times := 0, map[uint32]bool{}
	for _, f := range z.File {
		if f.Method != zip.Store && f.UncompressedSize64 > 0 {
			packed++
		}
		if f.ModifiedDate != 0 && f.ModifiedDate != 0x21 || f.ModifiedTime != 0 {
			times[uint32(f.ModifiedDate)<<16|uint32(f.ModifiedTime)] = true
		}
	}
	if len(times) > 0 {
		l.find(s, RuleTimes, "it is a zip with the times of its files, which change when they are made again", "make it with one fixed time (zip -X after touch -d 1980-01-01), or pack what is in it")
	}
	if packed > 0 {
		l.find(s, RuleCompressed, fmt.Sprintf("it is a zip with %d of %d files compressed: what changes in one changes most of its bytes", packed, len(z.File)), "store its files uncompressed (zip -0), or pack what is in it; the pack compresses it better")
	}
	if was := l.members[s.path]; was != nil && moved(was, names(z)) {
		l.find(s, RuleReordered, "the files in it stand in another order than in the version before", "write them in a fixed order, by name")
	}
}

// moved reports whether names that are in both lists stand in another order.
func moved(was, is []string) bool {
	at := map[string]int{}
	for i, name := range was {
		at[name] = i
	}
	last := -1
	for _, name := range is {
		if i, ok := at[name]; ok {
			if i < last {
				return true
			}
			last = i
		}
	}
	return false
}

func (l *linter) gzip(s *sample) {
	if len(s.head) >= 8 && binary.LittleEndian.Uint32(s.head[4:8]) != 0 {
		l.find(s, RuleTimes, "it is a gzip with the time at which it was made", "make it with gzip -n")
	}
	what := "a gzip stream"
	if z, err := gzip.NewReader(bytes.NewReader(s.head)); err == nil {
		block := make([]byte, 512)
		if _, err := io.ReadFull(z, block); err == nil && string(block[257:262]) == "ustar" {
			what = "a compressed tar"
		}
	}
	l.find(s, RuleSolid, "it is "+what+": one change inside changes all bytes that follow", "pack what is in it, uncompressed; the pack compresses it")
}

func (l *linter) tar(s *sample) {
	h, err := tar.NewReader(bytes.NewReader(s.head)).Next()
	if err == nil && h.ModTime.Unix() != 0 {
		l.find(s, RuleTimes, "it is a tar with the times of its files, which change when they are made again", "make it with tar --mtime=@0 --sort=name, or pack what is in it")
	}
}

func (l *linter) done() []Finding {
	if l.largest >= giantBytes && float64(l.largest) >= giantShare*float64(l.total) {
		l.found = append(l.found, Finding{Rule: RuleGiant, Path: l.giant, Bytes: l.largest,
			Problem: fmt.Sprintf("it is %d%% of all bytes: each device rewrites all of it for any change in it", 100*l.largest/l.total),
			Advice:  "divide it by how often its parts change, or put it into a pack of its own"})
	}
	slices.SortStableFunc(l.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Rule, b.Rule))
	})
	return l.found
}
