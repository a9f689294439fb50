package service

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"larder/asset"
	"larder/internal/apps"
	"larder/internal/db"
	"larder/internal/dirs"
	"larder/internal/localapi"
	"larder/internal/queue"
)

// sockets are the addresses of apps that this service listens on, to be removed
// at its end. The owner's goes with its listener, unless a service manager holds
// it.
type sockets struct {
	mu   sync.Mutex
	apps map[asset.AppID]string
}

// listen opens the owner's socket and one per app.
func (s *Service) listen(ctx context.Context) error {
	var known []apps.App
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) { known, err = apps.List(tx); return err })
	if err != nil {
		return err
	}
	for _, app := range known {
		if err := s.serveApp(app.ID()); err != nil {
			return err
		}
	}
	ln, err := s.config.Listen(s.config.Dirs.OwnerSocket())
	if err != nil {
		return err
	}
	s.work.Go(func() { s.served(s.server.ServeOwner(ln)) })
	if runtime.GOOS != "windows" {
		if err := sweepRun(dirs.Shared(), s.config.Dirs.Run); err != nil {
			s.config.Log.Warn("sockets of services that were killed could not be removed", "error", err)
		}
	}
	return nil
}

// serveApp opens the one socket that an app may use.
func (s *Service) serveApp(id asset.AppID) error {
	path := s.config.Dirs.AppSocket(id)
	ln, err := s.config.Listen(path)
	if err != nil {
		return err
	}
	s.sockets.mu.Lock()
	if s.sockets.apps == nil {
		s.sockets.apps = map[asset.AppID]string{}
	}
	s.sockets.apps[id] = path
	s.sockets.mu.Unlock()
	s.work.Go(func() { s.served(s.server.ServeApp(ln, id)) })
	return nil
}

func (s *Service) served(err error) {
	if err != nil {
		s.config.Log.Error("a socket stopped serving", "error", err)
	}
}

func (x *sockets) remove(id asset.AppID, server *localapi.Server) {
	server.CloseApp(id)
	x.mu.Lock()
	defer x.mu.Unlock()
	os.Remove(x.apps[id])
	delete(x.apps, id)
}

func (x *sockets) removeAll() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, path := range x.apps {
		os.Remove(path)
	}
}

// clear removes the sockets of apps and, when they are empty then, their folders.
func (x *sockets) clear(run string) {
	x.removeAll()
	os.Remove(filepath.Join(run, "apps"))
	os.Remove(run)
}

// orphaned is how long nothing must have changed in a folder of sockets that nobody
// answers on: a service makes the folder a moment before it listens.
const orphaned = time.Minute

// sweepRun removes the folders beside own that services left which were killed, and
// whose data directory may never see another: see dirs.Shared.
func sweepRun(shared, own string) error {
	entries, err := os.ReadDir(shared)
	if missing(err) {
		return nil
	}
	for _, e := range entries {
		run := filepath.Join(shared, e.Name())
		info, ierr := e.Info()
		if ierr != nil || !e.IsDir() || run == own || time.Since(info.ModTime()) < orphaned {
			continue
		}
		conn, derr := net.DialTimeout("unix", filepath.Join(run, "owner.sock"), time.Second)
		switch {
		case derr == nil:
			conn.Close()
		case errors.Is(derr, syscall.ECONNREFUSED) || missing(derr):
			err = errors.Join(err, os.RemoveAll(run))
		}
	}
	return err
}

// sweep removes the folders of apps and groups that are not known: what an
// uninstallation or a crash left behind.
func (s *Service) sweep(known []apps.App) error {
	d := s.config.Dirs
	inGroup := map[string]map[string]bool{}
	for _, app := range known {
		g := string(app.Bundle.Group)
		if inGroup[g] == nil {
			inGroup[g] = map[string]bool{}
		}
		inGroup[g][string(app.ID())] = true
	}
	groups, err := s.names(filepath.Join(d.Data, "groups"))
	for _, g := range groups {
		group := d.Group(asset.GroupID(g))
		if inGroup[g] == nil {
			err = errors.Join(err, s.config.FS.RemoveAll(group))
			continue
		}
		for _, kind := range dirs.Kinds() {
			ids, nerr := s.names(filepath.Join(group, kind))
			err = errors.Join(err, nerr)
			for _, id := range ids {
				if !inGroup[g][id] {
					err = errors.Join(err, s.config.FS.RemoveAll(filepath.Join(group, kind, id)))
				}
			}
		}
	}
	return err
}

// tidy removes files of downloads that are over: what a crash left between a row
// and its file, and the manifest of a round that was broken off. A file is never
// there before its row, so that names are read first.
func (s *Service) tidy(ctx context.Context, app *apps.App) error {
	g, id := app.Bundle.Group, app.ID()
	for _, dir := range []string{s.config.Dirs.Inbox(g, id), s.config.Dirs.Partial(g, id)} {
		names, err := s.names(dir)
		if err != nil {
			return err
		}
		if len(names) == 0 {
			continue
		}
		var needed map[string]bool
		if err := s.db.Read(ctx, func(tx *db.Tx) (err error) { needed, err = queue.Needed(tx, id); return err }); err != nil {
			return err
		}
		for _, name := range names {
			of, _, _ := strings.Cut(name, ".") // a pack has several files
			if !needed[of] {
				err = errors.Join(err, s.config.FS.RemoveAll(filepath.Join(dir, name)))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) names(dir string) ([]string, error) {
	entries, err := s.config.FS.ReadDir(dir)
	if missing(err) {
		return nil, nil
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out, err
}
