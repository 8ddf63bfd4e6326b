package payout

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// What the table is about: nonce 7 of a sender, in block 100 if it is mined.
var (
	ourHash, foreignHash = common.Hash{1}, common.Hash{2}
	theBlock, otherBlock = common.Hash{100}, common.Hash{101}
	theSlot              = wallet.Slot{ChainID: 1, Sender: common.Address{7}, Nonce: 7}
)

// dossierOf is what the store has of a slot in one kind of doubt.
func dossierOf(kind outgoing.DoubtKind, change ...func(*outgoing.Dossier)) *outgoing.Dossier {
	d := &outgoing.Dossier{Slot: theSlot, Past: true, Doubt: &outgoing.Doubt{Kind: kind, Slot: theSlot}}
	bound := func(state wallet.OutgoingState) {
		d.Outgoing = &wallet.Outgoing{
			Slot: theSlot, State: state, Intent: wallet.Intent{Kind: wallet.IntentWithdrawal, ID: "w-1"},
			Attempts: []wallet.Attempt{{Batch: "b-1", Rungs: []wallet.Fee{{}}, Signed: []common.Hash{ourHash}, Offered: 1}},
		}
	}
	mined := func(hash common.Hash) {
		d.Mined = &wallet.Mined{Slot: theSlot, TxHash: hash, BlockNumber: 100, BlockHash: theBlock, Success: true}
		d.Final, d.Doubt.Mined, d.Doubt.Final = true, d.Mined, true
	}
	switch kind {
	case outgoing.DoubtUnseen:
		d.Past = false
	case outgoing.DoubtUnexplained:
		mined(foreignHash)
		d.Doubt.Acceptable = true
	case outgoing.DoubtForeign:
		bound(wallet.OutgoingOffered)
		mined(foreignHash)
		d.Doubt.Pays, d.Doubt.Free, d.Doubt.Acceptable = []string{"w-2"}, []string{"w-2"}, true
	case outgoing.DoubtAmount:
		bound(wallet.OutgoingMined)
		mined(ourHash)
		d.Doubt.Acceptable = true
	case outgoing.DoubtVanished:
		bound(wallet.OutgoingFinal)
		mined(ourHash)
		d.Mined.Settled = true
		d.Vanished = &store.Vanished{Slot: theSlot}
	case outgoing.DoubtMissing:
		bound(wallet.OutgoingOffered)
	case outgoing.DoubtGap:
	}
	for _, c := range change {
		c(d)
	}
	return d
}

// witnessed words of an endpoint at block 200 with all of it final.
func says(host string, nonce uint64, seen ...chain.Sighting) chain.Testimony {
	final := nonce
	return chain.Testimony{Host: host, Head: 200, Latest: nonce, Finalized: &final, Transactions: seen}
}

func inThe(block common.Hash) chain.Sighting {
	yes := true
	return chain.Sighting{Whereabouts: chain.Whereabouts{Where: chain.Mined, Number: 100, Block: block, Host: "x"}, Success: &yes}
}

func is(w chain.Where) chain.Sighting {
	return chain.Sighting{Whereabouts: chain.Whereabouts{Where: w, Host: "x"}}
}

// mute is an endpoint that does not answer.
var mute = chain.Testimony{Host: "mute", Err: wallet.As(wallet.ErrUnreachable, "gone")}

func at(head uint64, t chain.Testimony) chain.Testimony {
	t.Head = head
	return t
}

