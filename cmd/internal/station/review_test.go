package station

import (
	"strings"
	"testing"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// What would be refused can be looked at, with the reasons, and is not signed.
func TestReviewShowsRefusals(t *testing.T) {
	tests := map[string]struct {
		arrange func(b *bench)
		rule    string
	}{
		"no policy":     {func(b *bench) { b.remove(policy.File) }, "policy"},
		"bad policy":    {func(b *bench) { b.write("home/"+policy.File, "version = 2") }, "policy"},
		"no record":     {func(b *bench) { b.remove(signer.RecordFile) }, "record"},
		"expired":       {func(b *bench) { b.batch("batch.json", 0, func(u *batch.Batch) { u.ExpiresAt = now }) }, "expired"},
		"another vault": {func(b *bench) { b.batch("batch.json", 0, func(u *batch.Batch) { u.Vault = strings.Repeat("0", 64) }) }, "vault"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := ready(t)
			b.batch("batch.json", 0, nil)
			test.arrange(b)
			var doc struct {
				Verdict  string
				Refusals []struct{ Rule string }
				Items    []struct{ ID string }
			}
			b.json(&doc, "review", b.path("batch.json"))
			if doc.Verdict != "refused" || len(doc.Refusals) == 0 || doc.Refusals[0].Rule != test.rule || len(doc.Items) != 2 {
				t.Errorf("the review tells %+v, want a refusal by %s", doc, test.rule)
			}
			if r := b.ok("review", b.path("batch.json")); !strings.HasPrefix(r.out, "verdict       REFUSED, for 1 reason\nREFUSED       ["+test.rule+"]") {
				t.Errorf("the text begins with %.200q", r.out)
			}
			b.fails(3, "", b.signArgs("batch.json", "signed.json", "--expect", strings.Repeat("0", 64))...)
			if b.maybe("signed.json") != "" {
				t.Error("there is a signed file")
			}
		})
	}
}

// Call data that nobody understands is no batch: it is told, and not reviewed.
func TestReviewRefusesUnknownCalls(t *testing.T) {
	b := ready(t)
	b.batch("batch.json", 0, nil)
	changed := strings.Replace(b.read("batch.json"), `"data": "0x"`, `"data": "0x095ea7b3"`, 1)
	b.write("batch.json", changed)
	b.fails(3, "/items/0/data", "review", b.path("batch.json"))
	b.fails(3, "/items/0/data", b.signArgs("batch.json", "signed.json")...)
}
