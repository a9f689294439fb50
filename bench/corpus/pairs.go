package corpus

// All corpora at their pinned versions, the listed ones first.
func All() []Pair {
	listed := []Pair{
		npmPair("human", "@vladmandic/human", "3.3.5", "3.3.6", "ML weights nearly untouched, JS, wasm"),
		debianPair("freedoom", "game archives, lumps moved by small offsets",
			debian{"bookworm", []string{"freedoom=0.12.1-2", "freedm=0.12.1-2"}, "usr/share/games/doom"},
			debian{"trixie", []string{"freedoom=0.13.0-2", "freedm=0.13.0-2"}, "usr/share/games/doom"}),
		npmPair("ort", "onnxruntime-web", "1.29.0", "1.30.0", "large wasm, JS, source maps"),
		npmPair("emoji", "emoji-datasource", "15.1.2", "16.0.0", "large PNG sheets, all re-encoded"),
		modulePair("gotool", "golang.org/toolchain", "v0.0.1-go1.26.7.linux-amd64", "v0.0.1-go1.26.8.linux-amd64",
			"native executables and many small source files"),
	}
	for i := range listed {
		listed[i].Listed = true
	}
	pairs := append(listed,
		npmPair("vips", "@img/sharp-libvips-linux-x64", "1.3.3", "1.3.4", "one native library (C and C++)"),
		npmPair("swc", "@swc/core-linux-x64-gnu", "1.16.21", "1.16.22", "one native library (Rust)"),
		npmPair("tabler", "@tabler/icons", "3.51.0", "3.52.0", "thousands of tiny SVG and JSON files"),
		npmPair("emoji64", "emoji-datasource-google", "15.1.2", "16.0.0", "thousands of small PNG files and some large"),
		npmPair("monaco", "monaco-editor", "0.56.0", "0.57.0", "a JS application, bundled several times"),
		debianPair("wesnoth", "game data: PNG, Ogg, maps, scripts",
			debian{"bookworm", []string{"wesnoth-1.16-data=1:1.16.9-1"}, "usr/share/games/wesnoth/1.16"},
			debian{"trixie", []string{"wesnoth-1.18-data=1:1.18.5-1"}, "usr/share/games/wesnoth/1.18"}),
	)
	for i := range pairs {
		p := &pairs[i]
		p.Old.Digest, p.New.Digest = pinned(p.Name+"/old"), pinned(p.Name+"/new")
	}
	return pairs
}

func npmPair(name, pkg, old, new, nature string) Pair {
	release := func(version string) Release {
		return Release{What: "npm " + pkg + "@" + version, from: npm(pkg + "@" + version)}
	}
	return Pair{Name: name, Nature: nature, Old: release(old), New: release(new)}
}

func modulePair(name, path, old, new, nature string) Pair {
	release := func(version string) Release {
		return Release{What: "Go module " + path + "@" + version, from: module(path + "@" + version)}
	}
	return Pair{Name: name, Nature: nature, Old: release(old), New: release(new)}
}

func debianPair(name, nature string, old, new debian) Pair {
	release := func(d debian) Release { return Release{What: d.String(), from: d} }
	return Pair{Name: name, Nature: nature, Old: release(old), New: release(new)}
}
