package serve

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"larder/asset"
	"larder/internal/faulty"
	"larder/internal/publish"
	"larder/internal/site"
)

// Options of a server.
type Options struct {
	// Inputs are packs, packaging manifests, and directories of these; or one site.
	Inputs []string
	// Versions of the inputs, in their order: those that they get at first. Nil
	// leaves them to the state, or begins at 0.
	Versions []int64
	// State is a file that keeps the versions of packs from one run to the next.
	State string
	// App alone may ask; every app if empty.
	App asset.AppID
	// Scratch is an empty directory for what is built; the caller removes it.
	Scratch string
	// Faults of the server; nil for none.
	Faults *faulty.Script
	// Every is how often sources are looked at; 0 means every second.
	Every  time.Duration
	Events Events
}

// Events tell what happens. Each may be nil, and may be called at any time.
type Events struct {
	Building publish.Events
	// Published is told each change that was taken after Open.
	Published func(*publish.Report)
	// Stays tells why a change was not taken: Faults, or what the disk said. It is nil
	// when nothing is wrong any more.
	Stays func(error)
	// Answered is told each request when its answer has ended.
	Answered func(Request)
	// Trouble is a line about a connection that no request came of.
	Trouble func(string)
}

// Server serves what Open found.
type Server struct {
	Options
	stock *stock // nil: a site is served as it is
	root  *os.Root
	files http.Handler

	now    atomic.Pointer[shown]
	recent recent
	base   string // of URLs, without a slash at the end
	about  Authority
}

// shown is what is served at present.
type shown struct {
	packs []Pack
	names map[string][]string // of blobs, by their path in the site
}

// Pack is one that is served.
type Pack struct {
	asset.Pack
	File string `json:"-"` // what it was made from
}

// Open builds and publishes all inputs. An error that is Faults tells all that is wrong with them.
func Open(ctx context.Context, o Options) (*Server, error) {
	if o.Faults == nil {
		o.Faults = faulty.New(nil, 0)
	}
	if o.Every == 0 {
		o.Every = time.Second
	}
	dir, err := onlySite(o.Inputs)
	if err != nil {
		return nil, err
	}
	s := &Server{Options: o}
	if dir == "" {
		dir = filepath.Join(o.Scratch, "site")
		s.stock = &stock{inputs: o.Inputs, state: o.State, site: site.Folder{Dir: dir}, scratch: o.Scratch, building: o.Events.Building}
		if err := s.stock.begin(o.Versions); err != nil {
			return nil, err
		}
		if _, err := s.stock.refresh(ctx, true); err != nil {
			return nil, err
		}
		s.stock.told = o.Events.Published
	}
	if s.root, err = os.OpenRoot(dir); err != nil {
		return nil, err
	}
	s.files = site.Handler(s.root)
	return s, s.show()
}

// Close frees what Open opened.
func (s *Server) Close() error { return s.root.Close() }

// Packs are those that are served at present.
func (s *Server) Packs() []Pack { return s.now.Load().packs }

// IsSite reports whether a site is served as it is.
func (s *Server) IsSite() bool { return s.stock == nil }

// Serve answers on l until ctx ends, and follows changes. base is the URL by which l is reached.
func (s *Server) Serve(ctx context.Context, l net.Listener, base string, about Authority) error {
	s.base, s.about = strings.TrimSuffix(base, "/"), about
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute,
		BaseContext: func(net.Listener) context.Context { return ctx }, ErrorLog: log.New(trouble{s.Events.Trouble}, "", 0)}
	var work sync.WaitGroup
	defer work.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	work.Go(func() { s.follow(ctx) })
	ended := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer ended()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// trouble is where net/http logs what is no answer.
type trouble struct{ tell func(string) }

func (t trouble) Write(line []byte) (int, error) {
	if t.tell != nil {
		t.tell(strings.TrimSpace(string(line)))
	}
	return len(line), nil
}

// follow looks at the sources until ctx ends. It rests nine tenths of the time.
func (s *Server) follow(ctx context.Context) {
	wait, last := s.Every, ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		began := time.Now()
		err := s.refresh(ctx)
		if ctx.Err() != nil {
			return
		}
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != last && s.Events.Stays != nil {
			s.Events.Stays(err)
		}
		last = text
		wait = max(s.Every, 9*time.Since(began))
	}
}

func (s *Server) refresh(ctx context.Context) error {
	if s.stock != nil {
		if changed, err := s.stock.refresh(ctx, false); err != nil || !changed {
			return err
		}
	}
	return s.show()
}
