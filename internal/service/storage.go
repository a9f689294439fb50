package service

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/policy"
	"larder/internal/purge"
)

// The disk is critically low when less is free than downloads leave for the rest
// of the machine, so that fetching alone never makes it so. Purging goes on until
// twice as much is free: a little room, and not the next purge a minute later.
const (
	defaultCritical = 64 << 20
	goalFactor      = 2
	diskLook        = 5 * time.Minute // between two looks at the free space
	diskPause       = time.Minute     // after a search that found nothing
)

// group is an app group with all its apps.
type group struct {
	id   asset.GroupID
	apps []apps.App
	used time.Time // when any of them was last launched
}

// groups gives those of all apps, or of the one named; the least used first.
func (s *Service) groups(ctx context.Context, only asset.AppID) (out []group, err error) {
	var all []apps.App
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if only != "" {
			if _, err := apps.Get(tx, only); err != nil {
				return err
			}
		}
		all, err = apps.List(tx)
		return err
	})
	for _, app := range all {
		n := slices.IndexFunc(out, func(g group) bool { return g.id == app.Bundle.Group })
		if n < 0 {
			n, out = len(out), append(out, group{id: app.Bundle.Group})
		}
		out[n].apps = append(out[n].apps, app)
		if t := app.Habit.LastLaunch; t.After(out[n].used) {
			out[n].used = t
		}
	}
	if only != "" {
		out = slices.DeleteFunc(out, func(g group) bool {
			return !slices.ContainsFunc(g.apps, func(a apps.App) bool { return a.ID() == only })
		})
	}
	slices.SortStableFunc(out, func(a, b group) int { return a.used.Compare(b.used) })
	return out, err
}

// Storage says who uses what.
func (s *Service) Storage(ctx context.Context) (asset.Storage, error) {
	free, err := s.free(s.config.Dirs.Data)
	st := asset.Storage{Free: free, Critical: s.config.Critical, Goal: s.goal(), Apps: []asset.AppStorage{}, Notes: []string{}}
	if err != nil {
		st.Notes = append(st.Notes, "how much is free is not known: "+err.Error())
	}
	if !purge.Supported(s.config.Dirs.Data) {
		st.Notes = append(st.Notes, "this disk keeps no marks, so nothing is purgeable")
	}
	groups, err := s.groups(ctx, "")
	if err != nil {
		return st, err
	}
	for _, g := range groups {
		shared, err := s.use(ctx, s.config.Dirs.Container(g.id))
		if err != nil {
			return st, err
		}
		for _, app := range g.apps {
			inbox, err := s.use(ctx, s.config.Dirs.Inbox(g.id, app.ID()))
			if err != nil {
				return st, err
			}
			partial, err := s.use(ctx, s.config.Dirs.Partial(g.id, app.ID()))
			if err != nil {
				return st, err
			}
			st.Apps = append(st.Apps, asset.AppStorage{ID: app.ID(), Group: g.id, Inbox: inbox.Bytes, Partial: partial.Bytes, Container: shared.Bytes,
				Purgeable: shared.Purgeable, PurgeableFiles: shared.PurgeableFiles})
		}
	}
	slices.SortFunc(st.Apps, func(a, b asset.AppStorage) int { return cmp.Compare(a.ID, b.ID) })
	return st, nil
}

func (s *Service) goal() int64 { return goalFactor * s.config.Critical }

func (s *Service) use(ctx context.Context, dir string) (purge.Use, error) {
	t, err := purge.Open(dir)
	if missing(err) {
		return purge.Use{}, nil
	}
	if err != nil {
		return purge.Use{}, configuration("look into", dir, err)
	}
	defer t.Close()
	return t.Walk(ctx, nil)
}

// Purge deletes all that is purgeable, of all apps or of the group of one.
func (s *Service) Purge(ctx context.Context, only asset.AppID) (asset.Purged, error) {
	return s.purge(ctx, only, func() int64 { return math.MaxInt64 })
}

