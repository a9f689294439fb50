package shelf

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"larder/asset"
)

// Format is the format of views that this package writes, and the newest it reads.
const Format = 1

// Bounds of the format.
const (
	MaxView  = 8 << 20 // bytes of a view
	maxPacks = 1 << 16
	maxRoot  = 1024
)

const (
	opView = "read view"
	intro  = "larder view "
)

// View is what is installed, all of it consistent: one file in views/, never changed.
// The zero View is that of an empty shelf.
type View struct {
	Number   int64    `json:"number"`
	Requires []string `json:"requires"` // features without which a reader would go wrong
	Packs    []Pack   `json:"packs"`    // sorted by ID
}

// Pack is one installed version of a pack.
type Pack struct {
	ID       asset.PackID `json:"id"`
	Version  int64        `json:"version"`
	Content  string       `json:"content"`            // names the tree: 64 hexadecimal digits
	Language string       `json:"language,omitempty"` // BCP 47; empty: for everyone
	Size     int64        `json:"size"`               // bytes of its files
	Root     string       `json:"root"`               // its tree, below the shelf, with slashes
}

// Pack gives the pack of that ID.
func (v View) Pack(id asset.PackID) (Pack, bool) {
	i, ok := slices.BinarySearchFunc(v.Packs, id, func(p Pack, id asset.PackID) int { return cmp.Compare(p.ID, id) })
	if !ok {
		return Pack{}, false
	}
	return v.Packs[i], true
}

// Encode gives the bytes of the view's file. Packs must be sorted; a view that
// Decode would refuse is refused here (1099: the writer is wrong).
func (v View) Encode() ([]byte, error) {
	if v.Requires == nil {
		v.Requires = []string{}
	}
	if v.Packs == nil {
		v.Packs = []Pack{}
	}
	body, err := json.Marshal(v)
	if err == nil {
		err = v.check()
	}
	if err == nil && len(body) > MaxView-512 {
		err = fmt.Errorf("it has more than %d bytes", MaxView)
	}
	if err != nil {
		return nil, &asset.Error{Code: asset.CodeInternal, Op: "write view", Subject: strconv.FormatInt(v.Number, 10), Message: err.Error()}
	}
	b := fmt.Appendf(nil, "%s%d\n%x\n", intro, Format, sha256.Sum256(body))
	return append(b, body...), nil
}

// errTorn is said of bytes that are no valid view of any format: what a power cut
// or a writer at work left. The next older view counts.
var errTorn = errors.New("not a whole view")

// Decode reads the view with that number. Its errors are those of a view that counts
// and cannot be used (1008, 1002), or say that it is torn and does not count.
func Decode(number int64, b []byte) (View, error) {
	subject := fmt.Sprintf("views/%d", number)
	format, body, ok := open(b)
	if !ok {
		return View{}, fmt.Errorf("%s %s: %w", opView, subject, errTorn)
	}
	if format > Format {
		return View{}, unfit(subject, fmt.Sprintf("it has format %d; this Larder knows format %d", format, Format))
	}
	var v View
	if err := json.Unmarshal(body, &v); err != nil {
		return View{}, damaged(subject, err)
	}
	if len(v.Requires) > 0 {
		return View{}, unfit(subject, fmt.Sprintf("it needs the feature %.40q, which this Larder does not know", v.Requires[0]))
	}
	if v.Number != number {
		return View{}, damaged(subject, fmt.Errorf("it says that its number is %d", v.Number))
	}
	if err := v.check(); err != nil {
		return View{}, damaged(subject, err)
	}
	return v, nil
}

// open checks what is the same in every format.
func open(b []byte) (format int64, body []byte, ok bool) {
	line, rest, ok := bytes.Cut(b, []byte("\n"))
	if !ok || len(b) > MaxView || !bytes.HasPrefix(line, []byte(intro)) {
		return 0, nil, false
	}
	if format, ok = parseNumber(string(line[len(intro):]), 9); !ok {
		return 0, nil, false
	}
	line, body, ok = bytes.Cut(rest, []byte("\n"))
	if sum := sha256.Sum256(body); !ok || string(line) != hex.EncodeToString(sum[:]) {
		return 0, nil, false
	}
	return format, body, true
}

// parseNumber takes a decimal number from 1 on, without leading zeros.
func parseNumber(s string, digits int) (int64, bool) {
	if s == "" || len(s) > digits || s[0] == '0' || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

func (v View) check() error {
	if len(v.Packs) > maxPacks {
		return fmt.Errorf("it has more than %d packs", maxPacks)
	}
	for i, p := range v.Packs {
		if err := p.check(); err != nil {
			return fmt.Errorf("pack %.200q: %w", p.ID, err)
		}
		if i > 0 && v.Packs[i-1].ID >= p.ID {
			return fmt.Errorf("pack %q is out of order, or there twice", p.ID)
		}
	}
	return nil
}

func (p Pack) check() error {
	_, idErr := asset.ParsePackID(string(p.ID))
	_, langErr := asset.ParseLanguage(p.Language)
	switch {
	case idErr != nil:
		return idErr
	case p.Version < 0 || p.Version > asset.MaxPackVersion:
		return errors.New("its version is out of bounds")
	case p.Size < 0:
		return errors.New("its size is out of bounds")
	case len(p.Content) != 64 || strings.Trim(p.Content, "0123456789abcdef") != "":
		return errors.New("its content is no hash")
	case langErr != nil:
		return langErr
	case !validRoot(p.Root):
		return fmt.Errorf("its root %.200q is no path below the shelf", p.Root)
	}
	return nil
}

func validRoot(root string) bool {
	return len(root) <= maxRoot && root != "." && validPath(root) && !strings.ContainsFunc(root, func(r rune) bool { return r == '\\' || r == ':' || r < ' ' })
}

func unfit(subject, message string) error {
	return &asset.Error{Code: asset.CodeDoesNotFit, Op: opView, Subject: subject, Message: message, Help: "install a newer version of Larder"}
}

func damaged(subject string, err error) error {
	return &asset.Error{Code: asset.CodeHashMismatch, Op: opView, Subject: subject, Message: "the view is whole, and wrong",
		Help: "report this; without that file the view before it counts", Err: err}
}
