package client

import (
	"context"
	"io/fs"
	"path/filepath"

	"larder/asset"
	"larder/internal/shelf"
)

// LocalStatus tells of a pack without the network: downloaded, and, as far as the
// manifest that was fetched last tells, outOfDate and obsolete. An unknown pack has no
// bit (managed §1.4).
func (m *AssetPackManager) LocalStatus(id asset.PackID) asset.PackBits {
	p, ok := m.installed(id)
	if !ok {
		return 0
	}
	offer, err := m.lastOffer()
	if err != nil || offer == nil {
		return asset.PackDownloaded
	}
	now, offered := offer.Pack(id)
	switch {
	case offered && now.Version != p.Version:
		return asset.PackDownloaded | asset.PackOutOfDate
	case !offered && offer.Unfit[id] == "":
		return asset.PackDownloaded | asset.PackObsolete
	}
	return asset.PackDownloaded
}

// IsAvailableLocally reports whether any version of the pack is installed.
func (m *AssetPackManager) IsAvailableLocally(id asset.PackID) bool {
	_, ok := m.installed(id)
	return ok
}

func (m *AssetPackManager) installed(id asset.PackID) (shelf.Pack, bool) {
	view, err := m.current()
	if err != nil {
		return shelf.Pack{}, false
	}
	return view.Pack(id)
}

// StatusRelativeTo compares what is installed with p, a version that the caller got
// earlier, after a look at the server; it changes nothing (managed §1.4).
// UpdateAvailable is set only while the server has not gone beyond p.
func (m *AssetPackManager) StatusRelativeTo(ctx context.Context, p AssetPack) (asset.PackBits, error) {
	offer, err := m.api.Offer(ctx, m.app, true)
	m.changed()
	if err != nil {
		return 0, err
	}
	return m.status(ctx, &offer, p.ID, p.Version)
}

// Status is StatusRelativeTo the server's own version; an unknown pack is
// assetPackNotFound. Apple deprecates it in favour of that.
func (m *AssetPackManager) Status(ctx context.Context, id asset.PackID) (asset.PackBits, error) {
	offer, err := m.api.Offer(ctx, m.app, true)
	m.changed()
	if err != nil {
		return 0, err
	}
	have, installed := m.installed(id)
	p, offered := offer.Pack(id)
	switch {
	case offered:
		return m.status(ctx, &offer, id, p.Version)
	case installed:
		return m.status(ctx, &offer, id, have.Version)
	}
	return 0, asset.PackNotFound("status of asset pack", id)
}

func (m *AssetPackManager) status(ctx context.Context, offer *asset.PackOffer, id asset.PackID, version int64) (bits asset.PackBits, err error) {
	now, offered := offer.Pack(id)
	have, installed := m.installed(id)
	if offered {
		bits |= asset.PackDownloadAvailable
	}
	switch {
	case !installed:
	case !offered && offer.Unfit[id] == "":
		bits |= asset.PackDownloaded | asset.PackObsolete
	case have.Version == version:
		bits |= asset.PackDownloaded | asset.PackUpToDate
	default:
		bits |= asset.PackDownloaded | asset.PackOutOfDate
		if offered && now.Version == version && now.Version > have.Version {
			bits |= asset.PackUpdateAvailable
		}
	}
	list, err := m.api.Packs(ctx, m.app)
	if err != nil {
		return 0, err
	}
	for _, p := range list.Packs {
		if p.ID == id {
			bits |= p.Status & asset.PackDownloading
		}
	}
	return bits, nil
}

// LocalVersion is the installed version; assetPackNotFound when there is none.
func (m *AssetPackManager) LocalVersion(id asset.PackID) (int64, error) {
	p, ok := m.installed(id)
	if !ok {
		return 0, asset.PackNotFound("version of asset pack", id)
	}
	return p.Version, nil
}

// SizeMethod says how the size of an installed pack is counted.
type SizeMethod string

// The methods.
const (
	// SizeLogical sums up the bytes of all files.
	SizeLogical SizeMethod = "logical"
	// SizeAllocated sums up what the file system has allocated: about what removal
	// frees, where no other version shares it. It looks at every file.
	SizeAllocated SizeMethod = "allocated"
)

// LocalSize is the installed size in bytes; assetPackNotFound when it is not installed.
func (m *AssetPackManager) LocalSize(id asset.PackID, method SizeMethod) (int64, error) {
	p, ok := m.installed(id)
	switch {
	case !ok:
		return 0, asset.PackNotFound("size of asset pack", id)
	case method != SizeAllocated:
		return p.Size, nil
	}
	var sum int64
	err := filepath.WalkDir(filepath.Join(m.dir, filepath.FromSlash(p.Root)), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += allocated(info)
		}
		return err
	})
	return sum, err
}
