package batch

import (
	"bytes"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
)

// cancelable is withdrawals, the first of which has a cancel that outbids its
// top rung just so.
func cancelable() *Batch {
	b := withdrawals()
	top := Bump(b.Items[0].Rungs[2])
	b.Items[0].Cancel = &Cancel{Gas: MinGas, MaxFeePerGas: top.MaxFeePerGas, MaxPriorityFeePerGas: top.MaxPriorityFeePerGas}
	return b
}

// Every rule of a cancel that is signed with its item.
func TestCancelRules(t *testing.T) {
	for name, test := range map[string]struct {
		harm  func(it *Item)
		field string
	}{
		"fee of the top rung": {func(it *Item) { it.Cancel.MaxFeePerGas = it.Rungs[2].MaxFeePerGas }, "max_fee_per_gas"},
		"fee a wei too low":   {func(it *Item) { it.Cancel.MaxFeePerGas = it.Cancel.MaxFeePerGas.Sub(wallet.NewAmount(1)) }, "max_fee_per_gas"},
		"tip a wei too low": {func(it *Item) {
			it.Cancel.MaxPriorityFeePerGas = it.Cancel.MaxPriorityFeePerGas.Sub(wallet.NewAmount(1))
		}, "max_priority_fee_per_gas"},
		"tip above the fee": {func(it *Item) { it.Cancel.MaxPriorityFeePerGas = it.Cancel.MaxFeePerGas.Add(wallet.NewAmount(1)) }, "max_priority_fee_per_gas"},
		"no fees": {func(it *Item) {
			it.Cancel.MaxFeePerGas, it.Cancel.MaxPriorityFeePerGas = wallet.Amount{}, wallet.Amount{}
		}, "max_fee_per_gas"},
		"a fee of 129 bits":         {func(it *Item) { it.Cancel.MaxFeePerGas = wallet.AmountOf(new(big.Int).Lsh(big.NewInt(1), 128)) }, "max_fee_per_gas"},
		"too little gas":            {func(it *Item) { it.Cancel.Gas = MinGas - 1 }, "gas"},
		"too much gas":              {func(it *Item) { it.Cancel.Gas = MaxCancelGas + 1 }, "gas"},
		"beside a higher ladder":    {func(it *Item) { it.Rungs = append(it.Rungs, Bump(it.Rungs[2])) }, "max_fee_per_gas"},
		"beside a dearer only rung": {func(it *Item) { it.Rungs = []wallet.Fee{{MaxFeePerGas: it.Cancel.MaxFeePerGas}} }, "max_fee_per_gas"},
	} {
		b := cancelable()
		if err := b.Check(); err != nil {
			t.Fatalf("the whole batch: %v", err)
		}
		test.harm(&b.Items[0])
		err := b.Check()
		var refusal *Error
		if !errors.As(err, &refusal) || !errors.Is(err, wallet.ErrRefused) || refusal.Item != 0 || refusal.Field != "/items/0/cancel/"+test.field {
			t.Errorf("%s: Check = %v, want a refusal of /items/0/cancel/%s", name, err, test.field)
		}
	}
	for i, name := range map[int]string{2: "cancel", 3: "no-op"} {
		b := rebalances()
		b.Items[i].Cancel = cancelable().Items[0].Cancel
		var refusal *Error
		if err := b.Check(); !errors.As(err, &refusal) || refusal.Field != "/items/"+string(rune('0'+i))+"/cancel" {
			t.Errorf("a cancel of a %s: %v", name, err)
		}
	}
	for _, gas := range []uint64{MinGas, MaxCancelGas} {
		b := cancelable()
		b.Items[0].Cancel.Gas = gas
		if err := b.Check(); err != nil {
			t.Errorf("a cancel with %d gas: %v", gas, err)
		}
	}
}

// The cancel is in the digest, in both forms of a batch, and in its worst fee.
func TestCancelIsOfTheBatch(t *testing.T) {
	b := cancelable()
	back, err := Parse(encoded(t, b))
	if err != nil {
		t.Fatal(err)
	}
	if digestOf(t, back) != digestOf(t, b) || back.Items[0].Cancel == nil || back.Items[0].Cancel.Gas != MinGas || back.Items[1].Cancel != nil {
		t.Errorf("read back as %+v", back.Items)
	}
	digests := map[string]string{digestOf(t, withdrawals()): "none", digestOf(t, b): "the cancel"}
	for name, change := range map[string]func(*Cancel){
		"gas": func(c *Cancel) { c.Gas++ },
		"fee": func(c *Cancel) { c.MaxFeePerGas = c.MaxFeePerGas.Add(wallet.NewAmount(1)) },
		"tip": func(c *Cancel) { c.MaxPriorityFeePerGas = c.MaxPriorityFeePerGas.Add(wallet.NewAmount(1)) },
	} {
		other := cancelable()
		change(other.Items[0].Cancel)
		if same, ok := digests[digestOf(t, other)]; ok {
			t.Errorf("another %s has the digest of %s", name, same)
		}
		digests[digestOf(t, other)] = name
	}
	file := encoded(t, b)
	for _, bad := range []string{`"cancel":null`, `"cancel":{}`, `"cancel":[]`} {
		at := bytes.Index(file, []byte(`"cancel"`))
		end := at + bytes.IndexByte(file[at:], '}') + 1
		if _, err := Parse(append(append(append([]byte{}, file[:at]...), bad...), file[end:]...)); !errors.Is(err, wallet.ErrRefused) {
			t.Errorf("a batch with %s: %v", bad, err)
		}
	}
	it := &b.Items[0]
	if want := it.Rungs[2].MaxFeePerGas.Mul(it.Gas); it.WorstFee().Cmp(want) != 0 {
		t.Errorf("worst fee %s with a cheap cancel, want that of the top rung, %s", it.WorstFee(), want)
	}
	it.Cancel.Gas = it.Gas
	if want := it.Cancel.MaxFeePerGas.Mul(it.Gas); it.WorstFee().Cmp(want) != 0 || Summarize(b).Rows[0].WorstFee.Cmp(want) != 0 {
		t.Errorf("worst fee %s, want that of the cancel, %s", it.WorstFee(), want)
	}
}

