package trust

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"larder/asset"
	"larder/internal/fsx"
)

const opKeys = "keys"

// Key is a key pair of a role. ID is that of TUF: the SHA-256 of its public form.
type Key struct {
	Role   Role
	ID     string
	public *metadata.Key
	signer signature.Signer
}

// Keyring is a directory of private keys, a file each, named ROLE-BEGINNING_OF_ID.pem.
// Files are PKCS #8, or encrypted with a passphrase by scrypt and secretbox. Which key may
// sign what is said by the site's metadata, not by the names of files.
type Keyring struct {
	Dir  string
	Disk fsx.FS
	// Passphrase is asked for when a key is written, for role and ID of it, or read
	// encrypted; empty means not encrypted. Nil is always empty.
	Passphrase func(file string) ([]byte, error)
}

const (
	plainPEM     = "PRIVATE KEY"
	encryptedPEM = "LARDER ENCRYPTED PRIVATE KEY"
	maxKeyFile   = 64 << 10
)

// Generate makes an Ed25519 key for a role and writes it, readable by its owner alone.
func (k *Keyring) Generate(r Role) (Key, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, err
	}
	key, err := newKey(r, public, private)
	if err != nil {
		return Key{}, err
	}
	name := fmt.Sprintf("%s-%s.pem", r, key.ID[:8])
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return Key{}, err
	}
	block := &pem.Block{Type: plainPEM, Bytes: der}
	pass, err := k.passphrase(name)
	if err != nil {
		return Key{}, err
	}
	if len(pass) > 0 {
		sealed, err := encrypted.Encrypt(der, pass)
		if err != nil {
			return Key{}, err
		}
		block = &pem.Block{Type: encryptedPEM, Bytes: sealed}
	}
	if err := fsx.MkdirAll(k.Disk, k.Dir, 0o700); err != nil {
		return Key{}, err
	}
	return key, fsx.WriteFile(k.Disk, filepath.Join(k.Dir, name), pem.EncodeToMemory(block), 0o600)
}

func newKey(r Role, public crypto.PublicKey, private ed25519.PrivateKey) (Key, error) {
	p, err := metadata.KeyFromPublicKey(public)
	if err != nil {
		return Key{}, err
	}
	id, err := p.ID()
	if err != nil {
		return Key{}, err
	}
	s, err := signature.LoadED25519Signer(private)
	return Key{Role: r, ID: id, public: p, signer: s}, err
}

func (k *Keyring) passphrase(file string) ([]byte, error) {
	if k.Passphrase == nil {
		return nil, nil
	}
	return k.Passphrase(file)
}

// Keys reads all keys of the directory; a missing directory has none.
func (k *Keyring) Keys() ([]Key, error) {
	entries, err := k.Disk.ReadDir(k.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var keys []Key
	for _, e := range entries {
		if e.IsDir() || filepath.Ext(e.Name()) != ".pem" {
			continue
		}
		key, err := k.read(e.Name())
		if err != nil {
			return nil, &asset.Error{Code: asset.CodeBadRequest, Op: opKeys, Subject: filepath.Join(k.Dir, e.Name()), Message: "it cannot be read as a key",
				Err: err, Help: "give the right passphrase, or move the file out of the directory"}
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func (k *Keyring) read(name string) (Key, error) {
	f, err := k.Disk.OpenFile(filepath.Join(k.Dir, name), os.O_RDONLY, 0)
	if err != nil {
		return Key{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Key{}, err
	}
	if info.Size() > maxKeyFile {
		return Key{}, errors.New("it is too large to be a key")
	}
	b := make([]byte, info.Size())
	if _, err := f.ReadAt(b, 0); err != nil {
		return Key{}, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return Key{}, errors.New("it is not in PEM form")
	}
	der := block.Bytes
	switch block.Type {
	case plainPEM:
	case encryptedPEM:
		pass, err := k.passphrase(name)
		if err != nil {
			return Key{}, err
		}
		if der, err = encrypted.Decrypt(der, pass); err != nil {
			return Key{}, err
		}
	default:
		return Key{}, fmt.Errorf("it holds a %s", block.Type)
	}
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return Key{}, err
	}
	ed, ok := private.(ed25519.PrivateKey)
	if !ok {
		return Key{}, errors.New("it is not an Ed25519 key")
	}
	role, _, _ := cutLast(strings.TrimSuffix(name, ".pem"), "-")
	return newKey(Role(role), ed.Public(), ed)
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// sign adds the signatures of those keys of ids that are at hand, and says how
// many keys have signed by now.
func sign[T metadata.Roles](m *metadata.Metadata[T], keys []Key, ids []string) (int, error) {
	signed := map[string]bool{}
	for _, s := range m.Signatures {
		if slices.Contains(ids, s.KeyID) {
			signed[s.KeyID] = true
		}
	}
	for _, k := range keys {
		if signed[k.ID] || !slices.Contains(ids, k.ID) {
			continue
		}
		if _, err := m.Sign(k.signer); err != nil {
			return 0, err
		}
		signed[k.ID] = true
	}
	slices.SortFunc(m.Signatures, func(a, b metadata.Signature) int { return bytes.Compare([]byte(a.KeyID), []byte(b.KeyID)) })
	return len(signed), nil
}
