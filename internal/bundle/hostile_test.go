package bundle

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestBombsEndInAFaultSoonAndSmall(t *testing.T) {
	plist := func(inner string) string { return xmlHead + "<plist>" + inner + "</plist>" }
	doubling := func(leaf []byte) string {
		var l binaryList
		for i := range 40 {
			l.objects = append(l.objects, list(0xa0, 2, uint16(i+1), uint16(i+1)))
		}
		l.objects = append(l.objects, leaf)
		return l.String()
	}
	end := func(change func(end []byte)) string {
		b := []byte(asBinary(classic()))
		change(b[len(b)-32:])
		return string(b)
	}
	raw := func(objects ...[]byte) string { l := binaryList{objects: objects}; return l.String() }
	wide := make([]uint16, 60_000)
	for i := range wide {
		wide[i] = 1
	}
	shared := raw(list(0xa0, len(wide), wide...), append(head(0x50, 900_000), make([]byte, 900_000)...))
	manyKeys := &strings.Builder{}
	for i := range 60_000 {
		fmt.Fprintf(manyKeys, `"ba%d":0,`, i)
	}
	cases := map[string]struct{ file, content, problem string }{
		"xml: nested 10,000 deep":         {"Info.plist", plist(strings.Repeat("<array>", 10_000)), "nested deeper"},
		"xml: nested deep and closed":     {"Info.plist", plist(strings.Repeat("<array>", 40_000) + strings.Repeat("</array>", 40_000)), "nested deeper"},
		"xml: 140,000 dictionaries":       {"Info.plist", plist("<array>" + strings.Repeat("<dict/>", 140_000) + "</array>"), "more than 50000 values"},
		"xml: 49,990 dictionaries":        {"Info.plist", plist("<array>" + strings.Repeat("<dict/>", 49_990) + "</array>"), "outermost"},
		"xml: entities":                   {"Info.plist", `<!DOCTYPE plist [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><plist><string>&b;</string></plist>`, "DOCTYPE"},
		"xml: an external DTD":            {"Info.plist", `<!DOCTYPE other SYSTEM "file:///etc/passwd"><plist><dict/></plist>`, "DOCTYPE"},
		"xml: an undeclared entity":       {"Info.plist", plist("<dict><key>&x;</key></dict>"), "not a property list"},
		"xml: elements in a key":          {"Info.plist", plist("<dict><key><a/></key></dict>"), "holds another element"},
		"xml: two roots":                  {"Info.plist", plist("<dict/>") + "<plist/>", "a second"},
		"xml: UTF-16":                     {"Info.plist", "\xff\xfe<\x00p\x00", "not a property list"},
		"xml: nothing":                    {"Info.plist", "", "not a property list"},
		"xml: 200,000 attributes":         {"Info.plist", "<plist " + strings.Repeat(`a="" `, 200_000) + "></plist>", "more than 65536 bytes"},
		"json: nested 500,000 deep":       {"Info.json", strings.Repeat("[", 500_000), "nested deeper"},
		"json: nested objects":            {"Info.json", strings.Repeat(`{"a":`, 200_000), "nested deeper"},
		"json: 500,000 values":            {"Info.json", `{"a":[` + strings.Repeat("0,", 500_000) + "0]}", "more than 50000 values"},
		"json: 60,000 keys":               {"Info.json", "{" + manyKeys.String() + `"x":0}`, "more than 50000 values"},
		"json: a long key with many":      {"Info.json", `{"` + strings.Repeat("k", 700_000) + `":[` + strings.Repeat("[],", 40_000) + "0]}", "missing"},
		"json: nothing":                   {"Info.json", "", "unexpected EOF"},
		"binary: doubles 40 times":        {"Info.plist", doubling([]byte{0x08}), "more than 50000 values"},
		"binary: doubles and is empty":    {"Info.plist", doubling([]byte{0xa0}), "more than 50000 values"},
		"binary: one string shared":       {"Info.plist", shared, "unfolds to more"},
		"binary: refers to itself":        {"Info.plist", raw(list(0xa0, 1, 0)), "refers to itself"},
		"binary: refers to itself twice":  {"Info.plist", raw(list(0xa0, 2, 0, 0)), "refers to itself"},
		"binary: a circle":                {"Info.plist", raw(list(0xd0, 1, 1, 2), []byte{0x51, 'a'}, list(0xa0, 1, 0)), "refers to itself"},
		"binary: a key that is a list":    {"Info.plist", raw(list(0xd0, 1, 0, 0)), "key that is not a string"},
		"binary: count of 2^60":           {"Info.plist", raw(append([]byte{0xaf, 0x13}, binary.BigEndian.AppendUint64(nil, 1<<60)...)), "outside the file"},
		"binary: count of 2^63 pairs":     {"Info.plist", raw(append([]byte{0xdf, 0x13}, binary.BigEndian.AppendUint64(nil, 1<<63)...)), "outside the file"},
		"binary: string past the end":     {"Info.plist", raw([]byte{0x5e, 'a'}), "outside the file"},
		"binary: text past the end":       {"Info.plist", raw([]byte{0x6e, 'a'}), "outside the file"},
		"binary: reference past the end":  {"Info.plist", raw(list(0xa0, 1, 1)), "outside the file"},
		"binary: a number of 128 bits":    {"Info.plist", raw(append([]byte{0x14}, make([]byte, 16)...)), "not of 64 bits"},
		"binary: a real of 2^15 bytes":    {"Info.plist", raw([]byte{0x2f}), "not of 64 bits"},
		"binary: a UID":                   {"Info.plist", raw([]byte{0x80, 1}), "no use for"},
		"binary: a null":                  {"Info.plist", raw([]byte{0x00}), "not a property list"},
		"binary: 2^62 objects":            {"Info.plist", end(func(e []byte) { e[8] = 0x40 }), "its end"},
		"binary: table past the end":      {"Info.plist", end(func(e []byte) { e[24] = 0x7f }), "its end"},
		"binary: table at the head":       {"Info.plist", end(func(e []byte) { clear(e[24:32]) }), "its end"},
		"binary: root past the end":       {"Info.plist", end(func(e []byte) { e[23] = 0xff }), "its end"},
		"binary: references of 200 bytes": {"Info.plist", end(func(e []byte) { e[7] = 200 }), "its end"},
		"binary: offsets of 0 bytes":      {"Info.plist", end(func(e []byte) { e[6] = 0 }), "its end"},
		"binary: only a head":             {"Info.plist", "bplist00", "its end"},
		"binary: another version":         {"Info.plist", "bplist15" + strings.Repeat("x", 64), "unknown binary version"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := write(t, files{c.file: c.content})
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, faults := Check(dir)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if took > 10*time.Second { // with the race detector, on a busy machine; a bomb takes hours
				t.Errorf("took %v", took)
			}
			if spent := after.TotalAlloc - before.TotalAlloc; spent > 64<<20 {
				t.Errorf("allocated %d bytes", spent)
			}
			if len(faults) == 0 || !strings.Contains(faults[0].String(), c.problem) {
				t.Errorf("got %v", faults)
			}
		})
	}
}

