package fence

import "fmt"

// Things that a fence may hold: what a program cannot do, or cannot do beyond a bound.
const (
	Files           = "files"            // reach other files than bundle, container, inbox and the system's programs
	Attributes      = "attributes"       // see whether other files are there, change their modes and times
	TCP             = "tcp"              // speak TCP
	UDP             = "udp"              // speak UDP, DNS with it
	UnixSockets     = "unix sockets"     // connect to a Unix socket of the file system
	AbstractSockets = "abstract sockets" // connect to a Unix socket without a file
	Trace           = "trace"            // read or change the memory of another process
	Signals         = "signals"          // signal another process
	Sight           = "sight"            // learn which other processes there are
	Survivors       = "survivors"        // leave a process behind
	Processes       = "processes"        // start processes without bound
	Memory          = "memory"           // take memory without bound
	Disk            = "disk"             // fill the disk
)

// Level is how far a fence goes.
type Level struct {
	// Name joins the layers that stand: "namespaces+landlock+seccomp", or says what there
	// is instead: "supervisor", "process group", "job object".
	Name string `json:"name"`
	// Holds lists what is held, Missing what is not.
	Holds   []string  `json:"holds"`
	Missing []Missing `json:"missing"`
}

// Missing is one thing that is not held, and why.
type Missing struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Full reports whether nothing is missing.
func (l Level) Full() bool { return len(l.Missing) == 0 }

// String is the name, and what is missing.
func (l Level) String() string {
	s := l.Name
	for n, m := range l.Missing {
		sep := ", "
		if n == 0 {
			sep = "; not held: "
		}
		s += fmt.Sprintf("%s%s (%s)", sep, m.What, m.Why)
	}
	return s
}

// facts are what a supervisor found out while it built a fence. An empty reason
// means that the layer stands.
type facts struct {
	NoNamespaces string `json:"noNamespaces"`
	NoLandlock   string `json:"noLandlock"`
	NoSeccomp    string `json:"noSeccomp"`
	NoCgroup     string `json:"noCgroup"` // no cgroup that bounds processes and memory
	ABI          int    `json:"abi"`      // of Landlock
	Tasks        bool   `json:"tasks"`    // the kernel itself bounds the number of processes
}

// level judges the facts.
func (f facts) level() Level {
	var l Level
	namespaces, seccomp, cgroup := f.NoNamespaces == "", f.NoSeccomp == "", f.NoCgroup == ""
	for _, layer := range []struct{ name, not string }{
		{LayerNamespaces, f.NoNamespaces}, {LayerLandlock, f.NoLandlock}, {LayerSeccomp, f.NoSeccomp}} {
		if layer.not == "" {
			l.Name += "+" + layer.name
		}
	}
	if l.Name == "" {
		l.Name = "+supervisor"
	}
	l.Name = l.Name[1:]
	abi := 0
	if f.NoLandlock == "" {
		abi = f.ABI
	}
	// landlock says why Landlock does not do what it does from an ABI on.
	landlock := func(from int) string {
		if f.NoLandlock != "" {
			return "no Landlock: " + f.NoLandlock
		}
		return fmt.Sprintf("this kernel's Landlock is ABI %d, this needs %d", f.ABI, from)
	}
	names := "no namespaces: " + f.NoNamespaces
	filter := "no seccomp: " + f.NoSeccomp
	filesWhy := names + "; " + landlock(3)
	if namespaces {
		filesWhy = "all of the app group's directory may be written; " + landlock(3)
	}
	for _, t := range []struct {
		what string
		held bool
		why  string
	}{
		{Files, abi >= 3, filesWhy},
		{Attributes, namespaces, names + "; Landlock does not bind them"},
		{TCP, namespaces || seccomp, names + "; " + filter + "; Landlock binds TCP from ABI 4 on, not MPTCP and SCTP"},
		{UDP, namespaces || seccomp || abi >= 10, names + "; " + filter + "; " + landlock(10)},
		{UnixSockets, namespaces || seccomp || abi >= 9, names + "; " + filter + "; " + landlock(9)},
		{AbstractSockets, namespaces || seccomp || abi >= 6, names + "; " + landlock(6)},
		{Trace, namespaces || seccomp || abi >= 1, names + "; " + landlock(1)},
		{Signals, namespaces || abi >= 6, names + "; " + landlock(6)},
		{Sight, namespaces, names},
		{Survivors, namespaces || cgroup || abi >= 6, names + "; " + landlock(6)},
		{Processes, cgroup || f.Tasks, "root is bound by no limit, and this kernel has none for a namespace: they are counted 8 times a second"},
		{Memory, cgroup || seccomp, filter + "; memory that no process has mapped is not counted"},
		{Disk, true, ""},
	} {
		if t.held {
			l.Holds = append(l.Holds, t.what)
		} else {
			l.Missing = append(l.Missing, Missing{t.what, t.why})
		}
	}
	return l
}

// bare is the level where nothing but what holds names is held.
func bare(name, why string, holds ...string) Level {
	l := Level{Name: name, Holds: holds}
all:
	for _, what := range []string{Files, Attributes, TCP, UDP, UnixSockets, AbstractSockets, Trace, Signals, Sight, Survivors, Processes, Memory, Disk} {
		for _, h := range holds {
			if h == what {
				continue all
			}
		}
		l.Missing = append(l.Missing, Missing{what, why})
	}
	return l
}
