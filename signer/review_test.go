package signer_test

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// pays lets an item of a batch pay an address.
func pays(b *batch.Batch, item int, to string) {
	a := common.HexToAddress(to)
	b.Items[item].To, b.Items[item].Intent.Recipient = a, a
}

// lookalikes are the items whose recipient a report says looks like another.
func lookalikes(r *signer.Report) (items []int, text string) {
	for _, w := range r.Warnings {
		if w.Rule == signer.WarnLookalike {
			for _, remark := range w.Items {
				items = append(items, remark.Item)
				text += remark.Text + "\n"
			}
		}
	}
	return items, text
}

const (
	regular = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
	poison  = "0xfB69000000000000000000000000000000000359" // four in front and three behind
	almost  = "0xfB60000000000000000000000000000000000359" // three and three
)

func TestReviewWarnsOfLookalikes(t *testing.T) {
	s := newStation(t)
	before := s.withdrawals(t, 0, 1)
	pays(before, 0, regular)
	s.sign(t, before)
	own := s.withdrawals(t, 1, 1).Items[0].From.Hex()
	ownLike := own[:7] + strings.Repeat("0", 32) + own[39:]

	tests := map[string]struct {
		change func(*batch.Batch)
		policy string
		want   string // empty for no warning
	}{
		"the address itself":    {change: func(b *batch.Batch) { pays(b, 0, regular) }},
		"like one signed for":   {change: func(b *batch.Batch) { pays(b, 0, poison) }, want: "looks like " + regular + ", which this station signed for before, and is another address: the first 4 and the last 3 digits are the same"},
		"three and four digits": {change: func(b *batch.Batch) { pays(b, 0, "0xfB6000000000000000000000000000000000d359") }, want: "the first 3 and the last 4 digits"},
		"too few digits":        {change: func(b *batch.Batch) { pays(b, 0, almost) }},
		"the front alone":       {change: func(b *batch.Batch) { pays(b, 0, regular[:34]+"00000000") }},
		"the end alone":         {change: func(b *batch.Batch) { pays(b, 0, "0x00000000"+regular[10:]) }},
		"on another chain":      {change: func(b *batch.Batch) { pays(b, 0, poison); onChain(b, 10) }, want: regular},
		"like our own":          {change: func(b *batch.Batch) { pays(b, 0, ownLike) }, want: "looks like " + own},
		"like another of a batch": {change: func(b *batch.Batch) {
			pays(b, 0, "0x1234560000000000000000000000000000abcdef")
			pays(b, 1, "0x1234561111111111111111111111111111abcdef")
		}, want: "which item 1 pays"},
		"like one in the policy": {
			change: func(b *batch.Batch) { pays(b, 0, "0x7654321111111111111111111111111111abcdef") },
			policy: "version = 1\nopen = true\n[[chain]]\nid = 1\ntreasury = \"0x765432ffffffffffffffffffffffffffffabcdef\"\n",
			want:   "which the policy names",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s.Policy = preset(t, "open")
			if test.policy != "" {
				s.Policy = parsePolicy(t, test.policy)
			}
			b := s.withdrawals(t, 1, 2)
			test.change(b)
			items, text := lookalikes(s.review(t, b))
			if (text == "") != (test.want == "") || !strings.Contains(text, test.want) {
				t.Errorf("items %v: %q, want %q", items, text, test.want)
			}
			if test.want != "" && items[0] != 0 {
				t.Errorf("items %v, want 0 among them", items)
			}
		})
	}
}

// A sender of the batch is known before anything was signed, and so is what the
// batch says is ours.
func TestReviewKnowsTheBatchsOwnAddresses(t *testing.T) {
	s := newStation(t)
	b := s.withdrawals(t, 0, 1)
	own := b.Items[0].From.Hex()
	pays(b, 0, own[:7]+strings.Repeat("0", 32)+own[39:])
	if _, text := lookalikes(s.review(t, b)); !strings.Contains(text, "looks like "+own+", which is a sender of this batch") {
		t.Errorf("%q does not name the sender %s", text, own)
	}
}

// Whatever is signed for is found by its ends afterwards: recipients, and what
// is ours.
func TestSignedAddressesAreFoundByTheirEnds(t *testing.T) {
	s := newStation(t)
	swept := s.sweeps(t, 0, 3)
	s.sign(t, swept)
	for i := range swept.Items {
		from := swept.Items[i].From.Hex()
		b := s.withdrawals(t, 0, 1)
		pays(b, 0, from[:6]+strings.Repeat("1", 30)+from[36:])
		if _, text := lookalikes(s.review(t, b)); !strings.Contains(text, "looks like "+from) {
			t.Errorf("%q does not name %s", text, from)
		}
	}
}
