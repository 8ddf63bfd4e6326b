package batch

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
)

// approvalOf is an approval of a batch by a key.
func approvalOf(t testing.TB, b *Batch, key *ecdsa.PrivateKey) Approval {
	t.Helper()
	hash, err := b.ApprovalHash()
	if err != nil {
		t.Fatal(err)
	}
	return Approval{Approver: addressOf(key), Signature: signatureOf(t, hash, key)}
}

func signatureOf(t testing.TB, hash [32]byte, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	raw, err := crypto.Sign(hash[:], key)
	if err != nil {
		t.Fatal(err)
	}
	raw[64] += 27
	return raw
}

// holding counts the approvals of a batch that hold.
func holding(t testing.TB, b *Batch) (n int) {
	t.Helper()
	wrong, err := b.CheckApprovals()
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range wrong {
		if err == nil {
			n++
		}
	}
	return n
}

// spellings are other ways to write a signature.
func spellings(signature []byte) map[string]string {
	with := func(change func([]byte) []byte) string { return hex.EncodeToString(change(bytes.Clone(signature))) }
	high := func(s []byte) []byte {
		new(big.Int).Sub(order, new(big.Int).SetBytes(s[32:64])).FillBytes(s[32:64])
		s[64] = 27 + 28 - s[64]
		return s
	}
	return map[string]string{
		"0x":               "0x" + hex.EncodeToString(signature),
		"upper case":       strings.ToUpper(hex.EncodeToString(signature)),
		"white space":      " 0x" + hex.EncodeToString(signature) + "\n",
		"v from 0":         with(func(s []byte) []byte { s[64] -= 27; return s }),
		"high s":           with(high),
		"high s, v from 0": with(func(s []byte) []byte { s = high(s); s[64] -= 27; return s }),
		"compact":          with(func(s []byte) []byte { s[32] |= (s[64] - 27) << 7; return s[:64] }),
	}
}

// TestParseSignature takes every spelling of a signature for the same one.
func TestParseSignature(t *testing.T) {
	for i := range 20 { // both values of v
		hash := crypto.Keccak256Hash([]byte{byte(i)})
		want := signatureOf(t, hash, payoutKey)
		for name, text := range spellings(want) {
			if have, err := ParseSignature(text); err != nil || !bytes.Equal(have, want) {
				t.Errorf("%s: %x, %v; want %x", name, have, err, want)
			}
		}
	}
	good := hex.EncodeToString(signatureOf(t, [32]byte{1}, payoutKey))
	zero := strings.Repeat("00", 32)
	for name, text := range map[string]string{
		"empty": "", "0x": "0x", "no hex": "xy" + good[2:], "odd": good[1:], "short": good[:126], "long": good + "00",
		"v of 2": good[:128] + "02", "v of 26": good[:128] + "1a", "v of 29": good[:128] + "1d", "v of EIP-155": good[:128] + "25",
		"r of 0": zero + good[64:], "s of 0": good[:64] + zero + "1b", "compact s of 0": good[:64] + zero,
		"s of the order": good[:64] + hex.EncodeToString(order.Bytes()) + "1b", "s above": good[:64] + strings.Repeat("ff", 32) + "1b",
		"r of the order": hex.EncodeToString(order.Bytes()) + good[64:],
	} {
		if have, err := ParseSignature(text); err == nil {
			t.Errorf("%s: taken as %x", name, have)
		}
	}
}

func FuzzParseSignature(f *testing.F) {
	for _, text := range spellings(signatureOf(f, [32]byte{1}, payoutKey)) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		raw, err := ParseSignature(text)
		if err != nil {
			return
		}
		if err := checkForm(raw); err != nil {
			t.Errorf("%q is taken as %x, which a file may not have: %v", text, raw, err)
		}
		if again, err := ParseSignature(hex.EncodeToString(raw)); err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%x is read as %x, %v", raw, again, err)
		}
	})
}

// TestApprove adds an approver once, whatever the spelling, and keeps the digest.
func TestApprove(t *testing.T) {
	b := withdrawals()
	digest := digestOf(t, b)
	one := approvalOf(t, b, gasKey)
	for name, text := range spellings(one.Signature) {
		signature, err := ParseSignature(text)
		if err != nil {
			t.Fatal(err)
		}
		before := len(b.Approvals)
		added, err := b.Approve(Approval{one.Approver, signature})
		if err != nil || added != 1-before || len(b.Approvals) != 1 {
			t.Errorf("%s: %d added to %d, %v", name, added, before, err)
		}
	}
	// Another valid signature of the same key and batch is the same approval.
	other := approvalWithNonce(t, b, gasKey)
	if bytes.Equal(other.Signature, one.Signature) {
		t.Fatal("the second signature is the first")
	}
	if added, err := b.Approve(other, other); err != nil || added != 0 || len(b.Approvals) != 1 {
		t.Errorf("signed once more: %d added, %v", added, err)
	}
	if added, err := b.Approve(approvalOf(t, b, depositKey), one); err != nil || added != 1 {
		t.Errorf("a second approver: %d added, %v", added, err)
	}
	if n := holding(t, b); n != 2 {
		t.Errorf("%d approvals hold, want 2", n)
	}
	if have := digestOf(t, b); have != digest {
		t.Errorf("the digest became %s", have)
	}
	if err := b.Check(); err != nil {
		t.Error(err)
	}
	if again, err := Parse(encoded(t, b)); err != nil || holding(t, again) != 2 {
		t.Errorf("after reading it again: %v", err)
	}
}

