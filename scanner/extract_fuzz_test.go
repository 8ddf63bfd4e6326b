package scanner_test

import (
	"bytes"
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
)

// reader turns what a fuzzer made up into a block. What it is short of is zero.
type reader struct{ left []byte }

func (r *reader) take(n int) []byte {
	out := make([]byte, n)
	r.left = r.left[copy(out, r.left):]
	return out
}

func (r *reader) small(below int) int { return int(r.take(1)[0]) % below }

// address is often one that matters.
func (r *reader) address() common.Address {
	if i := r.small(6); i < 4 {
		return []common.Address{ourAddress, stranger, gold, spam}[i]
	}
	return common.BytesToAddress(r.take(20))
}

func (r *reader) log(index uint64) chain.Log {
	l := chain.Log{Address: r.address(), Index: index}
	for i := range r.small(6) {
		topic := common.Hash(r.take(32))
		switch {
		case i == 0 && r.small(4) > 0:
			topic = transferID
		case i > 0 && r.small(4) > 0:
			a := r.address()
			topic = common.BytesToHash(a[:])
		}
		l.Topics = append(l.Topics, topic)
	}
	l.Data = r.take([]int{32, 32, 32, 0, 31, 33, 64}[r.small(7)])
	return l
}

func (r *reader) tx(i int) chain.Tx {
	t := chain.Tx{Success: r.small(4) > 0, Hash: common.Hash{byte(i + 1)}, GasPrice: new(big.Int), FromHint: r.address()}
	to := r.address()
	data := &types.LegacyTx{To: &to, Nonce: uint64(r.small(3)), Value: new(big.Int).SetBytes(r.take(r.small(33))), V: big.NewInt(27), R: new(big.Int).SetBytes(r.take(32)), S: new(big.Int).SetBytes(r.take(32))}
	switch r.small(5) {
	case 0:
		t.Type, t.Raw = 0x7d, r.take(4)
	case 1:
		data.To = nil
		t.Tx = types.NewTx(data)
	default:
		t.Tx = types.NewTx(data)
	}
	for range r.small(5) {
		t.Logs = append(t.Logs, r.log(uint64(len(t.Logs))))
	}
	return t
}

// FuzzExtract: whatever a block holds, a token deposit is one that a log of a
// registered token names, and there is one mark for each contract at most, which
// counts logs that name us.
func FuzzExtract(f *testing.F) {
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{1}, 600))
	for seed := range uint64(40) {
		r := rand.NewChaCha8([32]byte{byte(seed)})
		in := make([]byte, 1500)
		_, _ = r.Read(in)
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := &reader{in}
		b := &chain.Block{Header: &types.Header{Number: new(big.Int).SetUint64(binary.BigEndian.Uint64(r.take(8)))}, Hash: common.Hash{1}}
		for i := range r.small(6) {
			b.Txs = append(b.Txs, r.tx(i))
		}
		for range r.small(3) {
			b.Withdrawals = append(b.Withdrawals, &types.Withdrawal{Address: r.address(), Amount: binary.BigEndian.Uint64(r.take(8))})
		}
		facts := scanner.Extract(1, b, known{}, clock)

		named := map[common.Address]uint64{} // logs of a contract that name us
		for i := range b.Txs {
			for _, l := range b.Txs[i].Logs {
				if namesUs(l) {
					named[l.Address]++
				}
			}
		}
		for _, d := range facts.Deposits {
			if d.Address != ourAddress || d.Amount.Sign() <= 0 {
				t.Fatalf("%+v", d)
			}
			if d.Kind == wallet.KindToken {
				checkTokenDeposit(t, b, d)
			}
		}
		seen := map[common.Address]bool{}
		for _, u := range facts.Unknown {
			if seen[u.Contract] || u.Contract == gold || u.Logs == 0 || u.Logs > named[u.Contract] {
				t.Fatalf("%+v, %d logs name us", u, named[u.Contract])
			}
			seen[u.Contract] = true
		}
	})
}

// namesUs reads a log in its own way.
func namesUs(l chain.Log) bool {
	mine := common.LeftPadBytes(ourAddress[:], 32)
	return len(l.Topics) == 3 && len(l.Data) == 32 && !bytes.Equal(l.Data, make([]byte, 32)) &&
		(bytes.Equal(l.Topics[1][:], mine) || bytes.Equal(l.Topics[2][:], mine))
}

func checkTokenDeposit(t *testing.T, b *chain.Block, d wallet.Deposit) {
	t.Helper()
	for i := range b.Txs {
		if b.Txs[i].Hash != d.TxHash || d.LogIndex == nil {
			continue
		}
		l := b.Txs[i].Logs[*d.LogIndex]
		if l.Address == gold && namesUs(l) && bytes.Equal(l.Topics[2][12:], d.Address[:]) &&
			bytes.Equal(l.Topics[1][12:], d.From[:]) && d.Amount.Cmp(wallet.AmountOf(new(big.Int).SetBytes(l.Data))) == 0 {
			return
		}
	}
	t.Fatalf("no log says %+v", d)
}