func FuzzPlist(f *testing.F) {
	for _, seed := range []string{asXML(classic()), asBinary(classic()), asBinary(obj{"ä": []any{true, 1, "b"}}), xmlHead, "bplist00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) <= maxInfo {
			readParsed(t, data, parsePlist)
		}
	})
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{asJSON(classic()), `{"a":1,"a":[2,{"b":null}]}`, `{"BAManifestURL":"http://u:p@h/?q"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) <= maxInfo {
			readParsed(t, data, parseJSON)
		}
	})
}

// readParsed checks that whatever parses can be judged, in faults that fit a line.
func readParsed(t *testing.T, data []byte, parse func([]byte) (map[string]any, []string, error)) {
	m, _, err := parse(data)
	if (m == nil) == (err == nil) {
		t.Fatalf("map %v, error %v", m, err)
	}
	if err != nil {
		return
	}
	faults := &faultList{}
	b := &Bundle{}
	b.readAssets(dict{file: "Info", m: m, faults: faults})
	for _, f := range faults.all() {
		if s := f.String(); strings.ContainsAny(s, "\n\r\x1b") || f.Mend == "" {
			t.Errorf("fault %q", s)
		}
	}
	if b.ManifestURL != "" && len(faults.list) == 0 && !b.UsesAppleHosting && !b.Restrictions.Allows(strings.Split(strings.SplitN(b.ManifestURL, "//", 2)[1], "/")[0]) {
		t.Errorf("manifest %q is not allowed by %v and nobody says so", b.ManifestURL, b.Restrictions)
	}
}
