package faulty

import (
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"larder/asset"
)

// Syntax explains scripts to a person.
const Syntax = `A script is words with commas between: FAULT, FILE:FAULT or FAULT:TIMES.

  drop@1MiB       the connection ends after byte 1 MiB of the file was sent
  stall@50%       nothing more is sent, and the connection stays open
  corrupt@7MiB    the byte at 7 MiB is wrong
  truncate        the answer ends in the middle: drop@50%
  slow=2Mbit      the pace of each body: bit, kbit, Mbit, Gbit, or KiB, MiB, GiB a second
  status=503:3    the first three requests get this status
  etag-change     from the second request on the file is another, of the same size

TIMES is how often a word strikes, "*" always; without it once, and slow always.
A place is a number of bytes, a part of the file, or "random", which the seed decides.
A word strikes only where the bytes that are sent cross its place, so a request that
resumes behind it passes. FILE is a pattern as in packaging manifests, matched with
the path of the request or the last name in it; without one a word is for every file.
Each file counts for itself.`

// The kinds of faults.
const (
	Drop       = "drop"
	Stall      = "stall"
	Corrupt    = "corrupt"
	Slow       = "slow"
	Status     = "status"
	ETagChange = "etag-change"
	truncate   = "truncate" // drop@50%
)

var kinds = []string{Drop, Stall, Corrupt, Slow, Status, ETagChange, truncate}

// Fault is one word of a script, see [Syntax].
type Fault struct {
	Word   string // as it was written
	File   string // a pattern; empty means every file
	Kind   string
	At     int64   // offset in bytes, when Part is 0
	Part   float64 // offset as a part of the whole, between 0 and 1
	Random bool    // the offset is left to chance
	Value  int64   // status, or bytes per second
	Times  int     // how many times it strikes
}

// Always is the Times of a word that strikes always.
const Always = math.MaxInt

const maxWords = 1000

// Parse reads a script. The empty script has no faults.
func Parse(script string) ([]Fault, error) {
	if script == "" {
		return nil, nil
	}
	words := strings.Split(script, ",")
	if len(words) > maxWords {
		return nil, wrong(script, fmt.Errorf("it has more than %d words", maxWords))
	}
	var faults []Fault
	for _, word := range words {
		f, err := parseFault(strings.TrimSpace(word))
		if err != nil {
			return nil, wrong(word, err)
		}
		faults = append(faults, f)
	}
	return faults, nil
}

func wrong(word string, err error) error {
	return &asset.Error{Code: asset.CodeBadRequest, Op: "read fault", Subject: fmt.Sprintf("%.80q", word), Message: err.Error(),
		Help: "for example drop@1MiB, slow=2Mbit, status=503:3, stall@50%, or level*:corrupt@random"}
}

// kindOf is the kind that a word begins with, and whether there is one.
func kindOf(word string) (string, bool) {
	end := strings.IndexAny(word, "@=:")
	if end < 0 {
		end = len(word)
	}
	return word[:end], slices.Contains(kinds, word[:end])
}

func parseFault(word string) (Fault, error) {
	f := Fault{Word: word, Times: 1}
	kind, known := kindOf(word)
	if file, rest, ok := strings.Cut(word, ":"); ok && !known {
		if kind, known = kindOf(rest); known {
			if _, err := path.Match(file, ""); err != nil || file == "" {
				return f, errors.New("the pattern before the colon is none")
			}
			f.File, word = file, rest
		}
	}
	if !known {
		return f, errors.New("there is no such fault; the faults are " + strings.Join(kinds, ", "))
	}
	word, times, counted := strings.Cut(word, ":")
	head, value, valued := strings.Cut(word, "=")
	_, at, placed := strings.Cut(head, "@")
	f.Kind = kind
	var err error
	switch kind {
	case truncate:
		f.Kind, f.Part = Drop, 0.5
	case Drop, Stall, Corrupt:
		if !placed {
			return f, fmt.Errorf("it needs a place, as in %s@1MiB", kind)
		}
		err = f.parsePlace(at)
	case Slow:
		f.Times = Always
		f.Value, err = parseRate(value)
	case Status:
		f.Value, err = strconv.ParseInt(value, 10, 32)
		if err != nil || f.Value < 200 || f.Value > 599 {
			err = errors.New("it needs a status from 200 to 599, as in status=503")
		}
	}
	wantsValue, wantsPlace := kind == Slow || kind == Status, kind == Drop || kind == Stall || kind == Corrupt
	switch {
	case err != nil:
		return f, err
	case valued && !wantsValue, placed && !wantsPlace:
		return f, errors.New("it has a value that it cannot use")
	case counted && times == "*":
		f.Times = Always
	case counted:
		if f.Times, err = strconv.Atoi(times); err != nil || f.Times < 1 {
			return f, errors.New("its count must be a number from 1, or *")
		}
	}
	return f, nil
}

func (f *Fault) parsePlace(s string) (err error) {
	if s == "random" {
		f.Random = true
		return nil
	}
	if percent, ok := strings.CutSuffix(s, "%"); ok {
		p, err := strconv.ParseFloat(percent, 64)
		if err != nil || !(p > 0 && p < 100) {
			return errors.New("a place in percent lies between 0 and 100")
		}
		f.Part = p / 100
		return nil
	}
	f.At, err = parseUnits(s, sizeUnits)
	return err
}

type unit struct {
	name   string
	factor float64
}

// Longer names come before those they end in.
var sizeUnits = []unit{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}

var rateUnits = append([]unit{{"kbit", 1e3 / 8}, {"Mbit", 1e6 / 8}, {"Gbit", 1e9 / 8}, {"bit", 1.0 / 8}}, sizeUnits...)

func parseRate(s string) (int64, error) {
	n, err := parseUnits(s, rateUnits)
	if err == nil && n < 1 {
		err = errors.New("it is slower than a byte per second")
	}
	return n, err
}

func parseUnits(s string, units []unit) (int64, error) {
	for _, u := range units {
		number, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || !(n >= 0 && n*u.factor < 1<<53) {
			break
		}
		return int64(n * u.factor), nil
	}
	return 0, fmt.Errorf("%q is not a number with a unit, as in 1MiB", s)
}

// matches reports whether f is for a file that has these names.
func (f *Fault) matches(names []string) bool {
	return f.File == "" || slices.ContainsFunc(names, func(name string) bool {
		name = strings.TrimPrefix(name, "/")
		return asset.MatchGlob(strings.TrimPrefix(f.File, "/"), name) || asset.MatchGlob(f.File, path.Base(name))
	})
}
