package station

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

// carol approves with a wallet of her own.
var carol, _ = crypto.ToECDSA(common.LeftPadBytes([]byte{7}, 32))

func (b *bench) approvals(name string) []common.Address {
	b.t.Helper()
	u, err := batch.Parse([]byte(b.read(name)))
	if err != nil {
		b.t.Fatal(err)
	}
	e, err := signer.Endorse(u)
	if err != nil {
		b.t.Fatal(err)
	}
	if list := e.Approvers(); len(list) == len(u.Approvals) {
		return list
	}
	b.t.Fatalf("%s has approvals that do not hold", name)
	return nil
}

// signTypedData signs what --typed-data prints, by go-ethereum's own reading.
func (b *bench) signTypedData(file string) string {
	b.t.Helper()
	var data apitypes.TypedData
	b.json(&data, "approve", b.path(file), "--typed-data")
	hash, _, err := apitypes.TypedDataAndHash(data)
	if err != nil {
		b.t.Fatal(err)
	}
	signature, err := crypto.Sign(hash, carol)
	if err != nil {
		b.t.Fatal(err)
	}
	return hexutil.Encode(signature)
}

func TestApprove(t *testing.T) {
	b := ready(t)
	digest := b.batch("batch", 0, nil)
	pass := []string{"--passphrase-file", b.path("pass")}
	with := func(out string, more ...string) []string {
		return append(append([]string{"approve", b.path("batch"), "-o", b.path(out)}, more...), pass...)
	}
	// Whoever approves with a key of the vault sees the batch, or names it.
	b.fails(2, "terminal", with("one", "--with", deposit)...)
	b.fails(3, "[digest]", with("one", "--with", deposit, "--expect", strings.Repeat("0", 64))...)
	b.fails(2, "no digest", with("one", "--with", deposit, "--expect", digest[:16])...)
	if r := b.typing([]string{"0000000000000000"}, with("one", "--with", deposit)...); r.code == 0 {
		t.Error("approved without the digest")
	}
	b.interfaces[1].Flags |= 1 // up
	b.fails(3, "eth0", with("one", "--with", deposit, "--expect", digest)...)
	b.interfaces[1].Flags = 0
	if _, err := os.Stat(b.path("one")); !os.IsNotExist(err) {
		t.Errorf("something was written: %v", err)
	}

	r := b.typing([]string{digest[:digestDigits]}, with("one", "--with", deposit)...)
	if r.code != 0 || !strings.Contains(r.err, "proves nothing about a second person") {
		t.Fatalf("%+v", r)
	}
	var row struct {
		Digest    string
		Added     int
		Approvers []string
		Path      string
	}
	b.json(&row, with("two", "--path", "m/44'/60'/1'/0/0", "--expect", digest)...)
	if row.Digest != digest || row.Added != 1 || len(row.Approvers) != 1 || row.Approvers[0] != payout || row.Path != b.path("two") {
		t.Errorf("%+v", row)
	}
	if info, err := os.Stat(b.path("two")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}

	// Two copies become one, which is approved by both, in either order.
	b.ok("approve", b.path("one"), "--merge", b.path("two"), "-o", b.path("both"))
	b.ok("approve", b.path("two"), "--merge", b.path("one"), "-o", b.path("same"))
	if b.read("both") != b.read("same") || len(b.approvals("both")) != 2 {
		t.Errorf("merged: %s\nand\n%s", b.read("both"), b.read("same"))
	}
	// Again changes nothing, and a file that says something else stays.
	b.json(&row, "approve", b.path("both"), "--merge", b.path("one"), "--merge", b.path("two"), "--in-place")
	if row.Added != 0 || b.read("both") != b.read("same") {
		t.Errorf("once more: %+v", row)
	}
	b.ok("approve", b.path("two"), "--merge", b.path("one"), "-o", b.path("same"))
	b.fails(1, "exists", with("both", "--with", deposit, "--expect", digest)...)

	// What is approved is signed as ever.
	b.ok(b.signArgs("both", "signed", "--expect", digest)...)
	b.fails(2, "signed already", "approve", b.path("signed"), "-o", b.path("late"), "--merge", b.path("one"))
}

