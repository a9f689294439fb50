package publish

import (
	"context"
	"math/rand/v2"
	"testing"

	"larder/asset"
	"larder/internal/fsx"
	"larder/internal/site"
	"larder/pack"
)

func withFine(most int64) func(*Options) {
	return func(o *Options) { o.FineMost = most }
}

// fineOf is the fine file of a row; empty if there is none.
func fineOf(row asset.Pack) (d asset.Delta) {
	for _, d := range row.Deltas {
		if d.From == row.Content {
			return d
		}
	}
	return d
}

func TestANewVersionGetsAFineFile(t *testing.T) {
	a, to := newAuthor(t), Folder{t.TempDir(), fsx.OS()}
	noise := make([]byte, leastFine)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	publish := func(mark string, most int64) {
		_, err := a.publish(to, words(mark)+string(noise), withFine(most))
		a.ok(err)
	}
	publish("one", 1<<20)
	first := a.row(to, "production")
	if d := fineOf(first); d != (asset.Delta{}) {
		t.Errorf("the first version has %+v, and nobody has another", d)
	}
	publish("two", 100)
	if d := fineOf(a.row(to, "production")); d != (asset.Delta{}) {
		t.Errorf("a pack above the bound has %+v", d)
	}
	publish("three", 1<<20)
	row := a.row(to, "production")
	d := fineOf(row)
	open := func(url string) Blob {
		name, ok := site.BlobOf(url)
		if !ok {
			t.Fatalf("%q names no blob of the site", url)
		}
		b, err := to.Open(context.Background(), name)
		a.ok(err)
		t.Cleanup(func() { _ = b.Close() })
		return b
	}
	packs := [2]*pack.Archive{}
	for i, url := range []string{first.URL, row.URL} {
		b := open(url)
		p, err := pack.Open(b, b.Size())
		a.ok(err)
		packs[i] = p
	}
	f := open(d.URL)
	plan, err := pack.NewPlan(t.Context(), packs[1], []pack.Installed{{Archive: packs[0], Dir: "old"}}, pack.PlanOptions{Fine: pack.NewFine(pack.AtHand(f), f.Size())})
	a.ok(err)
	if got := plan.Figures(); got.Fine == 0 || got.Download != got.Fine || f.Size() != d.Size {
		t.Errorf("%+v", got)
	}
	publish("three", 1<<20)
	if again := fineOf(a.row(to, "production")); again != d {
		t.Errorf("published again it is %+v, not %+v", again, d)
	}
}
