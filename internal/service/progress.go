package service

import (
	"context"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/queue"
)

// beat is how often progress is told while somebody watches.
const beat = 250 * time.Millisecond

// Progress tells how an installation or update goes on until its gate is open
// and the essential files have been handed over (classic §2.3).
func (s *Service) Progress(ctx context.Context, id asset.AppID, send func(asset.Progress) error) error {
	var speed meter
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		p, err := s.progress(ctx, id, &speed)
		if err != nil {
			return err
		}
		if err := send(p); err != nil || p.Done {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// sample bounds how many downloads one line of progress names.
const sample = 32

func (s *Service) progress(ctx context.Context, id asset.AppID, speed *meter) (asset.Progress, error) {
	var app apps.App
	var manifest *asset.DownloadStatus
	var c queue.EssentialCount
	p := asset.Progress{App: id}
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if app, err = apps.Get(tx, id); err != nil {
			return err
		}
		if c, err = queue.Essential(tx, id); err != nil {
			return err
		}
		found, err := queue.EssentialSample(tx, id, sample)
		if err != nil {
			return err
		}
		if p.Downloads, err = s.downloads(tx, &app, found); err != nil {
			return err
		}
		p.Bytes = c.Bytes
		for n, d := range p.Downloads {
			p.Bytes += d.Bytes - found[n].Bytes // what runs is ahead of its row
		}
		manifest, err = s.describeManifest(tx, &app)
		return err
	})
	if err != nil {
		return p, err
	}
	p.State, p.Gate, p.TotalBytes = app.Life.Phase, app.Life.Gate, c.Total
	p.Count, p.Failed, p.Finished = c.Count, c.Failed, c.Count-c.Pending-c.Failed
	o := app.Life.Outcome
	handingOver := p.Gate.Open && p.State == asset.AppReady && o != nil && o.Code == asset.WhyReady && c.Undelivered > 0
	p.Done = p.Gate.Open && !handingOver
	if r := app.Bundle.Restrictions; c.Count == 0 && r != nil && !p.Done {
		p.TotalBytes, p.Estimated = r.EssentialDownloadAllowance, true
	}
	p.BytesPerSecond = speed.rate(time.Now(), p.Bytes)
	if left := p.TotalBytes - p.Bytes; !p.Estimated && p.BytesPerSecond > 0 {
		eta := (left + p.BytesPerSecond - 1) / p.BytesPerSecond
		p.ETASeconds = &eta
	}
	p.Reason = still(&p, manifest, handingOver)
	return p, nil
}

func (s *Service) describeManifest(tx *db.Tx, app *apps.App) (*asset.DownloadStatus, error) {
	e, found, err := queue.ManifestOf(tx, app.ID())
	if err != nil || !found {
		return nil, err
	}
	d, err := s.downloads(tx, app, []queue.Entry{e})
	if err != nil {
		return nil, err
	}
	return &d[0], nil
}

// still says why no bytes move, or nil while they do.
func still(p *asset.Progress, manifest *asset.DownloadStatus, handingOver bool) *asset.Reason {
	if p.BytesPerSecond > 0 {
		return nil
	}
	if handingOver {
		return &asset.Reason{Code: asset.WhyInstalling, Message: "the files are being handed to the app's extension", Unblock: "nothing to do", Since: p.Gate.Reason.Since}
	}
	if manifest != nil && p.State == asset.AppManifest && manifest.Reason != nil {
		return manifest.Reason
	}
	var waiting *asset.Reason
	for _, d := range p.Downloads {
		if d.State == asset.StateDownloading {
			return p.Gate.Reason
		}
		if d.State == asset.StateWaiting && d.Reason != nil && (waiting == nil || waiting.Code == asset.WhyQueued) {
			waiting = d.Reason
		}
	}
	if waiting != nil {
		return waiting
	}
	return p.Gate.Reason
}

// meter smooths a rate over a few seconds.
type meter struct {
	at    time.Time
	bytes int64
	speed float64
}

func (m *meter) rate(now time.Time, bytes int64) int64 {
	if m.at.IsZero() || bytes < m.bytes {
		*m = meter{at: now, bytes: bytes}
		return 0
	}
	if dt := now.Sub(m.at).Seconds(); dt > 0 {
		fresh := float64(bytes-m.bytes) / dt
		weight := min(dt/2, 1) // about two seconds of memory
		if m.speed == 0 {
			weight = 1
		}
		m.speed += (fresh - m.speed) * weight
		m.at, m.bytes = now, bytes
	}
	if m.speed < 1 {
		m.speed = 0
	}
	return int64(m.speed)
}
