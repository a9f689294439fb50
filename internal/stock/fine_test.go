package stock

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"larder/asset"
	"larder/internal/fsx"
	"larder/pack"
)

// refine puts the fine file of a release on sale, and takes its deltas away.
func (s *site) refine(r *release) (url string) {
	s.t.Helper()
	out := fines[r.row.Content]
	if out == nil { // it takes long under the race detector
		_, err := pack.WriteFine(s.t.Context(), &out, s.open(r), pack.FineOptions{})
		s.ok(err)
		fines[r.row.Content] = out
	}
	hash := sha256.Sum256(out)
	d := asset.Delta{From: r.row.Content, URL: fmt.Sprint("fine/", r.row.Version), Size: int64(len(out)), Hash: hex.EncodeToString(hash[:])}
	r.row.Deltas = []asset.Delta{d}
	s.deltas[d.URL] = slices.Clone(out)
	return d.URL
}

var fines = map[string]file{}

// words give text in which no part is like another.
func words(seed uint64, n int) string {
	r := rand.New(rand.NewPCG(seed, 3))
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%x ", r.Uint32N(1<<20))
	}
	return b.String()
}

// edited has releases that differ by little in some places, and the fine file of the last one.
func edited(t *testing.T) (s *site, old, next *release, fine string) {
	s = newSite(t)
	long := words(1, 120<<10)
	old = s.publish(map[string]string{"a/long": long, "b": words(2, 30<<10)})
	changed := long[:40<<10] + "something else" + long[40<<10:90<<10] + words(3, 3000) + long[93<<10:]
	next = s.publish(map[string]string{"a/long": changed, "b": words(2, 30<<10), "c": words(4, 5000)})
	return s, old, next, s.refine(next)
}

func (s *site) device() *device { return &device{site: s, top: s.t.TempDir(), disk: fsx.OS()} }

func (s *site) total() (n int64) {
	for _, sent := range s.sent {
		n += sent
	}
	return n
}

func TestWithoutADeltaTheFineFileBringsWhatIsLacking(t *testing.T) {
	s, old, next, fine := edited(t)
	d := s.device()
	s.ok(d.run(old, never(t)))
	clear(s.sent)
	s.ok(d.run(next, never(t)))
	d.shows(next)
	if s.sent[fine] == 0 || s.sent[fine] > 20<<10 || s.sent[next.row.URL] != next.row.IndexSize {
		t.Errorf("sent %v; the index has %d bytes", s.sent, next.row.IndexSize)
	}
}

func TestAFirstInstallationAsksForNoFineFile(t *testing.T) {
	s, _, next, fine := edited(t)
	d := s.device()
	s.ok(d.run(next, never(t)))
	d.shows(next)
	if s.sent[fine] != 0 {
		t.Errorf("sent %v", s.sent)
	}
}

func TestADeltaGoesBeforeTheFineFile(t *testing.T) {
	s, old, next, fine := edited(t)
	var out file
	_, err := pack.WriteDelta(t.Context(), &out, s.open(old), s.open(next), pack.DeltaOptions{})
	s.ok(err)
	hash := sha256.Sum256(out)
	s.deltas["delta"] = out
	next.row.Deltas = append(next.row.Deltas, asset.Delta{From: old.row.Content, URL: "delta", Size: int64(len(out)), Hash: hex.EncodeToString(hash[:])})
	d := s.device()
	s.ok(d.run(old, never(t)))
	s.ok(d.run(next, never(t)))
	d.shows(next)
	if s.sent[fine] != 0 || s.sent["delta"] == 0 {
		t.Errorf("sent %v", s.sent)
	}
}

func TestAFineFileThatBreaksOffGoesOnWhereItStopped(t *testing.T) {
	s, old, next, _ := edited(t)
	whole := s.device()
	s.ok(whole.run(old, never(t)))
	clear(s.sent)
	s.ok(whole.run(next, never(t)))
	want := s.total()

	d := s.device()
	s.ok(d.run(old, never(t)))
	clear(s.sent)
	for tries := 0; ; tries++ {
		s.line = 2500
		err := d.run(next, never(t))
		if err == nil {
			break
		}
		if tries > 200 {
			t.Fatal(err)
		}
	}
	s.line = -1
	d.shows(next)
	if got := s.total(); got != want {
		t.Errorf("with a broken line %d bytes came, without %d", got, want)
	}
}

