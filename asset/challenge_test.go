package asset

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestAnswersThatDoNotFitAreRefusedWithoutQuotingThem(t *testing.T) {
	user := &Credential{User: "ann", Password: "hush"}
	for _, c := range []struct {
		method ChallengeMethod
		answer ChallengeAnswer
		good   bool
	}{
		{ChallengeBasic, ChallengeAnswer{UseCredential, user}, true},
		{ChallengeBearer, ChallengeAnswer{UseCredential, &Credential{Token: "a-b.c_d~e+f/g="}}, true},
		{ChallengeServerTrust, ChallengeAnswer{UseCredential, nil}, true},
		{ChallengeBasic, ChallengeAnswer{DefaultHandling, nil}, true},
		{ChallengeBasic, ChallengeAnswer{CancelChallenge, nil}, true},
		{ChallengeBasic, ChallengeAnswer{RejectProtectionSpace, nil}, true},
		{ChallengeBasic, ChallengeAnswer{}, false},
		{ChallengeBasic, ChallengeAnswer{"hush", nil}, false},
		{ChallengeBasic, ChallengeAnswer{UseCredential, nil}, false},
		{ChallengeBasic, ChallengeAnswer{CancelChallenge, user}, false},
		{ChallengeBasic, ChallengeAnswer{UseCredential, &Credential{Token: "hush"}}, false},
		{ChallengeBasic, ChallengeAnswer{UseCredential, &Credential{User: "an:n", Password: "hush"}}, false},
		{ChallengeBasic, ChallengeAnswer{UseCredential, &Credential{User: "ann", Password: "hush\r\nX: y"}}, false},
		{ChallengeBasic, ChallengeAnswer{UseCredential, &Credential{User: strings.Repeat("x", 2000)}}, false},
		{ChallengeBearer, ChallengeAnswer{UseCredential, user}, false},
		{ChallengeBearer, ChallengeAnswer{UseCredential, &Credential{Token: "hush hush"}}, false},
		{ChallengeServerTrust, ChallengeAnswer{UseCredential, user}, false},
	} {
		err := c.answer.Check(Challenge{Method: c.method})
		if (err == nil) != c.good || err != nil && (CodeOf(err) != CodeBadRequest || strings.Contains(err.Error()+AsError(err).Help, "hush")) {
			t.Errorf("%s, %s: %v", c.method, c.answer.Disposition, err)
		}
	}
}

func TestACredentialDoesNotPrintItself(t *testing.T) {
	var log strings.Builder
	c := Credential{User: "ann", Password: "hush", Token: "hush"}
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "c", c, "p", &c, "a", ChallengeAnswer{UseCredential, &c})
	if text := log.String() + fmt.Sprintf("%v %+v %s %#v", c, &c, c, c); strings.Contains(text, "hush") {
		t.Errorf("it prints %q", text)
	}
}
