package scanner

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// TestContinued goes through when a round begins.
func TestContinued(t *testing.T) {
	for name, c := range map[string]struct {
		round   store.Round
		head    uint64
		setting int
		runs    bool
	}{
		"under way":                        {store.Round{Running: true, Began: 100}, 100, 0, true},
		"untraced, no new block":           {store.Round{Began: 100, Agreed: 50, Untraced: 99}, 100, 0, false},
		"untraced, a new block":            {store.Round{Began: 100, Agreed: 50, Untraced: 101}, 101, 0, true},
		"untraced, and all was compared":   {store.Round{Began: 100, Agreed: 100, Untraced: 100}, 101, 0, false},
		"untraced while the last one went": {store.Round{Began: 100, Agreed: 100, Untraced: 101}, 102, 0, true},
		"traced, too early":                {store.Round{Began: 100, Agreed: 100}, 7_299, 0, false},
		"traced, and it is time":           {store.Round{Began: 100, Agreed: 100}, 7_300, 0, true},
		"a setting, too early":             {store.Round{Began: 100, Agreed: 100}, 149, 50, false},
		"a setting, and it is time":        {store.Round{Began: 100, Agreed: 100}, 150, 50, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := continued(c.round, c.head, c.setting)
			if r.Running != c.runs {
				t.Errorf("%+v", r)
			}
			if c.runs && !c.round.Running && (r.Began != c.head || r.Next != (common.Address{})) {
				t.Errorf("begun as %+v", r)
			}
		})
	}
}

// TestInTime goes through how far a round must have come.
func TestInTime(t *testing.T) {
	slow, fast := store.Round{Running: true, Began: 1000, Agreed: 500}, store.Round{Running: true, Began: 1000, Agreed: 500, Untraced: 501}
	at := func(r store.Round, first byte) store.Round {
		r.Next = common.Address{first}
		return r
	}
	for name, c := range map[string]struct {
		round   store.Round
		head    uint64
		setting int
		want    bool
	}{
		"at the beginning":              {slow, 1000, 0, true},
		"half the blocks, half of them": {at(slow, 0x80), 4600, 0, true},
		"half the blocks, not half":     {at(slow, 0x7f), 4600, 0, false},
		"untraced, half":                {at(fast, 0x80), 1150, 0, true},
		"untraced, not half":            {at(fast, 0x7f), 1150, 0, false},
		"untraced, the last block":      {at(fast, 0xfe), 1299, 0, false},
		"all the blocks":                {at(fast, 0xff), 1300, 0, false},
		"long after":                    {at(fast, 0xff), 9_000_000, 0, false},
		"a setting":                     {at(fast, 0x80), 1005, 10, true},
		"after a reorg":                 {at(fast, 0x10), 990, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			if have := inTime(c.round, c.head, c.setting); have != c.want {
				t.Errorf("in time: %v", have)
			}
		})
	}
}

func TestFollower(t *testing.T) {
	for from, want := range map[common.Address]common.Address{
		{19: 1}:           {19: 2},
		{18: 1, 19: 0xff}: {18: 2},
		common.HexToAddress("0xffffffffffffffffffffffffffffffffffffffff"): {},
	} {
		if have := follower(from); have != want {
			t.Errorf("after %s comes %s", from, have)
		}
	}
}

// TestExpectedAt takes off what happened later, and nothing of the block itself.
func TestExpectedAt(t *testing.T) {
	changes := []store.Change{{Block: 9, Amount: wallet.NewAmount(-5)}, {Block: 7, Amount: wallet.NewAmount(100)}, {Block: 9, Amount: wallet.NewAmount(2)}}
	for n, want := range map[uint64]int64{10: 1000, 9: 1000, 8: 1003, 7: 1003, 6: 903} {
		if have := expectedAt(wallet.NewAmount(1000), changes, n); have.Cmp(wallet.NewAmount(want)) != 0 {
			t.Errorf("at block %d: %s, want %d", n, have, want)
		}
	}
	if have := changeIn(changes, 9); have.Cmp(wallet.NewAmount(-3)) != 0 {
		t.Errorf("in block 9: %s", have)
	}
}
