package client

import (
	"context"
	"errors"
	"iter"
	"time"

	"larder/asset"
)

// DownloadStatusUpdate is one event of the way of a pack (managed §1.3): began (also
// after a pause), paused, progress, finished (and installed) or failed.
type DownloadStatusUpdate struct {
	Type    asset.EventType
	Pack    asset.PackID
	Version int64
	// Bytes of TotalBytes are here: what has to come over the network, which for an update is
	// less than the archive.
	Bytes, TotalBytes int64
	// Traffic tells what it cost, those bytes too that came in vain; nil before anything came.
	Traffic *asset.Traffic
	// Rate is the smoothed pace in bytes per second, ETA the time that is left at it; 0 when
	// they cannot be told.
	Rate int64
	ETA  time.Duration
	// Reason says why a pack waits or failed.
	Reason *asset.Reason
}

// Terminal reports whether the update ends a download.
func (u DownloadStatusUpdate) Terminal() bool {
	return u.Type == asset.EventFinished || u.Type == asset.EventFailed
}

// StatusUpdates follows all packs of the app until the loop or ctx ends. It waits for a
// service that goes away to come back; an error ends it.
func (m *AssetPackManager) StatusUpdates(ctx context.Context) iter.Seq2[DownloadStatusUpdate, error] {
	return func(yield func(DownloadStatusUpdate, error) bool) {
		m.followPacks(ctx, "", func(u DownloadStatusUpdate, err error) bool { return yield(u, err) })
	}
}

// StatusUpdatesFor follows one pack and ends after its finished or failed. Whoever comes
// late gets the end at once: finished, when the pack is installed and nothing is
// on its way; failed, when its last download has failed.
func (m *AssetPackManager) StatusUpdatesFor(ctx context.Context, id asset.PackID) iter.Seq2[DownloadStatusUpdate, error] {
	return func(yield func(DownloadStatusUpdate, error) bool) {
		m.followPacks(ctx, id, func(u DownloadStatusUpdate, err error) bool {
			return yield(u, err) && err == nil && !u.Terminal()
		})
	}
}

func (m *AssetPackManager) followPacks(ctx context.Context, only asset.PackID, yield func(DownloadStatusUpdate, error) bool) {
	paces := map[asset.PackID]*pace{}
	for {
		for ev, err := range m.api.Events(ctx, m.app) {
			if err != nil {
				if ctx.Err() != nil || !errors.Is(err, asset.Sentinel(asset.CodeConnectionInvalid)) {
					if ctx.Err() == nil {
						yield(DownloadStatusUpdate{}, err)
					}
					return
				}
				break
			}
			if ev.Type == asset.EventSnapshot && only != "" {
				if u, ok := m.late(ev.Status, only); ok && !yield(u, nil) {
					return
				}
			}
			d := ev.Download
			if d == nil || d.AssetPack == "" || only != "" && d.AssetPack != only {
				continue
			}
			u := update(ev.Type, d)
			if u.Terminal() {
				m.changed()
			}
			p := paces[u.Pack]
			if p == nil {
				p = &pace{}
				paces[u.Pack] = p
			}
			u.Rate, u.ETA = p.tell(time.Now(), u.Bytes, u.TotalBytes)
			if !yield(u, nil) {
				return
			}
		}
		select {
		case <-time.After(reconnect):
		case <-ctx.Done():
			return
		}
	}
}

func update(t asset.EventType, d *asset.DownloadStatus) DownloadStatusUpdate {
	return DownloadStatusUpdate{Type: t, Pack: d.AssetPack, Version: d.PackVersion, Bytes: d.Bytes, TotalBytes: d.TotalBytes, Traffic: d.Traffic, Reason: d.Reason}
}

// late is the end of a pack that nothing more will be heard of.
func (m *AssetPackManager) late(st *asset.Status, id asset.PackID) (DownloadStatusUpdate, bool) {
	if st == nil || len(st.Apps) == 0 {
		return DownloadStatusUpdate{}, false
	}
	var last *asset.DownloadStatus
	for n, d := range st.Apps[0].Downloads {
		if d.AssetPack == id {
			last = &st.Apps[0].Downloads[n]
		}
	}
	switch {
	case last != nil && last.State == asset.StateFailed:
		return update(asset.EventFailed, last), true
	case last != nil && !last.State.Settled():
		return DownloadStatusUpdate{}, false
	}
	if p, ok := m.installed(id); ok {
		if last != nil && last.PackVersion == p.Version {
			return update(asset.EventFinished, last), true
		}
		return DownloadStatusUpdate{Type: asset.EventFinished, Pack: id, Version: p.Version}, true
	}
	return DownloadStatusUpdate{}, false
}

// pace smooths a rate over some seconds.
type pace struct {
	at    time.Time
	bytes int64
	speed float64
}

func (p *pace) tell(now time.Time, bytes, total int64) (int64, time.Duration) {
	dt := now.Sub(p.at).Seconds()
	switch {
	case p.at.IsZero() || bytes < p.bytes:
		*p = pace{at: now, bytes: bytes}
	case dt >= 0.1:
		fresh := float64(bytes-p.bytes) / dt
		if p.speed == 0 {
			p.speed = fresh
		}
		p.speed += (fresh - p.speed) * min(dt/2, 1)
		p.at, p.bytes = now, bytes
	}
	if p.speed < 1 {
		return 0, 0
	}
	return int64(p.speed), time.Duration(float64(max(total-bytes, 0)) / p.speed * float64(time.Second))
}