func TestUnderAWrongFineFileTheFramesServe(t *testing.T) {
	s, old, next, fine := edited(t)
	good := slices.Clone(s.deltas[fine])
	for name, spoil := range map[string]func() []byte{
		"gone":      func() []byte { return nil },
		"cut":       func() []byte { return good[:100] },
		"no head":   func() []byte { return append(make([]byte, 48), good[48:]...) },
		"no leaves": func() []byte { return append(slices.Clone(good[:48]), make([]byte, len(good)-48)...) },
		"no units":  func() []byte { return append(slices.Clone(good[:3000]), make([]byte, len(good)-5000)...) },
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			if s.deltas[fine] = spoil(); name == "gone" {
				delete(s.deltas, fine)
			}
			d := s.device()
			s.ok(d.run(old, never(t)))
			s.ok(d.run(next, func(error) {}))
			d.shows(next)
		})
	}
}

func TestWhatTheListSaysIsProvedAfterAPowerCut(t *testing.T) {
	s, old, next, fine := edited(t)
	d := s.device()
	s.ok(d.run(old, never(t)))
	s.line = next.row.IndexSize + 3000
	if err := d.run(next, never(t)); err == nil {
		t.Fatal("the line did not break")
	}
	s.line = -1
	row := next.row.Deltas[0]
	f, err := d.disk.OpenFile(d.base()+".fine-"+row.Hash[:16], 2, 0)
	s.ok(err)
	_, err = f.WriteAt(make([]byte, 1500), 0)
	s.ok(err)
	s.ok(f.Close())
	s.ok(d.run(next, never(t)))
	d.shows(next)
	if s.sent[fine] > 30<<10 {
		t.Errorf("sent %v", s.sent)
	}
}

func TestPatchesKnowWhatIsLacking(t *testing.T) {
	p := &patches{}
	for _, s := range []pack.Span{{Offset: 10, Length: 5}, {Offset: 30, Length: 5}, {Offset: 15, Length: 3}, {Offset: 0, Length: 2}, {Offset: 17, Length: 14}} {
		p.add(s)
	}
	if want := []pack.Span{{Offset: 0, Length: 2}, {Offset: 10, Length: 25}}; !slices.Equal(p.have, want) {
		t.Errorf("have %v, want %v", p.have, want)
	}
	if got, want := p.lacking(pack.Span{Offset: 1, Length: 39}), []pack.Span{{Offset: 2, Length: 8}, {Offset: 35, Length: 5}}; !slices.Equal(got, want) {
		t.Errorf("lacking %v, want %v", got, want)
	}
}

// crowd answers several requests at once, and breaks off some.
type crowd struct {
	net
	b      []byte
	breaks bool
	sent   atomic.Int64
}

func (c *crowd) Requests() int { return 5 }

func (c *crowd) Delta(_ context.Context, _ asset.Delta, offset, length int64) (io.ReadCloser, error) {
	n := length
	if c.breaks {
		n = length * 2 / 3
	}
	c.sent.Add(n)
	return io.NopCloser(bytes.NewReader(c.b[offset : offset+n])), nil
}

func TestSeveralRequestsFillOneFile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	c := &crowd{b: []byte(noise(r, 300<<10)), breaks: true}
	var spans []pack.Span
	want := int64(0)
	for at := int64(0); at < 280<<10; at += 7000 {
		spans = append(spans, pack.Span{Offset: at, Length: 3000})
		want += 3000
	}
	row := asset.Delta{Size: int64(len(c.b)), Hash: strings.Repeat("0", 64)}
	j := &Job{Base: filepath.Join(t.TempDir(), "one"), FS: fsx.OS(), Net: c}
	open := func() *patches {
		p, err := j.openPatches(j.fineFile(row), row)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := open()
	if err := p.Have(t.Context(), spans); err == nil || p.failed() == nil {
		t.Error("nobody told that the lines broke")
	}
	p.close()
	c.breaks = false
	p = open()
	defer p.close()
	if err := p.Have(t.Context(), spans); err != nil {
		t.Fatal(err)
	}
	for _, s := range spans {
		b := make([]byte, s.Length)
		if _, err := p.ReadAt(b, s.Offset); err != nil || !bytes.Equal(b, c.b[s.Offset:s.Offset+s.Length]) {
			t.Errorf("%+v: %v", s, err)
		}
	}
	if c.sent.Load() != want {
		t.Errorf("%d bytes were sent for %d", c.sent.Load(), want)
	}
	if err := p.Have(t.Context(), []pack.Span{{Offset: row.Size - 5, Length: 6}}); err == nil {
		t.Error("there is nothing beyond the end")
	}
}