// Every kind of doubt with what endpoints may say of it, and exactly the choices
// that are offered then. Accepting is the one that gives funds back: it is never
// offered, and always refused, where endpoints contradict each other or what
// scanning proved, or nobody has seen it.
func TestChoices(t *testing.T) {
	yes, nowhere, pooled, unknown := inThe(theBlock), is(chain.Nowhere), is(chain.Pooled), is(chain.WhereUnknown)
	reverted := yes
	no := false
	reverted.Success = &no
	seven := uint64(7)
	notFinal := says("late", 8, yes)
	notFinal.Finalized = &seven
	const scan, doctor, confirm = "scan", "doctor", "confirm"
	accept := fmt.Sprintf("resolve --accept %s:7", theSlot.Sender.Hex())
	const build, bump, cancel = "build-withdrawals -o batch.json", "withdraw bump w-1", "withdraw cancel w-1"
	const show = "batch show b-1 -o batch.json"
	give := fmt.Sprintf("resolve --cancel %s:7", theSlot.Sender.Hex())
	type words = []chain.Testimony
	young := func(d *outgoing.Dossier) { d.Final, d.Doubt.Final, d.Doubt.Acceptable = false, false, false }
	bound := func(d *outgoing.Dossier) { d.Doubt.Acceptable, d.Doubt.Free = false, nil }
	held := func(change ...func(*wallet.Outgoing)) *outgoing.Dossier {
		d := dossierOf(outgoing.DoubtMissing)
		d.Doubt.Kind, d.Outgoing.State = outgoing.DoubtGap, wallet.OutgoingBound
		d.Outgoing.Attempts[0].Signed, d.Outgoing.Attempts[0].Offered = nil, 0
		for _, c := range change {
			c(d.Outgoing)
		}
		return d
	}
	discarded := func(o *wallet.Outgoing) { o.Attempts[0].Discarded = true }
	as := func(kind wallet.IntentKind) func(*wallet.Outgoing) {
		return func(o *wallet.Outgoing) { o.Intent.Kind = kind }
	}
	for _, c := range []struct {
		name  string
		d     *outgoing.Dossier
		words words
		want  []string
		clash bool
	}{
		// What is final by proof, and an endpoint has it.
		{"unexplained", dossierOf(outgoing.DoubtUnexplained), words{says("a", 8, yes)}, []string{accept}, false},
		{"unexplained, two", dossierOf(outgoing.DoubtUnexplained), words{says("a", 8, yes), says("b", 9, yes)}, []string{accept}, false},
		{"unexplained, one is gone", dossierOf(outgoing.DoubtUnexplained), words{mute, says("a", 8, yes)}, []string{accept}, false},
		{"unexplained, one is behind", dossierOf(outgoing.DoubtUnexplained), words{at(99, says("b", 7, nowhere)), says("a", 8, yes)}, []string{accept}, false},
		{"foreign", dossierOf(outgoing.DoubtForeign), words{says("a", 8, yes, nowhere)}, []string{accept}, false},
		{"foreign, ours in a pool", dossierOf(outgoing.DoubtForeign), words{says("a", 8, yes, pooled)}, []string{accept}, false},
		{"amount", dossierOf(outgoing.DoubtAmount), words{says("a", 8, yes)}, []string{accept}, false},

		// The same, where it must not be accepted.
		{"unexplained, nobody", dossierOf(outgoing.DoubtUnexplained), words{mute, mute}, []string{doctor}, false},
		{"unexplained, no endpoint", dossierOf(outgoing.DoubtUnexplained), nil, []string{doctor}, false},
		{"unexplained, all are behind", dossierOf(outgoing.DoubtUnexplained), words{at(99, says("b", 7, nowhere))}, []string{scan}, false},
		{"unexplained, untold", dossierOf(outgoing.DoubtUnexplained), words{says("a", 8, unknown)}, []string{scan}, false},
		{"unexplained, not final there", dossierOf(outgoing.DoubtUnexplained), words{says("a", 8, yes), notFinal}, []string{scan}, false},
		{"unexplained, not final here", dossierOf(outgoing.DoubtUnexplained, young), words{says("a", 8, yes)}, []string{scan, confirm}, false},
		{"unexplained, nowhere", dossierOf(outgoing.DoubtUnexplained), words{says("a", 8, nowhere)}, []string{doctor, scan}, true},
		{"unexplained, one denies it", dossierOf(outgoing.DoubtUnexplained), words{says("a", 8, yes), says("b", 8, nowhere)}, []string{doctor, scan}, true},
		{"unexplained, one does not count it", dossierOf(outgoing.DoubtUnexplained), words{says("a", 8, yes), says("b", 7, nowhere)}, []string{doctor, scan}, true},
		{"unexplained, another block", dossierOf(outgoing.DoubtUnexplained), words{says("a", 8, inThe(otherBlock))}, []string{doctor, scan}, true},
		{"unexplained, two blocks", dossierOf(outgoing.DoubtUnexplained), words{says("a", 8, yes), says("b", 8, inThe(otherBlock))}, []string{doctor, scan}, true},
		{"unexplained, another outcome", dossierOf(outgoing.DoubtUnexplained), words{says("a", 8, reverted)}, []string{doctor, scan}, true},
		{"foreign, nobody", dossierOf(outgoing.DoubtForeign), words{mute}, []string{doctor}, false},
		{"foreign, ours is mined at one", dossierOf(outgoing.DoubtForeign), words{says("a", 8, yes, nowhere), says("b", 8, nowhere, yes)}, []string{doctor, scan}, true},
		{"foreign, ours is mined at all", dossierOf(outgoing.DoubtForeign), words{says("a", 8, nowhere, yes)}, []string{doctor, scan}, true},
		{"foreign, ours is mined at one behind", dossierOf(outgoing.DoubtForeign), words{says("a", 8, yes, nowhere), at(99, says("b", 8, nowhere, yes))}, []string{doctor, scan}, true},
		{"foreign, ours is mined, and the other untold", dossierOf(outgoing.DoubtForeign), words{says("a", 8, unknown, yes)}, []string{doctor, scan}, true},
		{"foreign, both at one", dossierOf(outgoing.DoubtForeign), words{says("a", 8, yes, yes)}, []string{doctor, scan}, true},
		{"foreign, its twin has a nonce", dossierOf(outgoing.DoubtForeign, bound), words{says("a", 8, yes, nowhere)}, []string{confirm}, false},
		{"foreign, not final here", dossierOf(outgoing.DoubtForeign, young), words{says("a", 8, yes, nowhere)}, []string{scan, confirm}, false},
		{"amount, not final here", dossierOf(outgoing.DoubtAmount, young), words{says("a", 8, yes)}, []string{scan, confirm}, false},
		{"amount, nobody", dossierOf(outgoing.DoubtAmount), words{mute}, []string{doctor}, false},
		{"amount, one denies it", dossierOf(outgoing.DoubtAmount), words{says("a", 8, yes), says("b", 8, pooled)}, []string{doctor, scan}, true},

		// Several ask for what was paid: each that has no nonce may be named.
		{"unexplained, for one of two", dossierOf(outgoing.DoubtUnexplained, func(d *outgoing.Dossier) {
			d.Doubt.Pays, d.Doubt.Free = []string{"w-2", "w 3"}, []string{"w 3"}
		}), words{says("a", 8, yes)}, []string{accept + " --withdrawal w 3"}, false},

		// What was final and left the chain: nothing of it is given back.
		{"vanished", dossierOf(outgoing.DoubtVanished), words{says("a", 7, nowhere)}, []string{scan}, false},
		{"vanished, nobody", dossierOf(outgoing.DoubtVanished), nil, []string{doctor}, false},
		{"vanished, mined again", dossierOf(outgoing.DoubtVanished, again(ourHash)), words{says("a", 8, yes)}, []string{confirm}, false},
		{"vanished, another took it", dossierOf(outgoing.DoubtVanished, again(foreignHash)), words{says("a", 8, yes, nowhere)}, []string{"halt --reason vanished " + ourHash.Hex()}, false},

		// What holds up a line.
		{"unseen", dossierOf(outgoing.DoubtUnseen), words{says("a", 8)}, []string{scan}, false},
		{"unseen, one counts less", dossierOf(outgoing.DoubtUnseen), words{says("a", 8), says("b", 7)}, []string{doctor, scan}, true},
		{"gap", dossierOf(outgoing.DoubtGap), words{says("a", 7)}, []string{build}, false},
		{"gap, used on chain", dossierOf(outgoing.DoubtGap), words{says("a", 8)}, []string{scan}, false},
		{"gap, nobody", dossierOf(outgoing.DoubtGap), words{mute}, []string{doctor}, false},
		{"gap of the float", dossierOf(outgoing.DoubtGap, func(d *outgoing.Dossier) { d.Float = true }), words{says("a", 7)}, []string{build + " --float"}, false},
		{"held, not signed", held(), words{says("a", 7)}, []string{show, cancel}, false},
		{"held, discarded", held(discarded), words{says("a", 7)}, []string{build, cancel}, false},
		{"held, to be canceled", held(func(o *wallet.Outgoing) { o.Wish = wallet.WishCancel }), words{says("a", 7)}, []string{build}, false},
		{"held, its cancel is not signed", held(func(o *wallet.Outgoing) {
			o.Wish, o.Attempts[0].Cancel = wallet.WishCancel, true
			o.Attempts = append([]wallet.Attempt{{Batch: "b-0", Discarded: true}}, o.Attempts...)
		}), words{says("a", 7)}, []string{show}, false},
		{"held, a discarded sweep", held(discarded, as(wallet.IntentSweep)), words{says("a", 7)}, []string{give}, false},
		{"held, many payments that were discarded", held(discarded, as(wallet.IntentPayments)), words{says("a", 7)}, []string{build, give}, false},
		{"held, a no-op that is not signed", held(as(wallet.IntentNoOp)), words{says("a", 7)}, []string{show}, false},
		{"held, a discarded no-op", held(discarded, as(wallet.IntentNoOp)), words{says("a", 7)}, []string{build}, false},
		{"held, used on chain", held(), words{says("a", 8)}, []string{scan}, false},
		{"held, nobody", held(), words{mute}, []string{doctor}, false},
		{"missing", dossierOf(outgoing.DoubtMissing), words{says("a", 7, nowhere)}, []string{confirm, bump, cancel}, false},
		{"missing, in a pool after all", dossierOf(outgoing.DoubtMissing), words{says("a", 7, pooled)}, []string{confirm, bump, cancel}, false},
		{"missing, mined", dossierOf(outgoing.DoubtMissing), words{says("a", 8, yes)}, []string{scan}, false},
		{"missing, its nonce is used", dossierOf(outgoing.DoubtMissing), words{says("a", 8, nowhere)}, []string{scan}, false},
		{"missing, mined and not counted", dossierOf(outgoing.DoubtMissing), words{says("a", 7, yes)}, []string{doctor, scan}, true},
		{"missing, mined at one", dossierOf(outgoing.DoubtMissing), words{says("a", 8, yes), says("b", 7, nowhere)}, []string{doctor, scan}, true},
		{"missing, nobody", dossierOf(outgoing.DoubtMissing), words{mute}, []string{doctor}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := judge(c.d, c.d.Hashes(), c.words)
			var got []string
			for _, ch := range choose(c.d, &v) {
				got = append(got, strings.Join(ch.Args, " "))
				if ch.Why == "" {
					t.Errorf("%q has no reason", ch.Args)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("offered %q, want %q", got, c.want)
			}
			if (len(v.clashes) > 0) != c.clash {
				t.Errorf("contradictions: %q", v.clashes)
			}
			// Who accepts without having looked is told no in the same cases.
			if c.d.Doubt.Acceptable {
				err := witnessed(c.d, c.d.Hashes(), c.words)
				offered := slices.ContainsFunc(c.want, func(s string) bool { return strings.HasPrefix(s, "resolve --accept") })
				if (err == nil) != offered {
					t.Errorf("accepting: %v", err)
				}
				if err != nil && !errors.Is(err, wallet.ErrRefused) && !errors.Is(err, wallet.ErrUnreachable) {
					t.Errorf("%v is neither refused nor unreachable", err)
				}
			}
		})
	}
}

// again has a slot that vanished be mined once more, beyond reorg.
func again(hash common.Hash) func(*outgoing.Dossier) {
	return func(d *outgoing.Dossier) {
		found := *d.Mined
		found.TxHash = hash
		d.Vanished.Found, d.Doubt.Mined, d.Doubt.Final = &found, &found, true
		d.Mined.BlockHash = otherBlock
	}
}
