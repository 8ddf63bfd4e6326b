package erc4527

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fxamacker/cbor/v2"
	"github.com/google/uuid"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/ur"
)

// The published examples of the implementation that ERC-4527 names
// (KeystoneHQ, ur-registry-eth, EthSignRequest.test.ts and EthSignature.test.ts).
const (
	publishedID        = "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"
	publishedRequest   = "ur:eth-sign-request/oladtpdagdndcawmgtfrkigrpmndutdnbtkgfssbjnaohdgryagalalnascsgljpnbaelfdibemwaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaelaoxlbjyihjkjyeyaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaehnaehglalalaaxadaaadahtaaddyoeadlecsdwykadykadykaewkadwkaocybgeehfksatisjnihjyhsjnhsjkjetlnndant"
	publishedRequest2  = "ur:eth-sign-request/onadtpdagdndcawmgtfrkigrpmndutdnbtkgfssbjnaohdgryagalalnascsgljpnbaelfdibemwaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaelaoxlbjyihjkjyeyaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaeaehnaehglalalaaxadaaadahtaaddyoeadlecsdwykadykadykaewkadwkaocybgeehfkswdtklffd"
	publishedSignData  = "f849808609184e72a00082271094000000000000000000000000000000000000000080a47f7465737432000000000000000000000000000000000000000000000000000000600057808080"
	publishedSignature = "ur:eth-signature/oeadtpdagdndcawmgtfrkigrpmndutdnbtkgfssbjnaohdfptywtosrftahprdctrkbegylogdghjkbafhflamfwlohghtpsseaozorsimnybbtnnbiynlckenbtfmeeamsabnaeoxasjkwswfkekiieckhpecckssptndzelnwfecylbwdlsgvazt"
	publishedAnswer    = "d4f0a7bcd95bba1fbb1051885054730e3f47064288575aacc102fbbf6a9a14daa066991e360d3e3406c20c00a40973eff37c7d641e5b351ec4a99bfe86f335f713"
	// With the wallet's name (keystone-sdk-base).
	publishedNamed = "ur:eth-signature/otadtpdagdndcawmgtfrkigrpmndutdnbtkgfssbjnaohdfptywtosrftahprdctrkbegylogdghjkbafhflamfwlohghtpsseaozorsimnybbtnnbiynlckenbtfmeeamsabnaeoxasjkwswfkekiieckhpecckssptndzelnwfecylbwaxisjeihkkjkjyjljtihdwlkamiy"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestPublishedRequests(t *testing.T) {
	for origin, want := range map[string]string{"metamask": publishedRequest, "": publishedRequest2} {
		r := Request{
			ID: uuid.MustParse(publishedID), SignData: unhex(t, publishedSignData), DataType: 1, ChainID: 1,
			Path: []Level{{44, true}, {1, true}, {1, true}, {0, false}, {1, false}}, Fingerprint: 0x12345678, Origin: origin,
		}
		message, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		e, err := ur.NewEncoder(RequestType, message, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Next().String(); got != want {
			t.Errorf("origin %q:\nhave %s\nwant %s", origin, got, want)
		}
	}
}

func TestPublishedSignatures(t *testing.T) {
	for text, origin := range map[string]string{publishedSignature: "", publishedNamed: "keystone"} {
		p, err := ur.ParsePart(text)
		if err != nil || p.Type != SignatureType {
			t.Fatal(p, err)
		}
		s, err := ParseSignature(p.Data)
		if err != nil {
			t.Fatal(err)
		}
		if s.ID.String() != publishedID || hex.EncodeToString(s.Signature[:]) != publishedAnswer || s.Origin != origin {
			t.Errorf("read as %+v", s)
		}
	}
}

// device is a wallet that has one key and understands ERC-4527 on its own.
type device struct {
	t   testing.TB
	key string // hex
}

func (d device) address() common.Address {
	key, err := crypto.HexToECDSA(d.key)
	if err != nil {
		d.t.Fatal(err)
	}
	return crypto.PubkeyToAddress(key.PublicKey)
}

// sign reads a request as any CBOR, and signs the hash of its data.
func (d device) sign(request []byte) (id []byte, signature [65]byte) {
	d.t.Helper()
	var fields map[int]any
	if err := cbor.Unmarshal(request, &fields); err != nil {
		d.t.Fatal(err)
	}
	if fields[3] != uint64(4) || fields[7] != "airlock" || !bytes.Equal(fields[6].([]byte), d.address().Bytes()) {
		d.t.Fatalf("asked to sign %v", fields)
	}
	key, err := crypto.HexToECDSA(d.key)
	if err != nil {
		d.t.Fatal(err)
	}
	raw, err := crypto.Sign(crypto.Keccak256(fields[2].([]byte)), key)
	if err != nil {
		d.t.Fatal(err)
	}
	return fields[1].(cbor.Tag).Content.([]byte), [65]byte(raw)
}

// answer is what a device says, in CBOR made by hand.
func answer(id []byte, signature []byte, more ...byte) []byte {
	out := append([]byte{0xa2, 0x01, 0xd8, 37, 0x50}, id...)
	out[0] += byte(min(len(more), 1))
	return append(append(append(out, 0x02, 0x58, byte(len(signature))), signature...), more...)
}

var now = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// request is a batch of one withdrawal by the device, and its rungs' requests.
func (d device) batch(rungs int) *batch.Batch {
	to := common.HexToAddress("0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359")
	it := batch.Item{
		From: d.address(), Path: wallet.Path{Role: wallet.PayoutRole, Index: 3}, Nonce: 7, To: to, Value: wallet.NewAmount(25e16), Gas: 31_500, Requires: -1,
		Intent: wallet.Intent{Kind: wallet.IntentWithdrawal, ID: "w-1", Asset: wallet.Coin(137), Recipient: to, Amount: wallet.NewAmount(25e16)},
	}
	fee := wallet.Fee{MaxFeePerGas: wallet.NewAmount(30e9), MaxPriorityFeePerGas: wallet.NewAmount(2e9)}
	for range rungs {
		it.Rungs = append(it.Rungs, fee)
		fee = batch.Bump(fee)
	}
	b := &batch.Batch{
		Format: batch.Format, Version: batch.Version, ID: strings.Repeat("5", 32), Kind: batch.Withdrawals, ChainID: 137, Vault: strings.Repeat("a", 64),
		CreatedAt: now, ExpiresAt: now.Add(time.Hour), Assets: []batch.Asset{{Asset: wallet.Coin(137), Symbol: "POL", Decimals: 18}}, Items: []batch.Item{it},
	}
	if err := b.Check(); err != nil {
		d.t.Fatal(err)
	}
	return b
}

func (d device) request(b *batch.Batch, rung int) []byte {
	d.t.Helper()
	r, err := NewRequest(b, rung, 0x12345678)
	if err != nil {
		d.t.Fatal(err)
	}
	message, err := r.Encode()
	if err != nil {
		d.t.Fatal(err)
	}
	return message
}

func newDevice(t testing.TB) device { return device{t, strings.Repeat("46", 32)} }

// What is signed is go-ethereum's hash of the transaction, and the request has
// the members of the standard.
func TestRequest(t *testing.T) {
	d := newDevice(t)
	b := d.batch(2)
	signer := types.LatestSignerForChainID(big.NewInt(137))
	ids := map[uuid.UUID]bool{}
	for rung := range 2 {
		r, err := NewRequest(b, rung, 0x12345678)
		if err != nil {
			t.Fatal(err)
		}
		if want := signer.Hash(b.Items[0].Transaction(137, rung)); crypto.Keccak256Hash(r.SignData) != want {
			t.Errorf("rung %d: the wallet signs %s, want %s", rung, crypto.Keccak256Hash(r.SignData), want)
		}
		if ids[r.ID] || r.ID.Version() != 8 || r.ID.Variant() != uuid.RFC4122 {
			t.Errorf("rung %d: request id %s", rung, r.ID)
		}
		ids[r.ID] = true
	}
	var fields map[int]cbor.RawMessage
	if err := cbor.Unmarshal(d.request(b, 1), &fields); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[int]string{
		3: "04", 4: "1889", 6: "54" + hex.EncodeToString(d.address().Bytes()), 7: "676169726c6f636b",
		5: "d90130a2018a182cf5183cf501f500f403f4021a12345678", // m/44'/60'/1'/0/3
	} {
		if got := hex.EncodeToString(fields[key]); got != want {
			t.Errorf("member %d is %s, want %s", key, got, want)
		}
	}
}

func TestRequestRefused(t *testing.T) {
	d := newDevice(t)
	for name, test := range map[string]struct {
		change func(*batch.Batch)
		rung   int
	}{
		"two items": {func(b *batch.Batch) { b.Items = append(b.Items, b.Items[0]) }, 0},
		"a sweep":   {func(b *batch.Batch) { b.Items[0].Intent.Kind = wallet.IntentSweep }, 0},
		"no rung":   {func(*batch.Batch) {}, 2},
		"below":     {func(*batch.Batch) {}, -1},
		"no cancel": {func(*batch.Batch) {}, 2},
		"after the cancel": {func(b *batch.Batch) {
			top := batch.Bump(b.Items[0].Rungs[1])
			b.Items[0].Cancel = &batch.Cancel{Gas: 21_000, MaxFeePerGas: top.MaxFeePerGas, MaxPriorityFeePerGas: top.MaxPriorityFeePerGas}
		}, 3},
	} {
		b := d.batch(2)
		test.change(b)
		if r, err := NewRequest(b, test.rung, 0); !errors.Is(err, wallet.ErrRefused) && !errors.Is(err, wallet.ErrUsage) {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
}

// Every form of a valid signature is taken, stored as nodes want it, and the
// batch is proven like any other's.
func TestAnswers(t *testing.T) {
	order := crypto.S256().Params().N
	forms := map[string]func(*[65]byte){
		"v of 0 and 1":   func(*[65]byte) {},
		"v of 27 and 28": func(s *[65]byte) { s[64] += 27 },
		"high s": func(s *[65]byte) {
			new(big.Int).Sub(order, new(big.Int).SetBytes(s[32:64])).FillBytes(s[32:64])
			s[64] ^= 1
		},
	}
	var files [][]byte
	for name, change := range forms {
		d := newDevice(t)
		b := d.batch(2) // and the cancel
		top := batch.Bump(b.Items[0].Rungs[1])
		b.Items[0].Cancel = &batch.Cancel{Gas: 25_000, MaxFeePerGas: top.MaxFeePerGas, MaxPriorityFeePerGas: top.MaxPriorityFeePerGas}
		a, err := NewAnswers(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, rung := range []int{2, 0, 1, 0} {
			id, signature := d.sign(d.request(b, rung))
			change(&signature)
			s, err := ParseSignature(answer(id, signature[:]))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := a.Add(s); err != nil || got != rung {
				t.Fatalf("%s: rung %d, %v; want %d", name, got, err, rung)
			}
			if _, err := a.Signed(now); (err != nil) != (len(a.Missing()) > 0) {
				t.Fatalf("%s: missing %v, %v", name, a.Missing(), err)
			}
		}
		signed, err := a.Signed(now)
		if err != nil {
			t.Fatal(err)
		}
		file, err := signed.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := batch.ParseSigned(file)
		if err != nil || !back.Outside() {
			t.Fatal(err)
		}
		if err := back.Verify(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		files = append(files, file)
	}
	for _, file := range files[1:] {
		if !bytes.Equal(file, files[0]) {
			t.Error("two forms of a signature make two files")
		}
	}
}

func TestAnswersRefused(t *testing.T) {
	d := newDevice(t)
	b := d.batch(1)
	id, signature := d.sign(d.request(b, 0))
	other := device{t, strings.Repeat("47", 32)}
	_, foreign := other.sign(other.request(other.batch(1), 0))
	otherID, _ := other.sign(other.request(other.batch(1), 0))
	changed := signature
	changed[20] ^= 1
	zero := signature
	clear(zero[32:64])
	big := signature
	copy(big[32:64], bytes.Repeat([]byte{0xff}, 32))
	odd := signature
	odd[64] = 5
	for name, test := range map[string]struct {
		message []byte
		say     string
	}{
		"another key":        {answer(id, foreign[:]), "was signed by"},
		"another request":    {answer(otherID, signature[:]), "none of this batch"},
		"a changed r":        {answer(id, changed[:]), ""},
		"no s":               {answer(id, zero[:]), ""},
		"s beyond the order": {answer(id, big[:]), ""},
		"v of 5":             {answer(id, odd[:]), "v is 5"},
		"short":              {answer(id, signature[:64]), "64 bytes"},
		"more members":       {answer(id, signature[:], 4, 0), "eth-signature"},
		"a long form":        {answer(id, signature[:], 3, 0x78, 1, 'a'), "deterministic"},
		"bytes after it":     {append(answer(id, signature[:]), 0), "eth-signature"},
		"no tag":             {append([]byte{0xa2, 0x01, 0x50}, answer(id, signature[:])[5:]...), "eth-signature"},
		"another tag":        {append([]byte{0xa2, 0x01, 0xd8, 36, 0x50}, answer(id, signature[:])[5:]...), "names no request"},
		"nothing":            {nil, "eth-signature"},
	} {
		a, err := NewAnswers(b)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseSignature(test.message)
		if err == nil {
			_, err = a.Add(s)
		}
		if !errors.Is(err, wallet.ErrRefused) || !strings.Contains(err.Error(), test.say) {
			t.Errorf("%s: %v, want %q", name, err, test.say)
		}
		if len(a.Missing()) != 1 {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestParseFingerprint(t *testing.T) {
	if f, err := ParseFingerprint("12345678"); err != nil || f != 0x12345678 {
		t.Errorf("%x, %v", f, err)
	}
	for _, bad := range []string{"", "1234567", "123456789", "0x123456", "00000000", "1234567g"} {
		if f, err := ParseFingerprint(bad); !errors.Is(err, wallet.ErrUsage) {
			t.Errorf("%q is %x, %v", bad, f, err)
		}
	}
}

// FuzzSignature holds changed answers against the batch: what is accepted is
// the item's transaction, signed by its sender.
func FuzzSignature(f *testing.F) {
	d := newDevice(f)
	b := d.batch(1)
	id, signature := d.sign(d.request(b, 0))
	f.Add(answer(id, signature[:]))
	f.Add(answer(id, signature[:], 3, 0x61, 'a'))
	f.Fuzz(func(t *testing.T, message []byte) {
		s, err := ParseSignature(message)
		if err != nil {
			return
		}
		a, err := NewAnswers(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Add(s); err != nil {
			return
		}
		signed, err := a.Signed(now)
		if err != nil {
			t.Fatal(err)
		}
		tx := new(types.Transaction)
		if err := tx.UnmarshalBinary(signed.Transactions[0][0].Raw); err != nil || tx.Nonce() != 7 || tx.Value().Cmp(big.NewInt(25e16)) != 0 {
			t.Fatalf("%v, %v", tx, err)
		}
	})
}
