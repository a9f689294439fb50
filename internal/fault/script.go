package fault

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Fault is one word of a script: Kind, then where it strikes or how strong it
// is, then how often. Words are separated by commas:
//
//	drop@1MiB         the connection ends after byte 1 MiB of the file was sent
//	stall@50%         nothing more is sent, and the connection stays open
//	corrupt@7MiB      the byte at 7 MiB is wrong
//	truncate          the same as drop@50%
//	slow=2Mbit        the pace of every body: bit, kbit, Mbit, Gbit, or KiB, MiB, GiB per second
//	status=503:3      the first three requests get this status
//	etag-change       from the second request on, the file is another, of the same size
//
// A count after a colon says how many times a word strikes; "*" means always.
// Without one: once, and slow always. Words strike only where the bytes sent
// cross their offset, so a request that resumes behind it passes.
type Fault struct {
	Kind  string
	At    int64   // offset in bytes, when Part is 0
	Part  float64 // offset as a part of the whole, 0 to 1
	Value int64   // status, or bytes per second
	Times int     // how many times it strikes yet
}

// ParseScript reads a script. The empty script has no faults.
func ParseScript(s string) ([]Fault, error) {
	var faults []Fault
	if s == "" {
		return nil, nil
	}
	for word := range strings.SplitSeq(s, ",") {
		f, err := parseFault(strings.TrimSpace(word))
		if err != nil {
			return nil, fmt.Errorf("fault %q: %w", word, err)
		}
		faults = append(faults, f)
	}
	return faults, nil
}

func parseFault(word string) (Fault, error) {
	f := Fault{Times: 1}
	word, times, counted := strings.Cut(word, ":")
	kind, value, valued := strings.Cut(word, "=")
	kind, at, placed := strings.Cut(kind, "@")
	f.Kind = kind
	var err error
	switch kind {
	case "truncate":
		f.Kind, f.Part = "drop", 0.5
	case "etag-change":
	case "drop", "stall", "corrupt":
		if !placed {
			return f, fmt.Errorf("it needs an offset, as in %s@1MiB", kind)
		}
		f.At, f.Part, err = parseOffset(at)
	case "slow":
		f.Times = math.MaxInt
		f.Value, err = parseRate(value)
	case "status":
		f.Value, err = strconv.ParseInt(value, 10, 32)
		if err == nil && (f.Value < 200 || f.Value > 599) {
			err = fmt.Errorf("no status %d", f.Value)
		}
	default:
		return f, fmt.Errorf("there is no such fault")
	}
	wantsValue, wantsPlace := kind == "slow" || kind == "status", kind == "drop" || kind == "stall" || kind == "corrupt"
	switch {
	case err != nil:
		return f, err
	case valued && !wantsValue, placed && !wantsPlace:
		return f, fmt.Errorf("it has a value it cannot use")
	case counted && times == "*":
		f.Times = math.MaxInt
	case counted:
		if f.Times, err = strconv.Atoi(times); err != nil || f.Times < 1 {
			return f, fmt.Errorf("its count must be a number from 1, or *")
		}
	}
	return f, nil
}

func parseOffset(s string) (at int64, part float64, err error) {
	if percent, ok := strings.CutSuffix(s, "%"); ok {
		p, err := strconv.ParseFloat(percent, 64)
		if err != nil || !(p > 0 && p < 100) {
			return 0, 0, fmt.Errorf("an offset in percent lies between 0 and 100")
		}
		return 0, p / 100, nil
	}
	at, err = parseUnits(s, sizeUnits)
	return at, 0, err
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
		err = fmt.Errorf("it is slower than a byte per second")
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

// offset is where f strikes in a file of this size.
func (f Fault) offset(size int64) int64 {
	if f.Part > 0 {
		return int64(f.Part * float64(size))
	}
	return f.At
}
