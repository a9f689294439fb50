package meter

import (
	"strings"
	"testing"
)

func TestOursAndThePeerTakeTurnsAndTheFigureIsTheMedianOfPairwiseRatios(t *testing.T) {
	order := ""
	ours := []float64{1, 10, 4}
	peer := []float64{2, 5, 4}
	r, err := Pairs(3, func(i int) (Use, error) {
		order += "o"
		return Use{Wall: ours[i], CPU: 2 * ours[i], RSS: int64(i)}, nil
	}, func(i int) (Use, error) {
		order += "p"
		return Use{Wall: peer[i], CPU: peer[i]}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if order != "oppoop" {
		t.Errorf("order %s", order)
	}
	want := Ratio{Wall: 1, CPU: 2, Ours: Use{Wall: 4, CPU: 8, RSS: 2}, Peer: Use{Wall: 4, CPU: 4}, Pairs: 3}
	if r != want {
		t.Errorf("%+v", r)
	}
}

func TestAPipelineFailsWithAnyOfItsMembersAndSaysWhy(t *testing.T) {
	_, _, err := Shell(t.Context(), t.TempDir(), nil, "{ echo sorry >&2; false; } | cat")
	if err == nil || !strings.Contains(err.Error(), "sorry") {
		t.Error(err)
	}
	u, out, err := Shell(t.Context(), t.TempDir(), []string{"X=there"}, "echo $X | cat")
	if err != nil || string(out) != "there\n" || u.Wall <= 0 {
		t.Errorf("%q, %v, %+v", out, err, u)
	}
}