// approvalWithNonce signs as no wallet does, with a nonce of its own.
func approvalWithNonce(t testing.TB, b *Batch, key *ecdsa.PrivateKey) Approval {
	t.Helper()
	hash, err := b.ApprovalHash()
	if err != nil {
		t.Fatal(err)
	}
	k := big.NewInt(4711)
	x, y := crypto.S256().ScalarBaseMult(k.Bytes())
	r := new(big.Int).Mod(x, order)
	s := new(big.Int).Mul(r, new(big.Int).SetBytes(crypto.FromECDSA(key)))
	s.Add(s, new(big.Int).SetBytes(hash[:])).Mul(s, new(big.Int).ModInverse(k, order)).Mod(s, order)
	raw := make([]byte, 65)
	r.FillBytes(raw[:32])
	s.FillBytes(raw[32:64])
	raw[64] = byte(27 + y.Bit(0))
	signature, err := ParseSignature(hex.EncodeToString(raw))
	if err != nil {
		t.Fatal(err)
	}
	return Approval{addressOf(key), signature}
}

// TestApproveRefuses adds nothing if one of several is not its approver's over
// this batch.
func TestApproveRefuses(t *testing.T) {
	b := withdrawals()
	good := approvalOf(t, b, gasKey)
	foreign := func(change func(*Batch)) Approval {
		other := withdrawals()
		change(other)
		return approvalOf(t, other, depositKey)
	}
	digest, err := b.Digest()
	if err != nil {
		t.Fatal(err)
	}
	high := common.FromHex(spellings(good.Signature)["high s"])
	for name, a := range map[string]Approval{
		"of another batch":   foreign(func(b *Batch) { b.ID = strings.Repeat("cd", 16) }),
		"of another chain":   approvalOf(t, largeChain(), depositKey),
		"of another amount":  foreign(func(b *Batch) { b.Items[0].Intent.Amount = wallet.NewAmount(1501) }),
		"of other totals":    foreign(func(b *Batch) { b.Assets[0].Symbol = "ETC" }),
		"of the bare digest": {addressOf(depositKey), signatureOf(t, digest, depositKey)},
		"of a request":       {addressOf(depositKey), signatureOf(t, RequestHash(b.ID, coin, wallet.NewAmount(1), common.Address{1}), depositKey)},
		"of somebody else":   {addressOf(depositKey), good.Signature},
		"with a high s":      {good.Approver, high},
		"with v from 0":      {good.Approver, append(bytes.Clone(good.Signature[:64]), good.Signature[64]-27)},
		"cut short":          {good.Approver, good.Signature[:64]},
		"empty":              {good.Approver, nil},
	} {
		if added, err := b.Approve(good, a); !errors.Is(err, wallet.ErrRefused) || added != 0 || len(b.Approvals) != 0 {
			t.Errorf("an approval %s: %d added, %v", name, added, err)
		}
	}
	b.Approvals = []Approval{foreign(func(b *Batch) { b.ID = strings.Repeat("cd", 16) })}
	if added, err := b.Approve(good); err != nil || added != 1 || len(b.Approvals) != 1 || b.Approvals[0].Approver != good.Approver {
		t.Errorf("beside one that does not hold: %d added, %v, %v", added, err, b.Approvals)
	}
}

// TestApproveMerges merges the approvals of copies, in any order, to one file.
func TestApproveMerges(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := make([]Approval, 5)
		for i := range all {
			all[i] = approvalOf(t, withdrawals(), testKey(byte(20+i)))
		}
		merged := func(parts [][]Approval) string {
			b := withdrawals()
			total := 0
			for _, part := range parts {
				added, err := b.Approve(part...)
				if err != nil {
					rt.Fatal(err)
				}
				total += added
			}
			if total != len(b.Approvals) || holding(t, b) != total {
				rt.Errorf("%d were added, the batch has %d", total, len(b.Approvals))
			}
			return string(encoded(t, b))
		}
		parts := rapid.SliceOf(rapid.SliceOf(rapid.SampledFrom(all))).Draw(rt, "parts")
		if merged(parts) != merged(rapid.Permutation(parts).Draw(rt, "in another order")) {
			rt.Error("the order of merging counts")
		}
	})
}

