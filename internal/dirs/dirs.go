// Package dirs says where everything of one Larder lies: database, group
// containers, sockets. Service, CLI and client agree through it; it makes
// nothing and reads nothing but the environment.
package dirs

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"larder/asset"
)

// Dirs is one Larder: two services never share a Data directory.
type Dirs struct {
	Data string // absolute; database, groups, lock
	Run  string // absolute; sockets, mode 0700
}

// maxSocketPath is the shortest sun_path among the systems we run on (macOS:
// 104 bytes with its zero), less the longest name below Run.
const maxSocketPath = 103 - len("/apps/0123456789abcdef.sock")

// Find resolves the directories: data (the --data flag) if given, else
// LARDER_DATA, else the system's own place (XDG on Linux). A single data
// directory holds everything, sockets too, unless its path is too long for a
// socket address; then the sockets move to a private folder under /tmp that
// depends on nothing but the user and the data directory.
func Find(data string) (Dirs, error) {
	if data == "" {
		data = os.Getenv("LARDER_DATA")
	}
	if data == "" {
		return system()
	}
	data, err := filepath.Abs(data)
	if err != nil {
		return Dirs{}, configuration("find data directory", data, err)
	}
	return Dirs{Data: data, Run: runFor(data)}, nil
}

func runFor(data string) string {
	run := filepath.Join(data, "run")
	if len(run) <= maxSocketPath || runtime.GOOS == "windows" {
		return run
	}
	return filepath.Join(Shared(), Short(data))
}

// Shared is the folder in which this user's data directories with long paths have
// their Run, one beside the other; what a killed service left there is swept by the
// next one of the user. Windows has none: its pipes are no files.
func Shared() string {
	return filepath.Join("/tmp", "larder-"+strconv.Itoa(os.Getuid()))
}

func configuration(op, subject string, err error) error {
	return &asset.Error{Code: asset.CodeConfiguration, Op: op, Subject: subject, Message: err.Error(),
		Help: "give a folder with --data or LARDER_DATA"}
}

// Short is a 16-digit name for s, stable across runs and machines.
func Short(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

// Database is the service's SQLite file.
func (d Dirs) Database() string { return filepath.Join(d.Data, "larder.db") }

// LockFile is held by the one service of this data directory.
func (d Dirs) LockFile() string { return filepath.Join(d.Data, "service.lock") }

// Log receives what a service that was started by the CLI would print.
func (d Dirs) Log() string { return filepath.Join(d.Data, "service.log") }

// Authority holds the certificate authority of "larder serve --https".
func (d Dirs) Authority() string { return filepath.Join(d.Data, "authority") }

// OwnerSocket is the address of the person's own tools: CLI and stores.
func (d Dirs) OwnerSocket() string { return filepath.Join(d.Run, "owner.sock") }

// AppSocket is the only address a sandboxed app is given: the socket is the identity.
func (d Dirs) AppSocket(id asset.AppID) string {
	return filepath.Join(d.Run, "apps", Short(string(id))+".sock")
}

// Container is the group container: the directory that the apps of a group and
// their extensions write.
func (d Dirs) Container(g asset.GroupID) string {
	return filepath.Join(d.Data, "groups", string(g), "container")
}

// Inbox holds finished downloads of one app until they are acknowledged. It is
// on the file system of the container, so that a move is a rename.
func (d Dirs) Inbox(g asset.GroupID, id asset.AppID) string {
	return filepath.Join(d.Data, "groups", string(g), "inbox", string(id))
}

// Partial holds bytes of downloads that have not finished.
func (d Dirs) Partial(g asset.GroupID, id asset.AppID) string {
	return filepath.Join(d.Data, "groups", string(g), "partial", string(id))
}

// Offer holds what the service made of an app's download manifest; its app may read it.
func (d Dirs) Offer(g asset.GroupID, id asset.AppID) string {
	return filepath.Join(d.Data, "groups", string(g), "offer", string(id))
}

// Trust holds what of an app's site was proved to be signed.
func (d Dirs) Trust(g asset.GroupID, id asset.AppID) string {
	return filepath.Join(d.Data, "groups", string(g), "trust", string(id))
}

// Kinds names the folders of a group that have one folder for each app.
func Kinds() []string { return []string{"inbox", "partial", "shelf", "offer", "trust"} }

// Shelf holds the installed packs of one app (doc/shelf-format.md). It is on the
// file system of the inbox.
func (d Dirs) Shelf(g asset.GroupID, id asset.AppID) string {
	return filepath.Join(d.Data, "groups", string(g), "shelf", string(id))
}

// Group is the folder around Container, Inbox, Partial and Shelf of one group.
func (d Dirs) Group(g asset.GroupID) string { return filepath.Join(d.Data, "groups", string(g)) }
