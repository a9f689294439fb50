package pack

import (
	"testing"

	"larder/asset"
)

func TestCheckTellsOfEveryEntryThatNoPackMayHold(t *testing.T) {
	faults := forest{"ok": {kind: KindFile}, "a/nul": {kind: KindFile}, "b": {kind: KindFile}, "b/c": {kind: KindFile}, "x/Y": {kind: KindFile}, "x/y": {kind: KindFile},
		"l": {kind: KindLink, target: "../x"}}.tree().Check()
	if len(faults) != 4 {
		t.Fatalf("%v", faults)
	}
	for i, code := range []asset.Code{asset.CodeConfiguration, asset.CodePathCollision, asset.CodeConfiguration, asset.CodePathCollision} {
		wantCode(t, faults[i], code)
	}
	if faults := sample().tree().Check(); len(faults) > 0 {
		t.Errorf("%v", faults)
	}
}
