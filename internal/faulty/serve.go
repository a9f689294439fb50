package faulty

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
)

// Script is what a server does wrong, and how often it has done so.
type Script struct {
	faults []Fault
	seed   uint64

	mu    sync.Mutex
	files map[string]*file
}

// New is a script that begins. The seed decides what is left to chance.
func New(faults []Fault, seed uint64) *Script {
	return &Script{faults: faults, seed: seed, files: map[string]*file{}}
}

// Serving says how one request is to be answered.
type Serving struct {
	// Names of the file that is asked for; faults are matched with them, and the
	// first tells it from other files. Without one it is the path.
	Names []string
	// Changed serves what the file has become after as many changes; nil means
	// that the handler's own answer is altered.
	Changed func(times int) http.Handler
	// Paces hold each answer back, now; nil holds none.
	Paces func() []*Pace
	// Struck is told each word that strikes; it may be nil.
	Struck func(word string)
}

// Serve answers r with next, as wrongly as the script says.
func (s *Script) Serve(w http.ResponseWriter, r *http.Request, next http.Handler, o Serving) {
	if len(o.Names) == 0 {
		o.Names = []string{r.URL.Path}
	}
	if o.Struck == nil {
		o.Struck = func(string) {}
	}
	f := s.file(o.Names)
	if len(f.strikes) == 0 && o.Paces == nil {
		next.ServeHTTP(w, r)
		return
	}
	changes, word := f.ask()
	if word != "" {
		o.Struck(word)
	}
	if x, struck := f.strike(func(x *strike) bool { return x.Kind == Status }); struck {
		o.Struck(x.Word)
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(int(x.Value))
		return
	}
	out := &writer{ResponseWriter: w, file: f, ctx: r.Context(), serving: o}
	switch {
	case changes > 0 && o.Changed != nil:
		next = o.Changed(changes)
	case changes > 0:
		out.changes = changes
		r = r.Clone(r.Context())
		restoreTags(r.Header, changes)
	}
	if x, struck := f.strike(func(x *strike) bool { return x.Kind == Slow }); struck {
		o.Struck(x.Word)
		out.slow = NewPace(x.Value)
	}
	next.ServeHTTP(out, r)
}

// file is what the script knows of a file.
func (s *Script) file(names []string) *file {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[names[0]]
	if f == nil {
		f = &file{name: names[0], seed: s.seed}
		for i := range s.faults {
			if s.faults[i].matches(names) {
				f.strikes = append(f.strikes, &strike{Fault: s.faults[i], word: i})
			}
		}
		s.files[names[0]] = f
	}
	return f
}

// Count is how often a word has struck.
type Count struct {
	Word   string
	Struck int
}

// Counts tells of each word of the script how often it has struck any file.
func (s *Script) Counts() []Count {
	s.mu.Lock()
	files := make([]*file, 0, len(s.files))
	for _, f := range s.files {
		files = append(files, f)
	}
	s.mu.Unlock()
	out := make([]Count, len(s.faults))
	for i, f := range s.faults {
		out[i].Word = f.Word
	}
	for _, f := range files {
		f.mu.Lock()
		for _, x := range f.strikes {
			out[x.word].Struck += x.struck
		}
		f.mu.Unlock()
	}
	return out
}

// file counts for itself what strikes it, over all requests together.
type file struct {
	name string
	seed uint64

	mu       sync.Mutex
	strikes  []*strike
	requests int
}

type strike struct {
	Fault
	word   int // its place in the script
	struck int
}

// ask counts a request, and gives how often the file has changed until now, with the
// word that changed it just now.
func (f *file) ask() (changes int, word string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	for _, x := range f.strikes {
		if x.Kind != ETagChange {
			continue
		}
		if f.requests > 1 && x.struck < x.Times {
			x.struck++
			word = x.Word
		}
		changes += x.struck
	}
	return changes, word
}

// strike uses up the first fault that fits.
func (f *file) strike(fits func(*strike) bool) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := slices.IndexFunc(f.strikes, func(x *strike) bool { return x.struck < x.Times && fits(x) })
	if at < 0 {
		return Fault{}, false
	}
	f.strikes[at].struck++
	return f.strikes[at].Fault, true
}

// place is where x strikes next in a file of this size, -1 for nowhere.
func (f *file) place(x *strike, size int64) int64 {
	switch {
	case (x.Random || x.Part > 0) && size <= 0:
		return -1
	case x.Random:
		h := fnv.New64a()
		fmt.Fprintf(h, "%d %d %d %s", f.seed, x.word, x.struck, f.name)
		return rand.New(rand.NewPCG(f.seed, h.Sum64())).Int64N(size)
	case x.Part > 0:
		return int64(x.Part * float64(size))
	}
	return x.At
}
