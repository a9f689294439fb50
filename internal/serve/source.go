package serve

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"larder/asset"
	"larder/internal/packing"
	"larder/pack"
)

const op = "serve"

func fault(code asset.Code, subject, message, help string) *asset.Error {
	return &asset.Error{Code: code, Op: op, Subject: subject, Message: message, Help: help}
}

// packSuffix ends the names of packs.
const packSuffix = ".assetpack"

// source is one packaging manifest or pack, as it lay there at one moment.
type source struct {
	file  string
	id    asset.PackID
	print print
}

// print tells a state of all that goes into a pack from others.
type print [sha256.Size]byte

// Wrong is what is wrong with one source.
type Wrong struct {
	File string
	Err  error // an *asset.Faults with everything, if it is a manifest's
}

// Faults is the error of sources of which some are wrong.
type Faults []Wrong

// Error tells the first.
func (f Faults) Error() string {
	text := f[0].File + ": " + f[0].Err.Error()
	if len(f) > 1 {
		text += fmt.Sprintf(" (and %d more files)", len(f)-1)
	}
	return text
}

// Unwrap gives all of them.
func (f Faults) Unwrap() (out []error) {
	for _, w := range f {
		out = append(out, w.Err)
	}
	return out
}

// look finds all sources as they are now. The error is Faults, but where ctx ended.
func look(ctx context.Context, inputs []string) ([]source, error) {
	var all []source
	var wrong Faults
	for _, name := range inputs {
		files, err := expand(name)
		if err != nil {
			wrong = append(wrong, Wrong{name, err})
		}
		for _, file := range files {
			s, err := lookAt(ctx, file)
			switch {
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case err != nil:
				wrong = append(wrong, Wrong{file, err})
				continue
			}
			same := func(o source) bool { return strings.EqualFold(string(o.id), string(s.id)) }
			if at := slices.IndexFunc(all, same); at >= 0 {
				wrong = append(wrong, Wrong{file, fault(asset.CodePathCollision, file, fmt.Sprintf("it is the pack %s, as is %s", s.id, all[at].file), "name one of the two")})
				continue
			}
			all = append(all, s)
		}
	}
	if wrong != nil {
		return nil, wrong
	}
	return all, nil
}

// expand gives the packs and packaging manifests of a directory, and a file as itself.
func expand(name string) ([]string, error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault(asset.CodeNotFound, name, "there is no such file or directory", "")
	} else if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, d := range entries {
		file := filepath.Join(name, d.Name())
		switch ext := strings.ToLower(filepath.Ext(file)); {
		case !d.Type().IsRegular():
		case ext == packSuffix, ext == ".json" && isPackaging(file):
			files = append(files, file)
		}
	}
	return files, nil
}

// isPackaging reports whether a JSON file means to be a packaging manifest: other JSON
// may lie beside.
func isPackaging(file string) bool {
	data, err := packing.ReadBounded(file, asset.MaxManifest, "packaging manifest")
	return err != nil || bytes.Contains(data, []byte(`"assetPackID"`))
}

func isManifest(file string) bool { return strings.EqualFold(filepath.Ext(file), ".json") }

func lookAt(ctx context.Context, file string) (source, error) {
	s, sum := source{file: file}, sha256.New()
	var err error
	if isManifest(file) {
		s.id, err = lookAtManifest(ctx, sum, file)
	} else {
		s.id, err = lookAtPack(sum, file)
	}
	sum.Sum(s.print[:0])
	return s, err
}

func lookAtManifest(ctx context.Context, sum hash.Hash, file string) (asset.PackID, error) {
	m, err := packing.Read(file)
	if err != nil {
		return "", err
	}
	sel, err := packing.Select(ctx, m)
	if err != nil {
		return "", err
	}
	defer sel.Close()
	root, err := os.OpenRoot(m.Root)
	if err != nil {
		return "", err
	}
	defer root.Close()
	fmt.Fprintf(sum, "%s\n", m.Canonical())
	for _, item := range sel.Items {
		fmt.Fprintf(sum, "%q %v %d %q", item.Path, item.Kind, item.Size, item.Target)
		if info, err := root.Lstat(filepath.FromSlash(item.From)); err == nil { // gone: the next look tells
			fmt.Fprintf(sum, " %d", info.ModTime().UnixNano())
		}
		fmt.Fprintln(sum)
	}
	return m.AssetPackID, nil
}

func lookAtPack(sum hash.Hash, file string) (asset.PackID, error) {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fault(asset.CodeNotFound, file, "there is no such file", "")
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", fault(asset.CodeConfiguration, file, "it is no regular file", "name packs, packaging manifests or directories")
	}
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	a, err := pack.Open(f, info.Size())
	if err != nil {
		return "", err
	}
	m, err := asset.ParsePackagingManifest(a.Metadata())
	if err != nil || !a.Whole() {
		return "", fault(asset.CodeConfiguration, file, "it is not a whole pack with its packaging manifest in it", "build it with \"larder pack build\"")
	}
	fmt.Fprintf(sum, "%d %d %v", info.Size(), info.ModTime().UnixNano(), a.Totals().Content)
	return m.AssetPackID, nil
}
