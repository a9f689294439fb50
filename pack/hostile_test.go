package pack

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"

	"larder/asset"
)

var errNoSpace error = syscall.ENOSPC

// forge makes a pack whose every hash is right and whose claims are whatever the
// caller puts in: change edits the one section, and foot the footer's fields.
func forge(t testing.TB, sources []Source, payload []byte, change func(s *section, in *sectionInfo), foot func(f *footer)) []byte {
	t.Helper()
	s := &section{}
	var raw []byte
	for i, src := range sources {
		s.rows = append(s.rows, src.Entry)
		raw = appendTarHeader(raw, src.Entry)
		for at := int64(0); at < src.Size && at < int64(len(payload)); {
			n := min(src.Size-at, maxChunk)
			raw = append(raw, payload[at:at+n]...)
			s.chunks = append(s.chunks, chunk{row: int32(i), size: int32(n), at: at, hash: sha256.Sum256(payload[at : at+n])})
			at += n
		}
		raw = append(raw, zeros[:tarPad(src.Size)]...)
	}
	raw = append(raw, zeros[:]...)
	c := newCoder(zstd.SpeedFastest, 1<<20)
	stored := c.encode(nil, raw)
	s.frames = []frame{{stored: int32(len(stored)), raw: int32(len(raw)), hash: sha256.Sum256(stored)}}
	in := sectionInfo{rows: len(s.rows), chunks: len(s.chunks), frames: 1, raw: int64(len(raw)), stored: int64(len(stored)), first: s.rows[0].Path}
	for _, k := range s.chunks {
		in.payload += int64(k.size)
	}
	if change != nil {
		change(s, &in)
	}
	meta := s.appendMeta(nil)
	in.metaRaw = len(meta)
	meta = c.encode(nil, meta)
	in.metaStored = len(meta)
	hashes := s.appendHashes(nil)
	in.hash = sha256.Sum256(append(bytes.Clone(meta), hashes...))
	r := root{sections: []sectionInfo{in}}
	content := newContentHash()
	content.section(s)
	r.content = content.sum()
	rb := r.append(nil)
	f := footer{data: int64(len(stored)), root: int64(len(rb))}
	b := appendSkippable(stored, meta, hashes)
	f.index = int64(len(b)-len(stored)) + skippableHead + f.root + footerSize
	if foot != nil {
		foot(&f)
	}
	return appendSkippable(b, rb, f.append(nil, rb))
}

func fileSource(path string, size int64) Source {
	return Source{Entry: Entry{Path: path, Kind: KindFile, Size: size}}
}

func TestForgedPacksAreSoundWhenNothingIsChanged(t *testing.T) {
	b := forge(t, []Source{fileSource("a", 5)}, []byte("hello"), nil, nil)
	if bad, err := open(t, b).Verify(t.Context()); err != nil || len(bad) > 0 {
		t.Fatalf("%v, %v", bad, err)
	}
}

