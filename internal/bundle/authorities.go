package bundle

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path"
	"strconv"
	"strings"
)

// The bounds of LarderCertificateAuthorities.
const (
	maxAuthorities     = 16
	maxAuthoritiesSize = 256 << 10
)

// readAuthorities reads the PEM file that LarderCertificateAuthorities names.
func (b *Bundle) readAuthorities(root *os.Root, info dict) {
	const key, mend = "LarderCertificateAuthorities", "name a file of the bundle with at most 16 certificates in PEM form"
	name, ok := info.string(key)
	if !ok {
		return
	}
	at := path.Clean(strings.ReplaceAll(name, `\`, "/"))
	if name == "" || path.IsAbs(at) || at == ".." || strings.HasPrefix(at, "../") {
		info.fault(key, name, "it is not a path inside the bundle", mend)
		return
	}
	data, err := readFile(root, at)
	if err != nil {
		info.fault(key, name, err.Error(), mend)
		return
	}
	if len(data) > maxAuthoritiesSize {
		info.fault(key, name, "the file is larger than 256 KiB", mend)
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