// purge deletes purgeable files while need gives a number of bytes: of the apps
// that were not launched for longest first, and of these the oldest first.
func (s *Service) purge(ctx context.Context, only asset.AppID, need func() int64) (sum asset.Purged, err error) {
	groups, err := s.groups(ctx, only)
	for _, g := range groups {
		if err != nil || need() <= 0 {
			break
		}
		var t *purge.Tree
		if t, err = purge.Open(s.config.Dirs.Container(g.id)); missing(err) {
			err = nil
			continue
		}
		if err == nil {
			err = s.purgeGroup(ctx, g, t, need, &sum)
			err = errors.Join(err, t.Close())
		}
	}
	if sum.Files > 0 {
		s.config.Log.Info("purged", "files", sum.Files, "bytes", sum.Bytes)
		s.Wake() // downloads may have waited for space
	}
	return sum, err
}

// Bounds of a purge: how many files are remembered in one round, and how many go
// together with one note of them.
const (
	purgeList  = 1 << 16
	purgeBatch = 64
)

func (s *Service) purgeGroup(ctx context.Context, g group, t *purge.Tree, need func() int64, sum *asset.Purged) error {
	for {
		var files []purge.File
		if _, err := t.Walk(ctx, func(f purge.File) {
			if len(files) < purgeList {
				files = append(files, f)
			}
		}); err != nil {
			return err
		}
		slices.SortStableFunc(files, func(a, b purge.File) int { return a.Modified.Compare(b.Modified) })
		full, before := len(files) == purgeList, sum.Files
		for want := need(); want > 0 && len(files) > 0; want = need() {
			n := 0
			for n < min(len(files), purgeBatch) && want > 0 {
				want -= files[n].Size
				n++
			}
			if err := s.purgeFiles(ctx, g, t, files[:n], sum); err != nil {
				return err
			}
			files = files[n:]
		}
		if !full || sum.Files == before || need() <= 0 {
			return nil
		}
	}
}

// purgeFiles deletes files in three steps: out of their place, on record, gone.
func (s *Service) purgeFiles(ctx context.Context, g group, t *purge.Tree, files []purge.File, sum *asset.Purged) error {
	var aside []purge.Aside
	var told []asset.PurgedFile
	for _, f := range files {
		if a, ok := t.SetAside(f); ok {
			aside = append(aside, a)
			told = append(told, asset.PurgedFile{Path: f.Name, Size: f.Size})
		}
	}
	if len(aside) == 0 {
		return nil
	}
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		for _, app := range g.apps {
			if err := apps.NotePurged(tx, app.ID(), told); err != nil {
				return err
			}
		}
		return nil
	})
	for _, a := range aside {
		if err == nil {
			err = a.Delete()
		}
		if err != nil {
			a.PutBack()
			continue
		}
		sum.Files++
		sum.Bytes += a.Size
	}
	if err != nil {
		return err
	}
	for _, app := range g.apps {
		s.hub.Publish(asset.Event{Type: asset.EventPurged, App: app.ID(), Purged: told})
	}
	s.Wake() // processes that are connected are told
	return nil
}

// watchDisk purges when the disk is critically low, until ctx ends. Where nothing
// was purgeable it does not search again at once, however often it is called.
func (s *Service) watchDisk(ctx context.Context) {
	tick := time.NewTicker(diskLook)
	defer tick.Stop()
	var vain time.Time // when a search found nothing
	for {
		found, err := s.relieve(ctx)
		if err != nil && ctx.Err() == nil {
			s.config.Log.Warn("purging failed; trying again later", "error", err)
		}
		if vain = (time.Time{}); !found {
			vain = time.Now()
		}
		for again := false; !again; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				again = true
			case changed := <-s.disk:
				again = changed || time.Since(vain) > diskPause
			}
		}
	}
}

// lookAtDisk makes watchDisk look now.
func (s *Service) lookAtDisk(changed bool) {
	select {
	case s.disk <- changed:
	default:
	}
}

// relieve purges if the disk is critically low; found is false when there was
// nothing to purge then.
func (s *Service) relieve(ctx context.Context) (found bool, err error) {
	free, err := s.free(s.config.Dirs.Data)
	if err != nil || free >= s.config.Critical {
		return err == nil, err
	}
	s.config.Log.Info("the disk is critically low: purging", "free", policy.Bytes(free), "goal", policy.Bytes(s.goal()))
	sum, err := s.purge(ctx, "", func() int64 {
		free, err := s.free(s.config.Dirs.Data)
		if err != nil {
			return 0
		}
		return s.goal() - free
	})
	return sum.Files > 0, err
}
