package conformance

import (
	"errors"
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"larder/asset"
	"larder/client"
	"larder/internal/localapi"
)

func TestManaged_0_OneVersionIsLivePerContext(t *testing.T) {
	row(t, "managed §0", "A pack has an ID, unique per app, and an integer version, of which one is live per release context", "the manifest may have several; a device has the newest that fits its app, and one at a time")
	s := newShop(t, shared(t))
	one := s.sell("level", 1, essential, files{"l.txt": "1"})
	s.sell("level", 2, essential, files{"l.txt": "2"}, func(p *asset.Pack) { p.AppVersions = &asset.AppVersions{Minimum: "2"} })
	s.packs = append(s.packs, one)
	s.opened()
	m := s.manages()
	s.reads(m, "l.txt", "1")
	if v, err := m.LocalVersion("level"); err != nil || v != 1 {
		t.Error(v, err)
	}
}

func TestManaged_0_APackIsInstalledAsAWhole(t *testing.T) {
	row(t, "managed §0", "A pack is downloaded and installed as a whole", "no file of it shows before all are there and proved; only what is lacking is fetched")
	s := newShop(t, shared(t))
	s.sell("level", 1, onDemand, files{"a.txt": "a", "b.txt": "b"}, func(p *asset.Pack) { p.URL += "-gone" })
	s.opened()
	m := s.manages()
	if err := m.EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "level"); err == nil {
		t.Fatal("a pack that cannot be fetched was ensured")
	}
	if _, err := m.Contents("a.txt", client.In{}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestManaged_0_AllPacksAreOneTree(t *testing.T) {
	row(t, "managed §0", "All installed packs of an app appear as one merged directory tree", "as an fs.FS too")
	s := newShop(t, shared(t))
	s.sell("one", 1, essential, files{"levels/1.txt": "1"})
	s.sell("two", 1, essential, files{"levels/2.txt": "2"})
	s.opened()
	if err := fstest.TestFS(s.manages().FS(), "levels/1.txt", "levels/2.txt"); err != nil {
		t.Error(err)
	}
}

func TestManaged_0_EveryInstalledPackIsKeptCurrent(t *testing.T) {
	row(t, "managed §0", "The system keeps installed packs up to date in the background on its own schedule, whatever their policy", "each periodic check does, also for onDemand packs")
	s := newShop(t, shared(t))
	s.sell("extra", 1, onDemand, files{"e.txt": "1"})
	s.opened()
	s.ensure(s.manages(), "extra")
	s.launch()
	s.sell("extra", 2, onDemand, files{"e.txt": "2"})
	s.publish()
	s.simulate(localapi.SimulatePeriodic)
	s.untilInstalled("extra", 2)
}

func TestManaged_0_ALivePackStays(t *testing.T) {
	row(t, "managed §0", "A live installed pack isn't deleted while the app stays; an obsolete one is", "it goes when the app asks, when it is offered no more, when its language is not wanted, and with the app")
	s := newShop(t, shared(t))
	s.sell("keep", 1, essential, files{"k.txt": "k"})
	s.sell("old", 1, essential, files{"o.txt": "o"})
	s.opened()
	s.drop("old")
	s.publish()
	if updating, removed := s.checks(s.manages()); len(updating) > 0 || !slices.Equal(removed, []asset.PackID{"old"}) {
		t.Error(updating, removed)
	}
	s.reads(s.manages(), "k.txt", "k")
}

func TestManaged_0_ContentsAreProved(t *testing.T) {
	row(t, "managed §0", "Nothing about pack contents is hashed or signed in the public manifest", "our call: it names content and index by their SHA-256, and every byte is proved; signatures are the developer's choice")
	s := newShop(t, shared(t))
	s.sell("level", 1, onDemand, files{"l.txt": "right"})
	wrong := s.sell("other", 1, onDemand, files{"l.txt": "wrong"})
	s.packs[0].URL = wrong.URL
	s.packs[0].DownloadSize, s.packs[0].IndexSize = wrong.DownloadSize, wrong.IndexSize
	s.opened()
	err := s.manages().EnsureLocalAvailability(t.Context(), client.EnsureOptions{}, "level")
	wantCode(t, "ensure", err, asset.CodeHashMismatch)
}
