// Package bundle reads the directory of an app into typed configuration: the
// Info.plist keys of classic §1 and managed §3.4, and the keys of our own
// (LarderHostURL, LarderTrustedRoot, LarderEssentialFailurePolicy,
// LarderCertificateAuthorities, LarderFinishedFilePolicy).
//
// It promises to list every fault of a bundle and not only the first, each with
// file, key, value and mend; to take a bundle as hostile (bounded files, bounded
// parsing, no path that leaves the bundle); and to write nothing. It does not
// run, fetch or trust anything: whether a URL answers or an executable works is
// for others to find out.
//
// The service calls Read when an app is installed or updated; "larder app check"
// calls Check.
package bundle

import (
	"os"
	"path/filepath"

	"larder/asset"
)

// FailurePolicy says what the launch gate does when an essential download
// failed (LarderEssentialFailurePolicy).
type FailurePolicy string

// The failure policies.
const (
	FailureOpen FailurePolicy = "open" // the app may launch, as Apple does (classic §2.2)
	FailureWait FailurePolicy = "wait" // the gate stays closed and the download is tried again
	FailureAsk  FailurePolicy = "ask"  // the person decides
)

// FinishedFilePolicy says how long a finished file waits for the app or its
// extension (LarderFinishedFilePolicy; doc/storage.md).
type FinishedFilePolicy string

// The policies for finished files.
const (
	FinishedKeep   FinishedFilePolicy = "keep"   // until it was taken; offered again after an error or a crash
	FinishedStrict FinishedFilePolicy = "strict" // it is offered once: move it then or lose it, as Apple does (classic §7)
)

// Bundle is what an app bundle says of its app. Paths in Dir, Executable and
// Extension are absolute; sizes are bytes.
type Bundle struct {
	Dir        string
	ID         asset.AppID
	Name       string // CFBundleDisplayName, else CFBundleName, else the ID
	Version    Version
	Build      string // CFBundleVersion; any change of it is an update
	Executable string
	Icon       string        // absolute path of a PNG or SVG, or ""
	Group      asset.GroupID // BAAppGroupID, or "group." and the ID

	// ManifestURL is fetched before the extension is asked (classic §1); empty
	// when nothing is stocked or a Larder host is used.
	ManifestURL string
	// Restrictions bind from installation to the first launch; nil when the
	// bundle names none.
	Restrictions *Restrictions
	// MaxInstallSize and EssentialMaxInstallSize are installed bytes, for display.
	MaxInstallSize          int64
	EssentialMaxInstallSize int64

	HasManagedAssetPacks bool
	UsesAppleHosting     bool
	HostURL              string   // LarderHostURL, or the first of them, without a trailing slash
	Mirrors              []string // the others, in the order in which they are asked
	TrustedRoot          []byte   // the file that LarderTrustedRoot names: packs must be signed below it; nil: none
	EssentialFailure     FailurePolicy
	FinishedFile         FinishedFilePolicy // "" in rows of an older Larder: FinishedKeep
	// Authorities are the certificates of LarderCertificateAuthorities, in PEM: they
	// are trusted for downloads of the app group's apps, beside the system's.
	Authorities string

	// Extension is nil when the bundle has no downloader extension.
	Extension *Extension
}

// Extension is the downloader extension of a bundle (design §4).
type Extension struct {
	Dir        string // the .appex directory
	ID         string
	Executable string
}

// Stocked reports whether the bundle asks for any assets at all.
func (b *Bundle) Stocked() bool { return b.ManifestURL != "" || b.UsesAppleHosting }

// Asks reports whether there is anything to ask about new content: the extension, or
// a download manifest.
func (b *Bundle) Asks() bool { return b.Extension != nil || b.HasManagedAssetPacks }

// Read reads the bundle at dir. The error is *Faults when the bundle is wrong,
// or an *asset.Error (notFound) when there is no bundle at dir at all.
func Read(dir string) (*Bundle, error) {
	b, faults, err := check(dir)
	if err != nil {
		return nil, err
	}
	if len(faults) > 0 {
		return nil, &Faults{Dir: dir, List: faults}
	}
	return b, nil
}

// Check lists all faults of the bundle at dir (at most 1,000, and how many more),
// those of the app's own file first, in the same order each time. The Bundle holds what could be read; it is nil when
// the bundle has no readable Info.plist or Info.json.
func Check(dir string) (*Bundle, []Fault) {
	b, faults, err := check(dir)
	if err != nil {
		e := asset.AsError(err)
		return nil, []Fault{{Code: e.Code, File: "Info.plist", Problem: e.Message, Mend: e.Help}}
	}
	return b, faults
}

func check(dir string) (*Bundle, []Fault, error) {
	missing := func(msg string) error {
		return &asset.Error{Code: asset.CodeNotFound, Op: "read bundle", Subject: clean(dir, maxValue), Message: msg,
			Help: "name a directory that holds Info.plist, Contents/Info.plist, Info.json or Contents/Info.json"}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, missing("its path cannot be made absolute")
	}
	if st, err := os.Stat(abs); err != nil {
		return nil, nil, missing("it cannot be opened: " + cause(err))
	} else if !st.IsDir() {
		return nil, nil, missing("it is not a directory")
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, nil, missing("it cannot be opened: " + cause(err))
	}
	defer root.Close()

	faults := &faultList{}
	info, found := readInfo(root, ".", faults)
	if !found {
		return nil, nil, missing("it holds no Info.plist and no Info.json")
	}
	var b *Bundle
	if info.m != nil {
		b = &Bundle{Dir: abs}
		b.readIdentity(root, info)
	}
	later := &faultList{}
	ext := readExtension(root, abs, b, later)
	if b != nil {
		b.Extension = ext
		b.readAssets(info)
		b.readAuthorities(root, info)
		b.readRoot(root, info)
	}
	faults.append(later)
	return b, faults.all(), nil
}

// readIdentity fills what every app has, stocked or not.
func (b *Bundle) readIdentity(root *os.Root, info dict) {
	if s, ok := info.mustString("CFBundleIdentifier", "add it, in reverse-DNS form: org.example.game"); ok {
		id, err := asset.ParseAppID(s)
		if err != nil {
			info.fault("CFBundleIdentifier", s, asset.AsError(err).Message, asset.AsError(err).Help)
		}
		b.ID = id
	}
	if s, ok := info.mustString("CFBundleShortVersionString", "add it, as one to three integers: 1.2.0"); ok {
		v, err := ParseVersion(s)
		if err != nil {
			info.fault("CFBundleShortVersionString", s, err.Error(), "write one to three integers with dots between them: 1.2.0")
		}
		b.Version = v
	}
	b.Build, _ = info.mustString("CFBundleVersion", "add it, and change it with every build: 42")
	b.Executable = executable(root, b.Dir, ".", info)
	b.Icon = icon(root, b.Dir, info)

	name, _ := info.string("CFBundleName")
	display, _ := info.string("CFBundleDisplayName")
	for _, n := range []string{display, name, string(b.ID)} {
		if b.Name == "" {
			b.Name = n
		}
	}

	group, ok := info.string("BAAppGroupID")
	if b.ID != "" && !info.has("BAAppGroupID") {
		group, ok = "group."+string(b.ID), true
	}
	if ok {
		id, err := asset.ParseGroupID(group)
		if err != nil {
			info.fault("BAAppGroupID", group, asset.AsError(err).Message, "set it: "+asset.AsError(err).Help)
		}
		b.Group = id
	}
}
