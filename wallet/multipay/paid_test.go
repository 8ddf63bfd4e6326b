package multipay

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// No log but the contract's own is taken for its word.
func TestDecodePaid(t *testing.T) {
	event := parsed(t).Events["Paid"]
	if event.ID != PaidTopic {
		t.Fatalf("the event's topic is %s, not %s", event.ID, PaidTopic)
	}
	log := func(change func(l *types.Log)) *types.Log {
		data, err := event.Inputs.NonIndexed().Pack(big.NewInt(7), most.Big(), true)
		if err != nil {
			t.Fatal(err)
		}
		l := &types.Log{Address: Address(), Data: data, Topics: []common.Hash{
			PaidTopic, common.BytesToHash(alice[:]), common.BytesToHash(token[:]), common.BytesToHash(bob[:]),
		}}
		change(l)
		return l
	}
	got, err := DecodePaid(log(func(*types.Log) {}))
	if err != nil || got.Payer != alice || got.Token != token || got.To != bob || got.Position != 7 || got.Amount.Cmp(most) != 0 || !got.OK {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := DecodePaid(log(func(l *types.Log) { l.Data[95] = 0 })); err != nil || got.OK {
		t.Errorf("%+v, %v; want a payment that failed", got, err)
	}
	for name, change := range map[string]func(l *types.Log){
		"of another contract":   func(l *types.Log) { l.Address = token },
		"of another event":      func(l *types.Log) { l.Topics[0][0]++ },
		"with a topic less":     func(l *types.Log) { l.Topics = l.Topics[:3] },
		"with no topic":         func(l *types.Log) { l.Topics = nil },
		"with a word less":      func(l *types.Log) { l.Data = l.Data[:64] },
		"with a byte more":      func(l *types.Log) { l.Data = append(l.Data, 0) },
		"with a high position":  func(l *types.Log) { l.Data[0] = 1 },
		"neither true or false": func(l *types.Log) { l.Data[95] = 2 },
		"truer than true":       func(l *types.Log) { l.Data[64] = 1 },
	} {
		if got, err := DecodePaid(log(change)); err == nil {
			t.Errorf("a log %s is read as %+v", name, got)
		}
	}
}
