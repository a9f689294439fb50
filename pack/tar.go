package pack

import (
	"fmt"
	"strconv"
)

const (
	tarBlock = 512
	tarEnd   = 2 * tarBlock // zero bytes that end the stream
	tarName  = 100          // bytes of a name or target that a header holds
	tarSize  = 1 << 33      // first size that a header cannot hold
	tarTime  = 315532800    // 1980-01-01, old enough for all, after every epoch
	tarMost  = 8 * tarBlock // no entry's header is longer: bounds of names see to it
)

// appendTarHeader appends what precedes an entry's payload in the tar stream. It
// is a pure function of the entry (doc/pack-format.md, "The tar stream").
func appendTarHeader(b []byte, e Entry) []byte {
	name, mode, flag := e.Path, 0o644, byte('0')
	switch e.Kind {
	case KindExecutable:
		mode = 0o755
	case KindDirectory:
		name, mode, flag = e.Path+"/", 0o755, '5'
	case KindLink:
		mode, flag = 0o777, '2'
	}
	var records []byte
	if !fitsTar(name) {
		records = appendPax(records, "path", name)
	}
	if !fitsTar(e.Target) {
		records = appendPax(records, "linkpath", e.Target)
	}
	if e.Size >= tarSize {
		records = appendPax(records, "size", strconv.FormatInt(e.Size, 10))
	}
	if records != nil {
		b = appendUstar(b, "PaxHeader", "", 0o644, int64(len(records)), 'x')
		b = append(b, records...)
		b = append(b, zeros[:tarPad(int64(len(records)))]...)
	}
	size := e.Size
	if size >= tarSize {
		size = 0
	}
	return appendUstar(b, name, e.Target, mode, size, flag)
}

// tarPad is how many zero bytes follow a payload.
func tarPad(size int64) int64 { return -size & (tarBlock - 1) }

var zeros [tarEnd]byte

func appendUstar(b []byte, name, target string, mode int, size int64, flag byte) []byte {
	start := len(b)
	b = append(b, zeros[:tarBlock]...)
	h := b[start:]
	copy(h[:tarName], name)
	copy(h[100:], fmt.Sprintf("%07o", mode))
	copy(h[108:], "0000000")
	copy(h[116:], "0000000")
	copy(h[124:], fmt.Sprintf("%011o", size))
	copy(h[136:], fmt.Sprintf("%011o", tarTime))
	copy(h[148:], "        ") // the checksum counts its own field as spaces
	h[156] = flag
	copy(h[157:157+tarName], target)
	copy(h[257:], "ustar\x0000")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

func fitsTar(s string) bool {
	if len(s) > tarName {
		return false
	}
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// appendPax appends "LENGTH key=value\n", where LENGTH counts its own digits.
func appendPax(b []byte, key, value string) []byte {
	n := len(key) + len(value) + 3
	digits := len(strconv.Itoa(n))
	if len(strconv.Itoa(n+digits)) > digits {
		digits++
	}
	return fmt.Appendf(b, "%d %s=%s\n", n+digits, key, value)
}
