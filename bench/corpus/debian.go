package corpus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// debian is packages of one Debian release, "name=version", of which the tree
// keeps what lies below one folder.
type debian struct {
	suite    string
	packages []string
	below    string
}

func (d debian) String() string {
	return "Debian " + d.suite + " " + strings.Join(d.packages, " ")
}

func (d debian) fetch(ctx context.Context, dir string) error {
	return within(func(tmp string) error {
		mirror, err := mirror(ctx)
		if err != nil {
			return err
		}
		apt, err := newAptState(tmp, mirror, d.suite)
		if err != nil {
			return err
		}
		if _, err := run(ctx, tmp, nil, "apt-get", append(apt, "update")...); err != nil {
			return err
		}
		if _, err := run(ctx, tmp, nil, "apt-get", append(append(apt, "download"), d.packages...)...); err != nil {
			return err
		}
		debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
		if err != nil || len(debs) != len(d.packages) {
			return fmt.Errorf("apt-get download made %d files for %d packages", len(debs), len(d.packages))
		}
		for _, deb := range debs {
			if _, err := run(ctx, tmp, nil, "dpkg-deb", "-x", deb, "root"); err != nil {
				return err
			}
		}
		_, err = run(ctx, tmp, nil, "cp", "-r", "root/"+d.below+"/.", dir)
		return err
	})
}

// aptKeys is where Debian keeps the keys of all its releases.
const aptKeys = "/usr/share/keyrings/debian-archive-keyring.gpg"

// newAptState makes an apt of its own in folder, which knows one suite and touches
// nothing of the system's, and returns the options that select it. How the
// machine reaches its mirrors, proxies say, is kept.
func newAptState(folder, mirror, suite string) (options []string, err error) {
	sources := fmt.Sprintf("deb [signed-by=%s] %s %s main\n", aptKeys, mirror, suite)
	err = errors.Join(
		os.MkdirAll(filepath.Join(folder, "state/lists/partial"), 0o755),
		os.MkdirAll(filepath.Join(folder, "cache/archives/partial"), 0o755),
		os.WriteFile(filepath.Join(folder, "status"), nil, 0o644),
		os.WriteFile(filepath.Join(folder, "sources.list"), []byte(sources), 0o644),
	)
	for _, o := range []string{
		"Dir::State=" + folder + "/state", "Dir::State::status=" + folder + "/status", "Dir::Cache=" + folder + "/cache",
		"Dir::Etc::SourceList=" + folder + "/sources.list", "Dir::Etc::SourceParts=-", "Dir::Etc::Preferences=-", "Dir::Etc::PreferencesParts=-",
		"APT::Sandbox::User=", "APT::Architecture=amd64", "APT::Architectures=amd64",
	} {
		options = append(options, "-o", o)
	}
	return append(options, "-qq"), err
}

// mirror asks the machine's apt where it fetches Debian itself from.
func mirror(ctx context.Context) (string, error) {
	out, err := run(ctx, "", nil, "apt-get", "indextargets", "--format", "$(LABEL) $(COMPONENT) $(REPO_URI)", "Created-By: Packages")
	if err != nil {
		return "", err
	}
	return mirrorIn(string(out))
}

func mirrorIn(targets string) (string, error) {
	for line := range strings.Lines(targets) {
		if uri, ok := strings.CutPrefix(strings.TrimSpace(line), "Debian main "); ok {
			return uri, nil
		}
	}
	return "", errors.New("apt knows no mirror of Debian; this corpus needs a Debian machine after apt-get update")
}
