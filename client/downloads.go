package client

import (
	"context"

	"larder/asset"
)

// CurrentDownloads lists what is scheduled or running, whoever queued it, and
// what failed and was not asked for again (classic §4.1).
func (m *DownloadManager) CurrentDownloads(ctx context.Context) ([]asset.DownloadStatus, error) {
	apps, err := m.api.Downloads(ctx, "")
	if err != nil || len(apps) == 0 {
		return nil, err
	}
	var out []asset.DownloadStatus
	for _, d := range apps[0].Downloads {
		if d.State != asset.StateFinished {
			out = append(out, d)
		}
	}
	return out, nil
}

// Schedule enqueues d for the background, at a time the service chooses. Codes
// 100, 109, 111, 112, 202 and 206 as documented (classic §5).
func (m *DownloadManager) Schedule(ctx context.Context, d asset.URLDownload) (asset.DownloadStatus, error) {
	return m.api.Schedule(ctx, d)
}

// StartForeground starts d now, regardless of battery or network (unless the
// person said that nothing may use a metered one), or promotes
// the scheduled download of that identifier: it goes on from the bytes held
// (classic §4.2). It falls back to the background when this manager closes. Code
// 51 unless SetActive(true) was called.
func (m *DownloadManager) StartForeground(ctx context.Context, d asset.URLDownload) (asset.DownloadStatus, error) {
	session, err := m.connect()
	if err != nil {
		return asset.DownloadStatus{}, err
	}
	return m.api.StartForeground(ctx, session, d)
}

// Cancel ends a scheduled or running download by its unique identifier. Code 101
// when it has ended already, 113 when there never was one (classic §4).
func (m *DownloadManager) Cancel(ctx context.Context, uniqueIdentifier string) error {
	return m.api.CancelDownload(ctx, uniqueIdentifier)
}
