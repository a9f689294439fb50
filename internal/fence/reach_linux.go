package fence

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// reach is all of the file system that a program may use. Paths are absolute and
// clean; a path may lead through symbolic links.
type reach struct {
	Execute []string `json:"execute"` // trees and files to read and execute
	Read    []string `json:"read"`    // trees and files to read
	Devices []string `json:"devices"`
	Write   []string `json:"write"` // trees to change
	Links   []string `json:"links"` // symbolic links on the way to the above
	Tree    string   `json:"tree"`  // the one tree with all of Write, so that renaming works between them; may be empty
}

// What every program may use: the system's programs and libraries, how to find
// them, and devices that keep nothing.
var (
	systemTrees = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"}
	systemFiles = []string{"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ld.so.preload", "/etc/alternatives", "/etc/localtime",
		"/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf"}
	devices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}
)

// reachOf works out what the program of s may use. s has its defaults.
func reachOf(s Spec) (reach, error) {
	var r reach
	for _, p := range []string{s.Path, s.Container, s.Dir, s.Bundle} {
		if !filepath.IsAbs(p) {
			return r, fmt.Errorf("its path %q is not absolute", p)
		}
	}
	r.Write = []string{filepath.Clean(s.Container)}
	if s.Inbox != "" {
		r.Write = append(r.Write, filepath.Clean(s.Inbox))
	}
	if t := commonTree(r.Write); t != "/" {
		r.Tree = t
	}
	for _, p := range systemTrees {
		r.Execute = r.found(r.Execute, p)
	}
	for _, p := range systemFiles {
		r.Read = r.found(r.Read, p)
	}
	for _, p := range devices {
		r.Devices = r.found(r.Devices, p)
	}
	if real, err := filepath.EvalSymlinks(s.Bundle); err == nil && !above(real, s.Container) {
		r.Execute = append(r.Execute, filepath.Clean(s.Bundle))
	}
	if s.module() {
		r.Read = r.found(r.Read, s.Path)
		self, err := os.Executable() // runs it
		r.Execute = append(r.Execute, self)
		return r, err
	}
	return r, r.addProgram(s.Path, searchPath(s.Env), 0)
}

// found appends p where it exists. A symbolic link is made again and its target,
// which is inside what is allowed already or is none of ours, is not added.
func (r *reach) found(list []string, p string) []string {
	st, err := os.Lstat(p)
	switch {
	case err != nil:
		return list
	case st.Mode()&fs.ModeSymlink != 0:
		r.Links = append(r.Links, p)
		return list
	}
	return append(list, p)
}

const maxInterpreters = 4 // a script whose interpreter is a script, and so on

// addProgram adds an executable, the links that lead to it, and for a script the
// interpreter with what it is installed with.
func (r *reach) addProgram(path, search string, depth int) error {
	if err := r.addFile(path); err != nil {
		return err
	}
	line, script, err := interpreterLine(path)
	if err != nil || !script {
		return err
	}
	if depth == maxInterpreters {
		return fmt.Errorf("%s: its interpreters are scripts, more than %d deep", path, maxInterpreters)
	}
	words := strings.Fields(line)
	if len(words) == 0 || !filepath.IsAbs(words[0]) {
		return fmt.Errorf("%s: its first line names no interpreter by its full path", path)
	}
	interpreter := words[0]
	if filepath.Base(interpreter) == "env" {
		if err := r.addFile(interpreter); err != nil {
			return err
		}
		name := envCommand(words[1:])
		if interpreter = lookPath(name, search); interpreter == "" {
			return fmt.Errorf("%s: its interpreter %q is not in PATH", path, name)
		}
	}
	r.addPrefix(interpreter)
	return r.addProgram(interpreter, search, depth+1)
}

// addFile adds a file with each symbolic link on the way to it.
func (r *reach) addFile(path string) error {
	for range 16 {
		st, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if st.Mode()&fs.ModeSymlink == 0 {
			break
		}
		r.Links = append(r.Links, path)
		to, err := os.Readlink(path)
		if err != nil {
			return err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	r.Execute = append(r.Execute, path)
	return nil
}

// addPrefix adds what an interpreter was installed with: of PREFIX/bin/python the
// tree PREFIX, both before and after symbolic links (a virtual environment, and the
// Python behind it). A home folder is no prefix, nor is its .local.
func (r *reach) addPrefix(interpreter string) {
	home, _ := os.UserHomeDir()
	real, err := filepath.EvalSymlinks(interpreter)
	if err != nil {
		return
	}
	for _, path := range []string{interpreter, real} {
		bin := filepath.Dir(path)
		prefix := filepath.Dir(bin)
		if filepath.Base(bin) != "bin" || prefix == "/" || prefix == "/usr" || home != "" && (within(home, prefix) || prefix == filepath.Join(home, ".local")) ||
			slices.ContainsFunc(r.Write, func(w string) bool { return within(prefix, w) }) {
			continue
		}
		r.Execute = append(r.Execute, prefix)
	}
}

// interpreterLine is what follows #! in the first line of a script.
func interpreterLine(path string) (line string, script bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	head := make([]byte, 256) // as much as the kernel reads
	n, _ := f.Read(head)
	text, script := strings.CutPrefix(string(head[:n]), "#!")
	line, _, _ = strings.Cut(text, "\n")
	return line, script, nil
}

// envCommand is the command among the arguments of env.
func envCommand(args []string) string {
	for _, a := range args {
		if !strings.HasPrefix(a, "-") && !strings.Contains(a, "=") {
			return a
		}
	}
	return ""
}

func lookPath(name, search string) string {
	if strings.Contains(name, "/") {
		return name
	}
	for _, dir := range filepath.SplitList(search) {
		p := filepath.Join(dir, name)
		if st, err := os.Stat(p); err == nil && filepath.IsAbs(p) && name != "" && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return p
		}
	}
	return ""
}

func searchPath(env []string) string {
	for _, v := range env {
		if s, ok := strings.CutPrefix(v, "PATH="); ok {
			return s
		}
	}
	return ""
}
