package bundle

import (
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"larder/asset"
)

const (
	extensionPoint = "com.apple.background-asset-downloader-extension"
	maxEntries     = 1024 // entries looked at in each folder of extensions
)

var extensionDirs = []string{"Extensions", "Contents/Extensions", "PlugIns", "Contents/PlugIns"}

// readExtension finds the one downloader extension of the bundle. Extensions of
// other kinds are none of our business. b is nil when the app's own file could
// not be read.
func readExtension(root *os.Root, abs string, b *Bundle, faults *faultList) *Extension {
	var found *Extension
	var first string
	for _, dir := range extensionDirs {
		for _, name := range appexes(root, dir, faults) {
			at := path.Join(dir, name)
			info, there := readInfo(root, at, faults)
			if !there {
				faults.add(Fault{File: at, Problem: "it holds no Info.plist and no Info.json", Mend: "add one, or remove the directory"})
			}
			if info.m == nil || !isDownloader(info) {
				continue
			}
			if found != nil {
				faults.add(Fault{File: info.file, Key: pointKey, Value: extensionPoint,
					Problem: "a second downloader extension; " + first + " is the first", Mend: "keep one of them"})
				continue
			}
			found, first = &Extension{Dir: filepath.Join(abs, filepath.FromSlash(at)), Executable: executable(root, abs, at, info)}, info.file
			found.ID = extensionID(info, b)
			for _, key := range slices.Sorted(maps.Keys(info.m)) {
				if ours(key) {
					info.fault(key, info.text(key), "asset keys of an extension are not read (classic §1)", "move it to the app's Info file")
				}
			}
		}
	}
	return found
}

func appexes(root *os.Root, dir string, faults *faultList) []string {
	st, err := root.Stat(dir)
	if absent(err) || err == nil && !st.IsDir() {
		return nil
	}
	var entries []fs.DirEntry
	if err == nil {
		var f *os.File
		if f, err = root.Open(dir); err == nil {
			defer f.Close()
			entries, err = f.ReadDir(maxEntries + 1)
		}
	}
	if err != nil && err != io.EOF {
		faults.add(Fault{File: dir, Problem: "it cannot be read: " + cause(err), Mend: "make it a readable directory of the bundle"})
		return nil
	}
	if len(entries) > maxEntries {
		faults.add(Fault{File: dir, Problem: "it holds more than 1,024 entries", Mend: "remove what does not belong there"})
		return nil
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".appex") {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}

const pointKey = "EXAppExtensionAttributes.EXExtensionPointIdentifier"

func isDownloader(info dict) bool {
	attributes, ok := info.dict("EXAppExtensionAttributes", "write a dictionary with EXExtensionPointIdentifier")
	if !ok {
		return false
	}
	point, ok := attributes.string("EXExtensionPointIdentifier")
	if ok && point != extensionPoint && distance(clean(point, maxValue), extensionPoint) <= 3 {
		attributes.fault("EXExtensionPointIdentifier", point, "there is no such extension point", "did you mean "+extensionPoint+"?")
	}
	return point == extensionPoint
}

// extensionID holds the pairing rule of classic §0: the app's identifier, a dot
// and a suffix.
func extensionID(info dict, b *Bundle) string {
	id, ok := info.mustString("CFBundleIdentifier", "add it: the app's identifier and a suffix")
	if !ok {
		return ""
	}
	if _, err := asset.ParseAppID(id); err != nil {
		info.fault("CFBundleIdentifier", id, asset.AsError(err).Message, "use the app's identifier and a suffix")
		return ""
	}
	if b != nil && b.ID != "" && !strings.HasPrefix(id, string(b.ID)+".") {
		info.fault("CFBundleIdentifier", id, "it is not the app's identifier with a suffix", "use "+string(b.ID)+".downloader")
		return ""
	}
	return id
}

// executable is the absolute path of the CFBundleExecutable of the bundle or
// extension at base: a regular, executable file that no link leads out of the
// bundle. It is "" when there is none, which is a fault.
func executable(root *os.Root, abs, base string, info dict) string {
	const key = "CFBundleExecutable"
	name, ok := info.mustString(key, "add the file name of the executable")
	if !ok {
		return ""
	}
	if strings.ContainsAny(name, `/\`) || name == "." || name == ".." {
		info.fault(key, name, "it is a path, not a file name", "give the name alone; it is looked for at the root, in Contents/MacOS and in bin")
		return ""
	}
	problem, mend := "there is no such file", "put it at the root, in Contents/MacOS or in bin"
	wrong := func(p, m string) {
		if problem == "there is no such file" {
			problem, mend = p, m
		}
	}
	for _, dir := range []string{".", "Contents/MacOS", "bin"} {
		at := path.Join(base, dir, name)
		if _, err := root.Lstat(at); absent(err) {
			continue
		}
		st, err := root.Stat(at)
		switch {
		case err != nil:
			wrong(at+" cannot be read: "+cause(err), "put the file itself there, not a link that leaves the bundle")
		case !st.Mode().IsRegular():
			wrong(at+" is not a regular file", "put the executable there")
		case runtime.GOOS != "windows" && st.Mode()&0o111 == 0:
			wrong(at+" is not executable", "chmod +x it")
		default:
			return filepath.Join(abs, filepath.FromSlash(at))
		}
	}
	info.fault(key, name, problem, mend)
	return ""
}
