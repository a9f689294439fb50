package fence

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
)

// Layers of the fence on Linux. Spec.Layers and Level.Name are made of them.
const (
	LayerNamespaces = "namespaces"
	LayerLandlock   = "landlock"
	LayerSeccomp    = "seccomp"
)

// layersVariable is the environment variable that stands in for an empty
// Spec.Layers: with it a whole service or test runs behind less than the best fence.
const layersVariable = "LARDER_FENCE"

// Bounds that are the same for every program.
const (
	maxTasks  = 512       // processes and threads together
	maxFiles  = 1024      // open files of one process
	leeway    = 16 << 20  // bytes that may be written where less than freeFloor is free
	dataSlack = 1 << 30   // above the memory limit: Go and Node map far more than they touch
	wasmSlack = 512 << 20 // for the one who compiles a module
)

// freeFloor is how many bytes stay free in the container's file system. It is far
// above what counts as critically low: with a disk that it filled an extension
// could have the files of other apps purged.
const freeFloor = 192 << 20

// Spec says what to run and what it may reach. Path, Container and the three files
// are required, paths are absolute.
type Spec struct {
	// Path is the executable, a script with a #! line, or a WebAssembly module
	// (WASI preview 1) when it ends in ".wasm". It gets no arguments.
	Path string `json:"path"`
	// Dir is the working directory: Container when empty.
	Dir string `json:"dir"`
	// Env is the whole environment. A module sees its directories at other places:
	// use Guest for paths in it.
	Env []string `json:"env"`
	// Bundle may be read and executed: the directory of Path when empty.
	Bundle string `json:"bundle"`
	// Container may be read and written, Inbox as well when there is one. Files move
	// between them by renaming where they lie on one file system.
	Container string `json:"container"`
	Inbox     string `json:"inbox"`
	// Memory is in bytes, for the program and all that it starts; 256 MiB when zero.
	Memory int64 `json:"memory"`
	// Layers are the layers to use, joined by "+"; all when empty. Fewer than all is
	// for tests: what the rest holds by itself.
	Layers string `json:"layers"`

	Stdin, Stdout, Stderr *os.File `json:"-"`
}

func (s Spec) withDefaults() Spec {
	if s.Dir == "" {
		s.Dir = s.Container
	}
	if s.Bundle == "" {
		s.Bundle = filepath.Dir(s.Path)
	}
	if s.Memory <= 0 {
		s.Memory = 256 << 20
	}
	if s.Layers == "" {
		s.Layers = cmp.Or(os.Getenv(layersVariable), LayerNamespaces+"+"+LayerLandlock+"+"+LayerSeccomp)
	}
	return s
}

func (s Spec) layer(name string) bool {
	for l := range strings.SplitSeq(s.Layers, "+") {
		if l == name {
			return true
		}
	}
	return false
}

// module reports whether the program is a WebAssembly module.
func (s Spec) module() bool { return strings.HasSuffix(s.Path, ".wasm") }

// memoryOf is what all processes of s may use together. A module is bound by its
// own memory's size; what comes on top is for the one who compiles it.
func memoryOf(s Spec) int64 {
	if s.module() {
		return s.Memory + wasmSlack
	}
	return s.Memory
}

// armed is set by Main: the binary knows the roles that Start would run it in.
var armed bool

// Main plays the part of the fence and does not return, when this process was
// started for it. Every main function and TestMain whose program starts extensions
// calls it before all else; without it, they run with the rights of the service.
func Main() {
	if len(os.Args) > 0 {
		if role := roles[os.Args[0]]; role != nil {
			role()
		}
	}
	armed = true
}

// The names that our binary is started under.
const (
	roleSupervisor = "larder-fence"
	roleModule     = "larder-wasm"
)
