// Dist makes a release: the program for six systems in archives, Debian packages,
// a list of what is inside (SBOM), the licences of all of it, and checksums. The
// same commit, version and Go toolchain give the same bytes, on any machine and
// in any folder. "make dist" runs it from the module's root; it signs and uploads
// nothing. VERSION and SOURCE_DATE_EPOCH take the place of what git says.
package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// release is what one run makes.
type release struct {
	version string
	date    time.Time
	out     string // folder of the results
	work    string // folder for what goes into them
	notices []byte // LICENSE and those of all modules
	made    []string
}

func main() {
	out := "dist"
	if len(os.Args) > 1 {
		out = os.Args[1]
	}
	if err := run(out); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	r, err := identify(out)
	if err != nil {
		return err
	}
	if r.work, err = os.MkdirTemp("", "larder-dist-"); err != nil {
		return err
	}
	defer os.RemoveAll(r.work)
	if err := errors.Join(os.RemoveAll(r.out), os.MkdirAll(r.out, 0o755)); err != nil {
		return err
	}
	if err := r.generate(); err != nil {
		return err
	}
	var modules inventory
	for _, t := range targets {
		if err := r.build(t); err != nil {
			return err
		}
		if err := modules.add(r.binary(t)); err != nil {
			return err
		}
	}
	if r.notices, err = modules.notices(); err != nil {
		return err
	}
	for _, t := range targets {
		if err := r.pack(t); err != nil {
			return err
		}
	}
	sbom, err := modules.sbom(r.version, r.date)
	if err != nil {
		return err
	}
	if err := r.write(fmt.Sprintf("larder_%s.cdx.json", r.version), sbom); err != nil {
		return err
	}
	return r.sums()
}

// plain is a version that archives, Debian and semver all take.
var plain = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?$`)

// identify asks git which release this is.
func identify(out string) (*release, error) {
	version := os.Getenv("VERSION")
	if version == "" {
		said, err := output("git", "describe", "--tags", "--match", "v[0-9]*", "--dirty=.changed", "--always")
		if err != nil {
			return nil, err
		}
		version = described(said)
	}
	if !plain.MatchString(version) {
		return nil, fmt.Errorf("version %q is not of the form 1.2.3", version)
	}
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		var err error
		if epoch, err = output("git", "log", "-1", "--format=%ct"); err != nil {
			return nil, err
		}
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return &release{version: version, date: time.Unix(seconds, 0).UTC(), out: out}, nil
}

// described makes a version of what git describe says: v1.2.3, v1.2.3-4-gabc, or
// abc when nothing was released yet; with ".changed" when files were changed since.
func described(said string) string {
	said, changed := strings.CutSuffix(said, ".changed")
	version, later, tagged := strings.Cut(strings.TrimPrefix(said, "v"), "-")
	switch {
	case !strings.HasPrefix(said, "v"):
		version = "0.0.0+g" + said
	case tagged:
		version += "+" + strings.ReplaceAll(later, "-", ".")
	}
	if changed {
		if !strings.Contains(version, "+") {
			return version + "+changed"
		}
		version += ".changed"
	}
	return version
}

// generate lets the program itself write its pages, completions and unit.
func (r *release) generate() error {
	return r.command(nil, "go", "run", "-ldflags", "-X main.version="+r.version, "./cmd/larder", "generate", filepath.Join(r.work, "generated"))
}

func (r *release) command(env []string, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.date.Unix()), "GOOS=", "GOARCH=", "GOFLAGS=")
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}

// write puts a result into the output folder.
func (r *release) write(name string, data []byte) error {
	r.made = append(r.made, name)
	return os.WriteFile(filepath.Join(r.out, name), data, 0o644)
}

// sums lists the SHA-256 of all results, as sha256sum checks them.
func (r *release) sums() error {
	var list bytes.Buffer
	for _, name := range r.made {
		data, err := os.ReadFile(filepath.Join(r.out, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(data), name)
	}
	fmt.Print(list.String())
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), list.Bytes(), 0o644)
}

func output(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