// What is signed for a cancel pays nobody, at the item's own nonce.
func TestCancelTransaction(t *testing.T) {
	b := cancelable()
	it := &b.Items[0]
	tx := it.Transaction(b.ChainID, it.Signatures()-1)
	if *tx.To() != it.From || tx.Value().Sign() != 0 || len(tx.Data()) != 0 || tx.Nonce() != it.Nonce || tx.Gas() != it.Cancel.Gas ||
		tx.GasFeeCap().Cmp(it.Cancel.MaxFeePerGas.Big()) != 0 || tx.GasTipCap().Cmp(it.Cancel.MaxPriorityFeePerGas.Big()) != 0 || tx.ChainId().Uint64() != b.ChainID {
		t.Errorf("the cancel is %+v", tx)
	}
	alone := *b
	alone.Items = []Item{*it.CancelItem(b.ChainID)}
	alone.Assets = b.Assets[:1]
	if err := alone.Check(); err != nil {
		t.Errorf("the cancel as an item of its own: %v", err)
	}
	if it := &b.Items[1]; it.CancelItem(b.ChainID) != nil || it.Signatures() != 2 {
		t.Errorf("an item without a cancel has %d signatures", it.Signatures())
	}
}

func TestVerifyCancel(t *testing.T) {
	good := sign(t, cancelable())
	if err := good.Verify(); err != nil {
		t.Fatal(err)
	}
	if back, err := ParseSigned(encoded(t, good)); err != nil || back.Verify() != nil {
		t.Fatalf("read back: %v", err)
	}
	sum := SummarizeSigned(good)
	if len(sum.Rows[0].Hashes) != 4 || sum.Signed.Signatures != 6 || sum.Rows[0].Cancel == nil {
		t.Errorf("the summary has %d signatures, %d of the first item", sum.Signed.Signatures, len(sum.Rows[0].Hashes))
	}
	resign := func(s *Signed, tx *types.Transaction) {
		signed, err := types.SignTx(tx, types.LatestSignerForChainID(tx.ChainId()), payoutKey)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := signed.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		s.Transactions[0][3] = wallet.SignedRung{Hash: signed.Hash(), Raw: raw}
	}
	for name, test := range map[string]struct {
		harm func(s *Signed)
		want string
	}{
		"missing":         {func(s *Signed) { s.Transactions[0] = s.Transactions[0][:3] }, "/transactions/0"},
		"one more":        {func(s *Signed) { s.Transactions[0] = append(s.Transactions[0], s.Transactions[0][3]) }, "/transactions/0"},
		"of another item": {func(s *Signed) { s.Transactions[1] = append(s.Transactions[1], s.Transactions[0][3]) }, "/transactions/1"},
		"first": {func(s *Signed) {
			s.Transactions[0][0], s.Transactions[0][3] = s.Transactions[0][3], s.Transactions[0][0]
		}, "/transactions/0/0/raw"},
		"a rung in its place": {func(s *Signed) { s.Transactions[0][3] = s.Transactions[0][2] }, "/transactions/0/3/raw"},
		"hash":                {func(s *Signed) { s.Transactions[0][3].Hash[0]++ }, "/transactions/0/3/hash"},
		"pays": {func(s *Signed) {
			it := s.Batch.Items[0]
			it.Rungs, it.Cancel = []wallet.Fee{it.Cancel.Fee()}, nil
			resign(s, it.Transaction(1, 0))
		}, "/transactions/0/3/raw"},
		"another chain": {func(s *Signed) { resign(s, s.Batch.Items[0].Transaction(5, 3)) }, "/transactions/0/3/raw"},
	} {
		s := sign(t, cancelable())
		test.harm(s)
		if err := s.Verify(); !errors.Is(err, wallet.ErrRefused) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Verify = %v, want a refusal that says %q", name, err, test.want)
		}
	}
}

// No byte of a batch with a cancel, or of its signature, can be another.
func TestMutatedCancel(t *testing.T) {
	b := cancelable()
	b.Items, b.Assets = b.Items[:1], b.Assets[:1]
	top := Bump(b.Items[0].Rungs[0])
	b.Items[0].Rungs = ladder(1)
	b.Items[0].Cancel.MaxFeePerGas, b.Items[0].Cancel.MaxPriorityFeePerGas = top.MaxFeePerGas, top.MaxPriorityFeePerGas
	signed := sign(t, b)
	file := encoded(t, signed)
	mutations(file, func(what string, mutated []byte) {
		got, err := ParseSigned(mutated)
		if err == nil {
			err = got.Verify()
		}
		if err != nil {
			if !errors.Is(err, wallet.ErrRefused) {
				t.Errorf("%s: error %v is no refusal", what, err)
			}
			return
		}
		got.PolicyHash, got.RecordHead, got.SignedAt = signed.PolicyHash, signed.RecordHead, signed.SignedAt
		if !bytes.Equal(encoded(t, got), file) {
			t.Errorf("%s: accepted, and means something else", what)
		}
	})
}
