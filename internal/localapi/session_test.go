package localapi

import (
	"slices"
	"testing"
	"time"

	"larder/asset"

	"github.com/google/go-cmp/cmp"
)

func TestAProcessOfAnAppReachesItsRoutes(t *testing.T) {
	w := newWorld(t)
	app, ctx := w.appClient(game), t.Context()
	d := asset.Download{Identifier: "level", URL: "https://e.example/level", Headers: map[string]string{"X": "1"}}
	st, err := app.Schedule(ctx, d)
	if err != nil || st.Identifier != "level" {
		t.Errorf("schedule: %+v, %v", st, err)
	}
	deadline := time.Unix(1, 0)
	_, ferr := app.StartForeground(ctx, "s1", d)
	for what, err := range map[string]error{
		"foreground": ferr, "active": app.SetActive(ctx, "s1", true),
		"acquire": app.AcquireControl(ctx, "s1", ControlRequest{Deadline: &deadline}), "release": app.ReleaseControl(ctx, "s1"),
		"answer": app.AnswerChallenge(ctx, "s1", "c1", &asset.ChallengeAnswer{Disposition: asset.DefaultHandling}), "pass": app.AnswerChallenge(ctx, "s1", "c2", nil),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	lines := 0
	for l, err := range app.Connect(ctx, asset.EventFailed, asset.EventFinished) {
		if err != nil {
			t.Fatal(err)
		}
		if lines++; lines == 1 {
			if l.Session != "s1" {
				t.Errorf("the first line is %+v", l)
			}
			continue
		}
		if l.Type != asset.EventFailed || l.Error == nil || l.Error.Code != asset.CodeSizeMismatch || l.Download.Identifier == "" {
			t.Errorf("the second line is %+v", l)
		}
		break
	}
	got := slices.Sorted(slices.Values(w.calls))
	want := []string{"acquire org.example.game s1 false", "active org.example.game s1 true",
		"challenge org.example.game s1 c1 performDefaultHandling", "challenge org.example.game s1 c2 passed on", "connect org.example.game [failed finished]",
		"foreground org.example.game s1 level", "release org.example.game s1", "schedule org.example.game level"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if a := rawCall(t, app, "GET", "/v1/session?handles=began,cooked", ""); a.status != 400 {
		t.Errorf("an unknown event is answered with %d", a.status)
	}
}