func TestApproveIsBounded(t *testing.T) {
	b := withdrawals()
	for i := range MaxApprovals {
		if _, err := b.Approve(approvalOf(t, b, testKey(byte(20+i)))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Approve(approvalOf(t, b, gasKey)); !errors.Is(err, wallet.ErrRefused) || len(b.Approvals) != MaxApprovals {
		t.Errorf("one more: %v", err)
	}
}

// TestMutatedApprovals changes batches that are approved: an approval of what
// the batch was holds for nothing that it became.
func TestMutatedApprovals(t *testing.T) {
	b := withdrawals()
	if _, err := b.Approve(approvalOf(t, b, gasKey), approvalOf(t, b, depositKey)); err != nil {
		t.Fatal(err)
	}
	digest, file := digestOf(t, b), encoded(t, b)
	read, changed := 0, 0
	try := func(what string, file []byte) {
		other, err := Parse(file)
		if err != nil {
			return
		}
		read++
		n := holding(t, other)
		if digestOf(t, other) == digest {
			if n > 2 {
				t.Errorf("%s: %d approvals of two hold", what, n)
			}
			for i, wrong := range mustCheck(t, other) {
				if a := other.Approvals[i]; wrong == nil && a.Approver != addressOf(gasKey) && a.Approver != addressOf(depositKey) {
					t.Errorf("%s: approved by %s", what, a.Approver)
				}
			}
			return
		}
		changed++
		if n != 0 {
			t.Errorf("%s: %d approvals hold for a batch that changed", what, n)
		}
	}
	mutations(file, try)
	// What reads well is rare among those: digits and letters of values, too.
	r := rand.New(rand.NewPCG(1, 2))
	for range 4000 {
		at := r.IntN(len(file))
		c := file[at]
		var to byte
		switch {
		case c >= '0' && c <= '9':
			to = '0' + byte(r.IntN(10))
		case c >= 'a' && c <= 'z':
			to = 'a' + byte(r.IntN(26))
		default:
			continue
		}
		if to == c {
			continue
		}
		mutated := bytes.Clone(file)
		mutated[at] = to
		try(string(file[max(0, at-30):at+1])+" → "+string(to), mutated)
	}
	if read < 200 || changed < 100 {
		t.Errorf("only %d mutated files were read, %d of them as another batch", read, changed)
	}
}

func mustCheck(t testing.TB, b *Batch) []error {
	t.Helper()
	wrong, err := b.CheckApprovals()
	if err != nil {
		t.Fatal(err)
	}
	return wrong
}

// TestMutatedSignatures changes every bit of a signature: it never becomes that
// of another, and only the bit is wrong that was changed.
func TestMutatedSignatures(t *testing.T) {
	b := withdrawals()
	a := approvalOf(t, b, gasKey)
	for bit := range len(a.Signature) * 8 {
		changed := bytes.Clone(a.Signature)
		changed[bit/8] ^= 1 << (bit % 8)
		for _, who := range []common.Address{a.Approver, addressOf(depositKey)} {
			b.Approvals = []Approval{{who, changed}}
			if holding(t, b) != 0 {
				t.Errorf("bit %d: a changed signature is of %s", bit, who)
			}
		}
	}
	b.Approvals = []Approval{a}
	if holding(t, b) != 1 {
		t.Error("the signature itself does not hold")
	}
}

// TestCheckRequester takes a request's signature for nothing but that request.
func TestCheckRequester(t *testing.T) {
	to := common.HexToAddress("0xdAC17F958D2ee523a2206206994597C13D831ec7")
	hash := RequestHash("w-1", coin, wallet.NewAmount(1500), to)
	r := wallet.Requester{Requester: addressOf(gasKey), Signature: signatureOf(t, hash, gasKey)}
	if err := CheckRequester(r, "w-1", coin, wallet.NewAmount(1500), to); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"id":        CheckRequester(r, "w-2", coin, wallet.NewAmount(1500), to),
		"chain":     CheckRequester(r, "w-1", wallet.Coin(5), wallet.NewAmount(1500), to),
		"asset":     CheckRequester(r, "w-1", usd, wallet.NewAmount(1500), to),
		"amount":    CheckRequester(r, "w-1", coin, wallet.NewAmount(15000), to),
		"recipient": CheckRequester(r, "w-1", coin, wallet.NewAmount(1500), usdc),
		"requester": CheckRequester(wallet.Requester{Requester: to, Signature: r.Signature}, "w-1", coin, wallet.NewAmount(1500), to),
	} {
		if err == nil {
			t.Errorf("taken with another %s", name)
		}
	}
	text := r.Requester.Hex() + ":" + r.Signature.String()
	if again, err := ParseRequester(text); err != nil || again.Requester != r.Requester || !bytes.Equal(again.Signature, r.Signature) {
		t.Errorf("%s is read as %v, %v", text, again, err)
	}
	for _, text := range []string{"", r.Signature.String(), r.Requester.Hex(), r.Requester.Hex() + ":", "0x12:" + r.Signature.String(), text + ":"} {
		if _, err := ParseRequester(text); err == nil {
			t.Errorf("%q is taken for a requester", text)
		}
	}
}