// TestApproveByOtherWallet takes in what another wallet signed, and nothing that
// is not its signature over this batch.
func TestApproveByOtherWallet(t *testing.T) {
	b := newBench(t) // no vault
	digest := b.batch("batch", 0, nil)
	b.batch("other", 7, nil)
	signature, who := b.signTypedData("batch"), crypto.PubkeyToAddress(carol.PublicKey).Hex()
	take := func(file, signature, approver string) []string {
		return []string{"approve", b.path(file), "--in-place", "--signature", signature, "--approver", approver}
	}
	before := b.read("batch")
	b.fails(3, "not a signature of", take("batch", b.signTypedData("other"), who)...)
	b.fails(3, "not a signature of", take("batch", signature, payout)...)
	b.fails(2, "--signature", take("batch", signature[:100], who)...)
	b.fails(2, "--signature", take("batch", "0x"+strings.Repeat("00", 65), who)...)
	b.fails(2, "--approver", take("batch", signature, "0x12")...)
	b.fails(2, "approver", "approve", b.path("batch"), "--in-place", "--signature", signature)
	b.fails(2, "in-place", "approve", b.path("batch"), "--signature", signature, "--approver", who)
	b.fails(3, "[digest]", append(take("batch", signature, who), "--expect", digest[1:]+"0")...)
	if b.read("batch") != before {
		t.Error("the file was changed all the same")
	}
	for range 2 {
		b.ok(take("batch", signature, who)...)
		if list := b.approvals("batch"); len(list) != 1 || list[0].Hex() != who {
			t.Errorf("approved by %v", list)
		}
	}
	b.fails(3, "is another batch", "approve", b.path("other"), "--in-place", "--merge", b.path("batch"))

	// An approval that was damaged on its way is told and left out.
	raw := b.read("batch")
	at := strings.Index(raw, `"approver"`)
	at += strings.Index(raw[at:], `"signature"`) + 20
	digit := byte('1')
	if raw[at] == digit {
		digit = '2'
	}
	b.write("damaged", raw[:at]+string(digit)+raw[at+1:])
	if r := b.ok("approve", b.path("batch"), "--merge", b.path("damaged"), "-o", b.path("merged")); !strings.Contains(r.err, "is not valid and left out") {
		t.Errorf("nothing was told: %s", r.err)
	}
	if r := b.ok(take("damaged", signature, who)...); !strings.Contains(r.err, "is not valid and left out") || b.read("damaged") != b.read("batch") {
		t.Errorf("%s\n%s", r.err, b.read("damaged"))
	}
}

// TestApproveByAnvil has a wallet of another make sign what --typed-data prints.
func TestApproveByAnvil(t *testing.T) {
	anvil := chaintest.NewAnvil(t, chaintest.AnvilOptions{})
	client, err := rpc.DialContext(t.Context(), anvil.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	b := newBench(t)
	b.batch("batch", 0, nil)
	var data json.RawMessage
	b.json(&data, "approve", b.path("batch"), "--typed-data")
	var signature string
	who := anvil.Faucet().Address
	if err := client.CallContext(t.Context(), &signature, "eth_signTypedData_v4", who, data); err != nil {
		t.Fatal(err)
	}
	b.ok("approve", b.path("batch"), "--in-place", "--signature", signature, "--approver", who.Hex())
	if list := b.approvals("batch"); len(list) != 1 || list[0] != who {
		t.Errorf("approved by %v", list)
	}
}

// TestReplaceApprovedKeepsOthers replaces a file to which somebody else has added
// an approval since it was read.
func TestReplaceApprovedKeepsOthers(t *testing.T) {
	b := newBench(t)
	b.batch("batch", 0, nil)
	mine, err := batch.Parse([]byte(b.read("batch")))
	if err != nil {
		t.Fatal(err)
	}
	who := crypto.PubkeyToAddress(carol.PublicKey)
	b.ok("approve", b.path("batch"), "--in-place", "--signature", b.signTypedData("batch"), "--approver", who.Hex())
	hash, err := mine.ApprovalHash()
	if err != nil {
		t.Fatal(err)
	}
	key, err := crypto.ToECDSA(common.LeftPadBytes([]byte{8}, 32))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := crypto.Sign(hash[:], key)
	if err != nil {
		t.Fatal(err)
	}
	signature[64] += 27
	if err := replaceApproved(mine, []batch.Approval{{Approver: crypto.PubkeyToAddress(key.PublicKey), Signature: signature}}, b.path("batch")); err != nil {
		t.Fatal(err)
	}
	if n := len(b.approvals("batch")); n != 2 || len(mine.Approvals) != 2 {
		t.Errorf("%d approvals in the file, %d told; want 2", n, len(mine.Approvals))
	}
	b.batch("batch", 7, nil)
	if err := replaceApproved(mine, mine.Approvals, b.path("batch")); err == nil {
		t.Error("another batch was replaced")
	}
}
