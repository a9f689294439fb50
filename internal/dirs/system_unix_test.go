//go:build unix && !darwin

package dirs

import "testing"

func TestXDGDirectories(t *testing.T) {
	t.Setenv("LARDER_DATA", "")
	t.Setenv("XDG_DATA_HOME", "/xdg/data")
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	d, err := Find("")
	if err != nil {
		t.Fatal(err)
	}
	if want := (Dirs{Data: "/xdg/data/larder", Run: "/run/user/7/larder/" + Short("/xdg/data/larder")}); d != want {
		t.Errorf("Find = %+v, want %+v", d, want)
	}
}
