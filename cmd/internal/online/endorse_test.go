package online

import (
	"crypto/ecdsa"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// signedBy signs the typed data that a command prints, by go-ethereum's reading.
func (h *payoutHome) signedBy(key *ecdsa.PrivateKey, args ...string) (who, signature string) {
	h.Helper()
	out, _ := h.run(cli.ExitDone, args...)
	var data apitypes.TypedData
	if err := json.Unmarshal([]byte(out), &data); err != nil {
		h.Fatal(err)
	}
	hash, _, err := apitypes.TypedDataAndHash(data)
	if err != nil {
		h.Fatal(err)
	}
	raw, err := crypto.Sign(hash, key)
	if err != nil {
		h.Fatal(err)
	}
	return crypto.PubkeyToAddress(key.PublicKey).Hex(), hexutil.Encode(raw)
}

// TestSignaturesOfPeople takes a withdrawal from a signed request to a broadcast
// batch that somebody approved.
func TestSignaturesOfPeople(t *testing.T) {
	h := newPayoutHome(t)
	asker, err := crypto.ToECDSA(common.LeftPadBytes([]byte{11}, 32))
	if err != nil {
		t.Fatal(err)
	}
	request := []string{"withdraw", "request", "--id", "w-1", "--account", "alice", "--asset", "ETH", "--to", payee, "--amount"}
	h.run(cli.ExitDone, append(request, "1")...)
	who, signature := h.signedBy(asker, "withdraw", "typed-data", "w-1")
	if _, says := h.run(cli.ExitUsage, "withdraw", "endorse", "w-1", payee+":"+signature); !strings.Contains(says, "not a signature of "+payee) {
		t.Errorf("another's signature: %s", says)
	}
	h.run(cli.ExitUsage, "withdraw", "endorse", "w-1", signature)
	h.run(cli.ExitFailed, "withdraw", "typed-data", "nobody")

	// What was signed for 1 ETH is no request for 2, nor by another id.
	other := []string{"withdraw", "request", "--id", "w-2", "--account", "alice", "--asset", "ETH", "--to", payee, "--amount", "1"}
	if _, says := h.run(cli.ExitUsage, append(other, "--signature", who+":"+signature)...); !strings.Contains(says, "w-2") {
		t.Errorf("a signature of w-1 for w-2: %s", says)
	}
	h.run(cli.ExitUsage, append(request, "2", "--signature", who+":"+signature)...)
	v := h.json(append(request, "1", "--signature", who+":"+signature)...)
	if by, ok := v["requested_by"].([]any); !ok || len(by) != 1 || by[0] != who {
		t.Errorf("requested by %v, want %s", v["requested_by"], who)
	}
	if out, _ := h.run(cli.ExitDone, "withdraw", "show", "w-1"); !strings.Contains(out, who) {
		t.Errorf("not shown: %s", out)
	}
	h.run(cli.ExitDone, "withdraw", "endorse", "w-1", who+":"+signature)

	h.run(cli.ExitDone, "withdraw", "approve", "w-1")
	h.run(cli.ExitDone, "build-withdrawals", "-o", h.at("batch.json"))
	approver, approval := h.signedBy(asker, "approve", h.at("batch.json"), "--typed-data")
	h.run(cli.ExitDone, "approve", h.at("batch.json"), "-o", h.at("approved.json"), "--approver", approver, "--signature", approval)
	file, err := os.ReadFile(h.at("approved.json"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := batch.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	e, err := signer.Endorse(b)
	if err != nil {
		t.Fatal(err)
	}
	if asked := e.Requesters(); len(asked) != 1 || len(asked[0]) != 1 || asked[0][0].Hex() != who {
		t.Errorf("the batch is asked for by %v", asked)
	}
	if list := e.Approvers(); len(list) != 1 || list[0].Hex() != approver {
		t.Errorf("the batch is approved by %v", list)
	}
	h.sign("approved.json", "signed.json")
	if sent := h.json("broadcast", h.at("signed.json")); sent["accepted"] != 1.0 {
		t.Errorf("%v", sent)
	}
}
