package outgoing

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// What is looked for in pools is what stands at the front and was offered long
// ago.
func TestMissing(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	const chain = 1
	sender := common.Address{7}
	type line map[uint64]func(*wallet.Outgoing)
	offered := func(ago time.Duration, state wallet.OutgoingState) func(*wallet.Outgoing) {
		return func(o *wallet.Outgoing) {
			o.State = state
			o.Attempts[0].Signed = []common.Hash{{byte(o.Slot.Nonce) + 1}}
			o.Attempts[0].Offered, o.Attempts[0].RungAt = 1, now.Add(-ago)
		}
	}
	accepted, old := offered(0, wallet.OutgoingAccepted), offered(LongOffered, wallet.OutgoingOffered)
	for _, c := range []struct {
		name string
		line line
		want []string
	}{
		{"nothing", line{}, nil},
		{"offered long ago", line{3: old, 4: old}, []string{"missing 3 true"}},
		{"accepted long ago", line{3: offered(time.Hour, wallet.OutgoingAccepted)}, []string{"missing 3 false"}},
		{"offered a moment ago", line{3: offered(LongOffered-time.Second, wallet.OutgoingOffered)}, nil},
		{"behind what was offered a moment ago", line{3: accepted, 4: old}, nil},
		{"after what is final", line{3: func(o *wallet.Outgoing) { o.State = wallet.OutgoingFinal }, 4: old}, []string{"missing 4 true"}},
		{"discarded", line{3: func(o *wallet.Outgoing) {
			old(o)
			o.State, o.Attempts[0].Discarded = wallet.OutgoingBound, true
		}}, nil},
		{"signed and not offered", line{3: func(o *wallet.Outgoing) {
			offered(time.Hour, wallet.OutgoingSigned)(o)
			o.Attempts[0].Offered, o.Attempts[0].RungAt = 0, time.Time{}
		}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			db, err := bolt.Create(t.Context(), filepath.Join(t.TempDir(), "db"))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			if err := db.Update(t.Context(), func(tx store.Tx) error {
				for nonce, change := range c.line {
					o := wallet.Outgoing{
						Slot:     wallet.Slot{ChainID: chain, Sender: sender, Nonce: nonce},
						Intent:   wallet.Intent{Kind: wallet.IntentWithdrawal, ID: fmt.Sprint(nonce)},
						Attempts: []wallet.Attempt{{Batch: "b", Rungs: []wallet.Fee{{}}}},
					}
					change(&o)
					if err := store.PutOutgoing(tx, o); err != nil {
						return err
					}
				}
				list, err := Missing(tx, chain, now)
				for _, d := range list {
					got = append(got, fmt.Sprintf("%s %d %t", d.Kind, d.Slot.Nonce, d.Unheard))
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}
