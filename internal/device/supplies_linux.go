package device

import (
	"os"
	"path/filepath"
	"strings"

	"larder/asset"
)

// onBattery asks the kernel's power supplies: yes when a battery of the device
// discharges and no mains supply is online.
func (l linux) onBattery() asset.Answer {
	supplies, err := filepath.Glob(filepath.Join(l.supplies, "*"))
	if err != nil || len(supplies) == 0 {
		return asset.Unknown
	}
	answer := asset.Unknown
	for _, dir := range supplies {
		read := func(name string) string {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				return ""
			}
			return strings.TrimSpace(string(text))
		}
		switch kind := read("type"); {
		case read("scope") == "Device": // of a mouse or a headset
		case (kind == "Mains" || kind == "USB") && read("online") == "1":
			return asset.No
		case kind == "Battery" && read("status") == "Discharging":
			answer = asset.Yes
		case kind == "Battery" && answer == asset.Unknown:
			answer = asset.No
		}
	}
	return answer
}