func TestHostilePacksAreRefusedWithNothingWrittenOutside(t *testing.T) {
	link := func(path, target string) Source {
		return Source{Entry: Entry{Path: path, Kind: KindLink, Target: target}}
	}
	cases := map[string]struct {
		sources []Source
		change  func(*section, *sectionInfo)
		code    asset.Code
	}{
		"climbs":              {sources: []Source{fileSource("../x", 5)}, code: asset.CodeConfiguration},
		"absolute":            {sources: []Source{fileSource("/tmp/x", 5)}, code: asset.CodeConfiguration},
		"windows device":      {sources: []Source{fileSource("nul", 5)}, code: asset.CodeConfiguration},
		"link out":            {sources: []Source{link("a", "../../etc")}, code: asset.CodeConfiguration},
		"absolute link":       {sources: []Source{link("a", "/etc")}, code: asset.CodeConfiguration},
		"through a link":      {sources: []Source{link("a", "b"), fileSource("a/x", 5)}, code: asset.CodePathCollision},
		"case":                {sources: []Source{fileSource("A", 5), fileSource("a", 5)}, code: asset.CodePathCollision},
		"twice":               {sources: []Source{fileSource("a", 5), fileSource("a", 5)}, code: asset.CodePathCollision},
		"out of order":        {sources: []Source{fileSource("b", 5), fileSource("a", 5)}, code: asset.CodeHashMismatch},
		"unknown kind":        {sources: []Source{{Entry: Entry{Path: "a", Kind: "device"}}}, code: asset.CodeHashMismatch},
		"wrong first entry":   {sources: []Source{fileSource("a", 5)}, change: func(_ *section, in *sectionInfo) { in.first = "b" }, code: asset.CodeHashMismatch},
		"wrong chunk hash":    {sources: []Source{fileSource("a", 5)}, change: func(s *section, _ *sectionInfo) { s.chunks[0].hash[0]++ }, code: asset.CodeHashMismatch},
		"file without chunks": {sources: []Source{fileSource("a", 5)}, change: func(s *section, in *sectionInfo) { s.chunks = nil; in.chunks, in.payload = 0, 0 }, code: asset.CodeHashMismatch},
		"lying file size":     {sources: []Source{fileSource("a", 5)}, change: func(s *section, _ *sectionInfo) { s.rows[0].Size = 1 << 40 }, code: asset.CodeHashMismatch},
		"lying payload":       {sources: []Source{fileSource("a", 5)}, change: func(_ *section, in *sectionInfo) { in.payload = 4 }, code: asset.CodeHashMismatch},
		"lying raw size":      {sources: []Source{fileSource("a", 5)}, change: func(s *section, in *sectionInfo) { s.frames[0].raw--; in.raw-- }, code: asset.CodeHashMismatch},
		"bomb in a frame":     {sources: []Source{fileSource("a", 5)}, change: func(s *section, in *sectionInfo) { s.frames[0].raw = 1024; in.raw = 1024 }, code: asset.CodeHashMismatch},
		"begins in the middle": {sources: []Source{fileSource("a", 5)}, change: func(s *section, in *sectionInfo) {
			s.skip = 2
			in.rows--
			s.chunks[0].at = 2
			s.chunks[0].size = 3
			in.payload = 3
		}, code: asset.CodeHashMismatch},
		"too many rows": {sources: []Source{fileSource("a", 5)}, change: func(_ *section, in *sectionInfo) { in.rows = maxRows }, code: asset.CodeHashMismatch},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := forge(t, c.sources, []byte("hello"), c.change, nil)
			outside := tempRoot(t)
			dst := subRoot(t, outside, "in/dst")
			a, err := Open(bytes.NewReader(b), int64(len(b)))
			if err == nil {
				if bad, verr := a.Verify(t.Context()); verr != nil || len(bad) == 0 {
					t.Errorf("verify found %v, %v", bad, verr)
				}
				_, perr := NewPlan(t.Context(), a, nil, PlanOptions{})
				if perr == nil && name != "wrong chunk hash" {
					t.Error("plan took it")
				}
				err = a.Extract(t.Context(), dst)
			}
			wantCode(t, err, c.code)
			for path, n := range readForest(t, outside) {
				if path != "in/dst" || n.kind != KindDirectory {
					t.Errorf("%s was written", path)
				}
			}
		})
	}
}

func TestNewerFormatsAreRefusedByName(t *testing.T) {
	b := forge(t, []Source{fileSource("a", 5)}, []byte("hello"), nil, func(f *footer) { f.required = 1 << 7 })
	_, err := Open(bytes.NewReader(b), int64(len(b)))
	wantCode(t, err, asset.CodeDoesNotFit)
	b = forge(t, []Source{fileSource("a", 5)}, []byte("hello"), nil, nil)
	b[len(b)-1] = 2
	_, err = Open(bytes.NewReader(b), int64(len(b)))
	wantCode(t, err, asset.CodeDoesNotFit)
}

func TestLyingFootersAreRefusedBeforeAnythingIsAllocated(t *testing.T) {
	for i, change := range []func(f *footer){
		func(f *footer) { f.root = 1 << 31 },
		func(f *footer) { f.root = maxRoot },
		func(f *footer) { f.index = maxArchive + 1 },
		func(f *footer) { f.data = -1 },
		func(f *footer) { f.data++ },
		func(f *footer) { f.data, f.index = 0, f.index+f.data },
		func(f *footer) { f.data--; f.index++ },
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			b := forge(t, []Source{fileSource("a", 5)}, []byte("hello"), nil, change)
			_, err := Open(bytes.NewReader(b), int64(len(b)))
			wantCode(t, err, damage...)
		})
	}
}

func TestABombIsRefusedBeforeItIsWritten(t *testing.T) {
	big := fileSource("a", 1<<49)
	tree := Tree{Sources: []Source{big}, Open: func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(nil)), nil }}
	if _, err := Build(t.Context(), io.Discard, tree, BuildOptions{}); asset.CodeOf(err) != asset.CodeSizeMismatch {
		t.Errorf("got %v", err)
	}
	s := stage{op: opExtract, root: tempRoot(t)}
	wantCode(t, s.roomFor(1<<49), asset.CodeNoSpace)
}
