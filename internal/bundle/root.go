package bundle

import (
	"encoding/json"
	"os"

	"larder/asset"
)

// readRoot reads the trusted root that LarderTrustedRoot names (doc/site-format.md). Its
// signatures are judged when the site is.
func (b *Bundle) readRoot(root *os.Root, info dict) {
	const key, mend = "LarderTrustedRoot", "name the root.json that \"larder keys init\" made, copied into the bundle"
	data, _, ok := info.inside(root, asset.CodeSignature, key, mend)
	if !ok {
		return
	}
	var doc struct {
		Signed struct {
			Type string `json:"_type"`
		} `json:"signed"`
	}
	if json.Unmarshal(data, &doc) != nil || doc.Signed.Type != "root" {
		info.faults.add(Fault{Code: asset.CodeSignature, File: info.file, Key: key, Value: info.text(key), Problem: "the file is no root of signatures", Mend: mend})
		return
	}
	if !b.HasManagedAssetPacks {
		info.fault(key, info.text(key), "only managed asset packs are signed, and the bundle has none", "set BAHasManagedAssetPacks, or leave it out")
		return
	}
	b.TrustedRoot = data
}
