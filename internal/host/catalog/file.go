package catalog

import (
	"encoding/json"
	"time"
)

// States of a file beside [AwaitingUpload], [Complete] and [Failed].
const UploadComplete = "UPLOAD_COMPLETE"

// Types of files.
const (
	Asset    = "ASSET"
	Manifest = "MANIFEST"
)

// Checksum is what a file should hash to, in hexadecimal digits.
type Checksum struct {
	Hash      string `json:"hash,omitempty"`
	Algorithm string `json:"algorithm,omitempty"` // MD5 or SHA_256
}

// Checksums are those that an uploader gave: none, one or both.
type Checksums struct {
	Plain     string    `json:"plain,omitempty"` // MD5, the older form
	File      *Checksum `json:"file,omitempty"`
	Composite *Checksum `json:"composite,omitempty"` // MD5 of the parts' MD5s
}

// File is a file on its way to the host.
type File struct {
	ID        string
	Version   string
	Type      string
	Name      string
	Size      int64
	Part      int64 // bytes of each part but the last
	State     string
	Problems  Details
	Checksums Checksums
	Created   time.Time
	Content   string // of a manifest that was accepted
}

// Parts is how many it is sent in.
func (f File) Parts() int { return int((f.Size + f.Part - 1) / f.Part) }

// Range is where part n lies, counted from 1.
func (f File) Range(n int) (offset, length int64) {
	offset = int64(n-1) * f.Part
	return offset, min(f.Part, f.Size-offset)
}

const fileColumns = "SELECT id, version, type, name, size, part, state, problems, checksums, created, content FROM files"

func scanFile(r scanner) (f File, err error) {
	var created int64
	var problems, sums []byte
	if err = r.Scan(&f.ID, &f.Version, &f.Type, &f.Name, &f.Size, &f.Part, &f.State, &problems, &sums, &created, &f.Content); err != nil {
		return f, err
	}
	f.Created = fromMillis(created)
	if err = json.Unmarshal(problems, &f.Problems); err == nil {
		err = json.Unmarshal(sums, &f.Checksums)
	}
	return f, err
}

// AddFile gives a file its ID.
func (t Tx) AddFile(f File) (File, error) {
	f.ID, f.State = NewID(), AwaitingUpload
	return f, t.exec("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, '{}', '{}', ?, '')",
		f.ID, f.Version, f.Type, f.Name, f.Size, f.Part, f.State, millis(f.Created))
}

// File reads one.
func (t Tx) File(id string) (File, error) {
	return one(scanFile, t.tx.QueryRow(fileColumns+" WHERE id = ?", id))
}

// Files lists those of a version, the oldest first.
func (t Tx) Files(version string) ([]File, error) {
	return all(t, scanFile, fileColumns+" WHERE version = ? ORDER BY rowid", version)
}

// FilesIn lists all files in a state.
func (t Tx) FilesIn(state string) ([]File, error) {
	return all(t, scanFile, fileColumns+" WHERE state = ? ORDER BY rowid", state)
}

// SetFile writes all that can change of one.
func (t Tx) SetFile(f File) error {
	return t.change("UPDATE files SET state = ?, problems = ?, checksums = ?, content = ? WHERE id = ?", f.State, text(f.Problems), text(f.Checksums), f.Content, f.ID)
}

// PutPart notes that a part is on the disk.
func (t Tx) PutPart(file string, number int, md5 string) error {
	return t.exec("INSERT INTO parts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET md5 = excluded.md5", file, number, md5)
}

// DropPart notes that a part will be written anew.
func (t Tx) DropPart(file string, number int) error {
	return t.exec("DELETE FROM parts WHERE file = ? AND number = ?", file, number)
}

// DropParts forgets all parts of a file: nobody will ask any more.
func (t Tx) DropParts(file string) error { return t.exec("DELETE FROM parts WHERE file = ?", file) }

// PartSums gives the MD5 of each part that is on the disk.
func (t Tx) PartSums(file string) (map[int]string, error) {
	type part struct {
		number int
		md5    string
	}
	list, err := all(t, func(r scanner) (p part, err error) { return p, r.Scan(&p.number, &p.md5) }, "SELECT number, md5 FROM parts WHERE file = ?", file)
	sums := map[int]string{}
	for _, p := range list {
		sums[p.number] = p.md5
	}
	return sums, err
}
