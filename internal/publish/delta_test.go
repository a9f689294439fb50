package publish

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/site"
	"larder/pack"
)

// words are much text that is the same each time, with one place that is not.
func words(mark string) string {
	r := rand.New(rand.NewPCG(1, 1))
	var b strings.Builder
	for i := range 6000 {
		b.WriteString([]string{"salt ", "bread ", "honey ", "flour ", "beans "}[r.IntN(5)])
		if b.WriteByte(byte('a' + r.IntN(26))); i == 3000 {
			b.WriteString(mark)
		}
	}
	return b.String()
}

func withDeltas(n int) func(*Options) { return func(o *Options) { o.Deltas = n } }

func (a *author) row(to Store, channel string) asset.Pack {
	a.t.Helper()
	text, err := to.Get(context.Background(), site.ManifestPath(game, channel), 1<<20)
	a.ok(err)
	m, err := asset.ParseDownloadManifest(text)
	a.ok(err)
	return m.Packs[0]
}

// leads proves that a delta of a row leads from one pack to the row's.
func (a *author) leads(to Store, d asset.Delta, from, row asset.Pack) {
	a.t.Helper()
	open := func(url string) Blob {
		name, ok := site.BlobOf(url)
		if !ok {
			a.t.Fatalf("%q names no blob of the site", url)
		}
		b, err := to.Open(context.Background(), name)
		a.ok(err)
		a.t.Cleanup(func() { _ = b.Close() })
		return b
	}
	base, file := open(from.URL), open(d.URL)
	old, err := pack.Open(base, base.Size())
	a.ok(err)
	delta, err := pack.OpenDelta(file, d.Size)
	a.ok(err)
	if d.From != from.Content || delta.Base().String() != from.Content || delta.Index().String() != row.Index || file.Size() != d.Size {
		a.t.Errorf("the delta %+v does not lead from %s to %s", d, from.Content, row.Content)
	}
	a.ok(delta.WriteIndex(context.Background(), &strings.Builder{}, old))
}

func TestADeltaLeadsFromEachVersionThatIsLive(t *testing.T) {
	a, to := newAuthor(t), Folder{t.TempDir(), fsx.OS()}
	_, err := a.publish(to, words("one"), withDeltas(3))
	a.ok(err)
	one := a.row(to, "production")
	done, err := a.publish(to, words("two"), withDeltas(3))
	a.ok(err)
	two := a.row(to, "production")
	if len(two.Deltas) != 1 || done.Blobs != 2 {
		t.Fatalf("%+v; %+v", two.Deltas, done)
	}
	a.leads(to, two.Deltas[0], one, two)
	u := done.Packs[0].Updates[0]
	if u.Delta != two.Deltas[0].Size || u.Download != u.Delta || u.Without < 4*u.Delta {
		t.Errorf("it tells of %+v", u)
	}
	again, err := a.publish(to, words("two"), withDeltas(3))
	a.ok(err)
	if again.Changed || again.Blobs != 0 || len(again.Packs[0].Updates) > 0 {
		t.Errorf("the same again: %+v", again)
	}
	// In another context the way leads from what is live there, and here.
	done, err = a.publish(to, words("three"), func(o *Options) { o.Deltas, o.Context = 3, "internal" })
	a.ok(err)
	three := a.row(to, "internal")
	if len(three.Deltas) != 1 {
		t.Fatalf("%+v", done)
	}
	a.leads(to, three.Deltas[0], two, three)
	done, err = a.publish(to, words("three"), withDeltas(3))
	a.ok(err)
	if row := a.row(to, "production"); len(row.Deltas) != 1 || done.Blobs != 0 || done.Packs[0].Updates[0].Delta == 0 {
		t.Errorf("what was released has %+v; %+v", row.Deltas, done)
	}
	a.device(to, t.TempDir())
}

func TestADeltaIsMadeOnlyWhereItIsWantedAndSparesSomething(t *testing.T) {
	for name, c := range map[string]struct {
		next   string
		change func(*Options)
		note   string
	}{
		"none wanted":    {words("two"), withDeltas(0), ""},
		"a dry run":      {words("two"), func(o *Options) { o.Deltas, o.DryRun = 3, true }, ""},
		"too long":       {words("two"), func(o *Options) { o.Deltas, o.DeltaMost = 3, 1000 }, "it would take long"},
		"spares nothing": {"two", withDeltas(3), "it would spare nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			a, to := newAuthor(t), Folder{t.TempDir(), fsx.OS()}
			_, err := a.publish(to, words("one"), withDeltas(3))
			a.ok(err)
			done, err := a.publish(to, c.next, c.change)
			a.ok(err)
			row := done.Packs[0]
			if u := row.Updates[0]; u.Delta != 0 || u.Download != u.Without || len(a.row(to, "production").Deltas) > 0 {
				t.Errorf("%+v", u)
			}
			if notes := strings.Join(row.Notes, "; "); (notes == "") != (c.note == "") || !strings.Contains(notes, c.note) {
				t.Errorf("it notes %q, want %q", notes, c.note)
			}
		})
	}
}

func TestABaseThatIsGoneOrDamagedGivesNoDeltaAndIsTold(t *testing.T) {
	a, to := newAuthor(t), Folder{t.TempDir(), fsx.OS()}
	_, err := a.publish(to, words("one"), withDeltas(3))
	a.ok(err)
	for i, spoil := range []func(blob string) error{
		func(blob string) error {
			b, err := os.ReadFile(blob)
			b[200] ^= 1
			return errors.Join(err, os.WriteFile(blob, b, 0o644))
		},
		func(blob string) error { return os.WriteFile(blob, []byte("AA01 something else"), 0o644) },
		os.Remove,
	} {
		name, _ := site.BlobOf(a.row(to, "production").URL)
		a.ok(spoil(filepath.Join(to.Dir, filepath.FromSlash(name))))
		done, err := a.publish(to, words(strings.Repeat("x", 5+i)), withDeltas(3))
		a.ok(err)
		if row := a.row(to, "production"); len(row.Deltas) > 0 || len(done.Packs[0].Notes) != 1 {
			t.Errorf("%d: %+v, %+v", i, row.Deltas, done.Packs[0])
		}
	}
}

func TestPublishingEndsInTheMiddleOfADelta(t *testing.T) {
	a, to := newAuthor(t), Folder{t.TempDir(), fsx.OS()}
	_, err := a.publish(to, words("one"), nil)
	a.ok(err)
	ctx, cancel := context.WithCancel(context.Background())
	signing, err := a.keys.Signing(ctx)
	a.ok(err)
	a.write("level/word.txt", words("two"))
	o := Options{To: to, App: game, Context: "production", Inputs: []string{filepath.Join(a.dir, "level.json")}, Signing: signing, Scratch: t.TempDir(), Now: now, Deltas: 1}
	o.Events.Patching = func(string, int64) (func(int), func()) { cancel(); return func(int) {}, func() {} }
	if _, err := Publish(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if v := a.row(to, "production").Version; v != 0 {
		t.Errorf("version %d is live", v)
	}
}
