package formats

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// printed is a document as commands print it on a terminal.
func printed(t *testing.T, v any) string {
	t.Helper()
	env, out, _ := cli.Test(t.TempDir())
	env.OutTerminal = true
	if err := env.PrintDocument(v); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// signed signs a hash with the key of the vault's first treasury address.
func signed(t *testing.T, hash [32]byte) (who common.Address, signature []byte) {
	t.Helper()
	path := wallet.Path{Role: wallet.TreasuryRole}
	raw := must(openVault(t).Own().SignHash(path, addressAt(t, path.Role, 0), hash))(t)
	return addressAt(t, path.Role, 0), must(batch.ParseSignature(hexutil.Encode(raw[:])))(t)
}

// read hashes typed data of the page as go-ethereum does, which shares no code
// with ours.
func read(t *testing.T, name string) []byte {
	t.Helper()
	var data apitypes.TypedData
	if err := json.Unmarshal([]byte(example(t, name)), &data); err != nil {
		t.Fatal(err)
	}
	hash, _, err := apitypes.TypedDataAndHash(data)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// recovered is who signed a hash, by a signature of the page.
func recovered(t *testing.T, hash []byte, text string) string {
	t.Helper()
	raw := common.FromHex(text)
	raw[64] -= 27
	return crypto.PubkeyToAddress(*must(crypto.SigToPub(hash, raw))(t)).Hex()
}

func TestApproval(t *testing.T) {
	b := must(batch.Parse([]byte(example(t, "batch"))))(t)
	same(t, "approval", printed(t, must(b.ApprovalTypedData())(t)))
	hash := must(b.ApprovalHash())(t)
	who, signature := signed(t, hash)
	same(t, "approved", fmt.Sprintf("hash       %s\napprover   %s\nsignature  %s\n", hexutil.Encode(hash[:]), who, hexutil.Encode(signature)))

	lines := strings.Fields(example(t, "approved"))
	if !bytes.Equal(read(t, "approval"), common.FromHex(lines[1])) || recovered(t, common.FromHex(lines[1]), lines[5]) != lines[3] {
		t.Errorf("the page's approval is not what go-ethereum makes of it: %x", read(t, "approval"))
	}
	if added, err := b.Approve(batch.Approval{Approver: common.HexToAddress(lines[3]), Signature: common.FromHex(lines[5])}); err != nil || added != 1 {
		t.Errorf("the page's approval: %d added, %v", added, err)
	}
	if got, want := must(b.HexDigest())(t), line(t, "digest"); got != want {
		t.Errorf("with the approval the digest is %s", got)
	}
}

func TestRequest(t *testing.T) {
	in := must(batch.Parse([]byte(example(t, "batch"))))(t).Items[0].Intent
	same(t, "request", printed(t, batch.RequestTypedData(in.ID, in.Asset, in.Amount, in.Recipient)))
	hash := batch.RequestHash(in.ID, in.Asset, in.Amount, in.Recipient)
	who, signature := signed(t, hash)
	same(t, "requested", fmt.Sprintf("%s\n%s:%s\n", hexutil.Encode(hash[:]), who, hexutil.Encode(signature)))

	lines := strings.Fields(example(t, "requested"))
	address, text, _ := strings.Cut(lines[1], ":")
	if !bytes.Equal(read(t, "request"), common.FromHex(lines[0])) || recovered(t, common.FromHex(lines[0]), text) != address {
		t.Errorf("the page's request is not what go-ethereum makes of it: %x", read(t, "request"))
	}
	r := must(batch.ParseRequester(lines[1]))(t)
	if err := batch.CheckRequester(r, in.ID, in.Asset, in.Amount, in.Recipient); err != nil {
		t.Error(err)
	}
}
