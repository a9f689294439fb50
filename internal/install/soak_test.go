//go:build soak

package install

import "testing"

func TestSoakHistoriesOfAShelf(t *testing.T) { shelfHistories(t, 300) }
