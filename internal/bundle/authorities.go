package bundle

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path"
	"strconv"
	"strings"

	"larder/asset"
)

// The bounds of LarderCertificateAuthorities.
const (
	maxAuthorities     = 16
	maxAuthoritiesSize = 256 << 10
)

// readAuthorities reads the PEM file that LarderCertificateAuthorities names.
func (b *Bundle) readAuthorities(root *os.Root, info dict) {
	const key, mend = "LarderCertificateAuthorities", "name a file of the bundle with at most 16 certificates in PEM form"
	data, name, ok := info.inside(root, asset.CodeConfiguration, key, mend)
	if !ok {
		return
	}
	var out strings.Builder
	for n := 1; ; n++ {
		block, rest := pem.Decode(data)
		switch {
		case block == nil && n == 1:
			info.fault(key, name, "the file holds no PEM block", mend)
			return
		case block == nil:
			b.Authorities = out.String()
			return
		case n > maxAuthorities:
			info.fault(key, name, "the file holds more than 16 certificates", mend)
			return
		case block.Type != "CERTIFICATE":
			info.fault(key, name, "block "+strconv.Itoa(n)+" of the file is no certificate", "leave keys and all else out of it")
			return
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			info.fault(key, name, "certificate "+strconv.Itoa(n)+" of the file cannot be read", mend)
			return
		}
		out.Write(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
		data = rest
	}
}

// inside reads the small file of the bundle that a key names; not ok when the key is
// absent or the file has a fault.
func (d dict) inside(root *os.Root, code asset.Code, key, mend string) (data []byte, name string, ok bool) {
	name, ok = d.string(key)
	if !ok {
		return nil, "", false
	}
	wrong := func(problem string) ([]byte, string, bool) {
		d.faults.add(Fault{Code: code, File: d.file, Key: key, Value: d.text(key), Problem: problem, Mend: mend})
		return nil, name, false
	}
	at := path.Clean(strings.ReplaceAll(name, `\`, "/"))
	if name == "" || path.IsAbs(at) || at == ".." || strings.HasPrefix(at, "../") {
		return wrong("it is not a path inside the bundle")
	}
	data, err := readFile(root, at)
	if err != nil {
		return wrong(err.Error())
	}
	if len(data) > maxAuthoritiesSize {
		return wrong("the file is larger than 256 KiB")
	}
	return data, name, true
}
