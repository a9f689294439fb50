package client

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"larder/asset"
	"larder/internal/localapi"
	"larder/internal/shelf"
)

// AssetPackManager is the app's view of its asset packs (AssetPackManager, managed
// §1): ask for packs, hear how they come, and read their files. Files are read from
// the shelf, without the service; what is installed serves offline.
//
//	m, err := client.OpenAssetPacks(ctx, client.Options{})
//	defer m.Close()
//	err = m.EnsureLocalAvailability(ctx, client.EnsureOptions{}, "level-2")
//	text, err := fs.ReadFile(m.FS(), "levels/2/map.json")
//
// What the process reads never changes under its feet: packs that it ensures are
// added, and only Refresh moves the others to newer versions. Methods are safe for
// concurrent use. A misconfigured app is an error of OpenAssetPacks, never the end of
// the process.
type AssetPackManager struct {
	api   *localapi.Client
	app   asset.AppID
	dir   string // the shelf
	shelf *shelf.Shelf
	offer string // its file

	mu    sync.Mutex
	known known
}

// fresh is how long what others change may go unnoticed by questions that are asked in a
// loop. What this process changes shows at once.
const fresh = 20 * time.Millisecond

// known is what was read of the disk last, as long as it is still so.
type known struct {
	viewed, asked  time.Time // when the disk was looked at
	views, offered stamp
	view           shelf.View
	offer          *asset.PackOffer // nil: there is none
}

// OpenAssetPacks gives the manager of this app's packs (managed §1.1). The service is
// needed only where the environment of "larder launch" lacks. Code 1000 when the
// app's bundle has no managed packs.
func OpenAssetPacks(ctx context.Context, o Options) (*AssetPackManager, error) {
	if o.Socket == "" {
		o.Socket = os.Getenv("LARDER_SOCKET")
	}
	if o.Socket == "" {
		return nil, &asset.Error{Code: asset.CodeConfiguration, Op: "open asset packs", Subject: "LARDER_SOCKET", Message: "it is not set",
			Help: "start the app with \"larder launch\", or name its socket"}
	}
	m := &AssetPackManager{api: localapi.NewAppClient(o.Socket), app: o.App, dir: o.Shelf, offer: o.Offer}
	if o == (Options{Socket: os.Getenv("LARDER_SOCKET")}) {
		m.app, m.dir, m.offer = asset.AppID(os.Getenv("LARDER_APP_ID")), os.Getenv("LARDER_SHELF"), os.Getenv("LARDER_OFFER")
	}
	if m.app == "" || m.dir == "" || m.offer == "" {
		if err := m.ask(ctx); err != nil {
			return nil, err
		}
	}
	offer, err := m.lastOffer()
	if err != nil {
		return nil, err
	}
	var opts shelf.Options
	if offer != nil && offer.ResolvedLanguage != "" {
		opts.Languages = []string{offer.ResolvedLanguage}
	}
	m.shelf, err = shelf.Open(m.dir, opts)
	return m, err
}

// ask learns from the service who and where we are.
func (m *AssetPackManager) ask(ctx context.Context) error {
	if m.app == "" {
		h, err := m.api.Hello(ctx)
		if err != nil {
			return err
		}
		m.app = h.App
	}
	p, err := m.api.Packs(ctx, m.app)
	m.dir, m.offer = p.Shelf, p.Offer
	return err
}

// Close frees the packs' files for removal. Files that are open stay so.
func (m *AssetPackManager) Close() error { return m.shelf.Close() }

// Refresh moves this process to what is installed now, all packs at once, and tells
// whether that changed anything.
func (m *AssetPackManager) Refresh() (changed bool, err error) { return m.shelf.Refresh() }

// stamp tells whether something on the disk is still as it was when it was read.
type stamp struct {
	at   time.Time // of the file; zero: it was not there
	size int64
	sure bool // it was older than the clock's grain then
}

func stampOf(name string) (stamp, error) {
	now := time.Now()
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return stamp{}, nil
	}
	if err != nil {
		return stamp{}, err
	}
	return stamp{at: info.ModTime(), size: info.Size(), sure: now.Sub(info.ModTime()) > 50*time.Millisecond}, nil
}

func (s stamp) holds(now stamp) bool { return s.sure && s.at.Equal(now.at) && s.size == now.size }

// current is the newest view of the shelf; it may be ahead of what this process reads.
func (m *AssetPackManager) current() (shelf.View, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.known.viewed) < fresh {
		return m.known.view, nil
	}
	now, err := stampOf(filepath.Join(m.dir, "views"))
	if err != nil {
		return shelf.View{}, err
	}
	m.known.viewed = time.Now()
	if m.known.views.holds(now) {
		return m.known.view, nil
	}
	view, err := shelf.Current(m.dir)
	if err == nil {
		m.known.views, m.known.view = now, view
	}
	return view, err
}

// changed forgets what was read of the disk: something happened.
func (m *AssetPackManager) changed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known.viewed, m.known.asked = time.Time{}, time.Time{}
}

// lastOffer is what the manifest that was fetched last offers; nil when none was.
func (m *AssetPackManager) lastOffer() (*asset.PackOffer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.known.asked) < fresh {
		return m.known.offer, nil
	}
	now, err := stampOf(m.offer)
	if err != nil {
		return nil, err
	}
	m.known.asked = time.Now()
	if m.known.offered.holds(now) {
		return m.known.offer, nil
	}
	text, err := os.ReadFile(m.offer)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var o asset.PackOffer
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil {
		return nil, &asset.Error{Code: asset.CodeInternal, Op: "read offer", Subject: m.offer, Message: "it cannot be read", Err: err, Help: "have the manifest fetched again: CheckForUpdates"}
	}
	m.known.offered, m.known.offer = now, &o
	return &o, nil
}

// Manifest is what can be downloaded now (managed §1.2). It may ask the service, and
// that the network, when what is known is old.
func (m *AssetPackManager) Manifest(ctx context.Context) (*AssetPackManifest, error) {
	defer m.changed()
	o, err := m.api.Offer(ctx, m.app, false)
	return &AssetPackManifest{offer: o}, err
}

// AssetPack is one pack of the manifest; assetPackNotFound (0 of BAManagedErrorDomain)
// when it has none of that identifier.
func (m *AssetPackManager) AssetPack(ctx context.Context, id asset.PackID) (AssetPack, error) {
	manifest, err := m.Manifest(ctx)
	if err != nil {
		return AssetPack{}, err
	}
	p, ok := manifest.AssetPack(id)
	if !ok {
		return p, asset.PackNotFound("find asset pack", id)
	}
	return p, nil
}

// Remove deletes the files of a pack; a later ensure downloads it again. Other
// processes keep what they read.
func (m *AssetPackManager) Remove(ctx context.Context, id asset.PackID) error {
	defer m.changed()
	if err := m.api.RemovePack(ctx, m.app, id); err != nil {
		return err
	}
	m.shelf.Drop(id)
	return nil
}

// CheckForUpdates fetches the manifest, has outdated packs updated and obsolete ones
// removed, and returns once that is scheduled, with what began because of this call
// (managed §1.6).
func (m *AssetPackManager) CheckForUpdates(ctx context.Context) (updating, removed []asset.PackID, err error) {
	defer m.changed()
	p, err := m.api.CheckForUpdates(ctx, m.app)
	return p.Updating, p.Removed, err
}
