package batch

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/airlock-wallet/airlock/wallet"
)

// A signable is something that people sign, with its hash by our own code.
type signable struct {
	data TypedData
	hash [32]byte
}

// signables are the approvals of batches of every kind, and requests with
// amounts, ids and assets at their bounds.
func signables(t testing.TB) (list []signable) {
	t.Helper()
	for _, b := range []*Batch{withdrawals(), sweeps(), rebalances(), largeChain()} {
		data, err := b.ApprovalTypedData()
		if err != nil {
			t.Fatal(err)
		}
		hash, err := b.ApprovalHash()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, signable{data, hash})
	}
	most, err := wallet.ParseAmount("115792089237316195423570985008687907853269984665640564039457584007913129639935")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		id     string
		asset  wallet.AssetID
		amount wallet.Amount
		to     common.Address
	}{
		{"w-1", coin, wallet.NewAmount(1500), addressOf(gasKey)},
		{"Zürich \"7\" \\ 支払", usd, most, common.HexToAddress("0x01")},
		{"w", wallet.Coin(1<<64 - 1), wallet.NewAmount(1), addressOf(payoutKey)},
	} {
		list = append(list, signable{RequestTypedData(r.id, r.asset, r.amount, r.to), RequestHash(r.id, r.asset, r.amount, r.to)})
	}
	return list
}

// largeChain is a batch on a chain whose id no double of JavaScript holds.
func largeChain() *Batch {
	b := withdrawals()
	b.ChainID = 1<<63 + 1
	b.Assets[0].Asset, b.Assets[1].Asset = wallet.Coin(b.ChainID), wallet.Token(b.ChainID, usdc)
	b.Items[0].Intent.Asset, b.Items[1].Intent.Asset = b.Assets[0].Asset, b.Assets[1].Asset
	return b
}

// TestTypedData holds our hashes against go-ethereum's own reading of the data
// that wallets are given.
func TestTypedData(t *testing.T) {
	for i, s := range signables(t) {
		raw, err := json.Marshal(s.data)
		if err != nil {
			t.Fatal(err)
		}
		var theirs apitypes.TypedData
		if err := json.Unmarshal(raw, &theirs); err != nil {
			t.Fatal(err)
		}
		hash, _, err := apitypes.TypedDataAndHash(theirs)
		if err != nil || !bytes.Equal(hash, s.hash[:]) {
			t.Errorf("structure %d: go-ethereum hashes %x, %v; we %x", i, hash, err, s.hash)
		}
	}
}

// TestEthers holds hashes, signatures and signed transactions against ethers.
func TestEthers(t *testing.T) {
	const folder = "../chain/chaintest/npm/"
	if _, err := os.Stat(folder + "node_modules/ethers"); err != nil {
		missing := t.Skipf
		if os.Getenv("CI") == "true" {
			missing = t.Fatalf
		}
		missing("NOT COMPARED with ethers, which is not installed: run \"make tools\", which needs npm")
	}
	type structure struct {
		TypedData TypedData     `json:"typedData"`
		Hash      hexutil.Bytes `json:"hash"`
		Signer    string        `json:"signer"`
		Signature hexutil.Bytes `json:"signature"`
	}
	input := struct {
		Key          hexutil.Bytes       `json:"key"`
		Structures   []structure         `json:"structures"`
		Transactions []map[string]string `json:"transactions"`
	}{Key: crypto.FromECDSA(gasKey)}
	list := signables(t)
	for _, s := range list {
		signature, err := crypto.Sign(s.hash[:], payoutKey)
		if err != nil {
			t.Fatal(err)
		}
		signature, err = ParseSignature(hex.EncodeToString(signature))
		if err != nil {
			t.Fatal(err)
		}
		input.Structures = append(input.Structures, structure{s.data, s.hash[:], addressOf(payoutKey).Hex(), signature})
	}
	for _, b := range []*Batch{withdrawals(), largeChain()} {
		signed := sign(t, b)
		if err := signed.Verify(); err != nil {
			t.Fatal(err)
		}
		for i, rungs := range signed.Transactions {
			for n, rung := range rungs {
				it := &b.Items[i]
				input.Transactions = append(input.Transactions, map[string]string{
					"raw": rung.Raw.String(), "hash": rung.Hash.Hex(), "chainId": strconv.FormatUint(b.ChainID, 10),
					"from": it.From.Hex(), "nonce": strconv.FormatUint(it.Nonce, 10), "to": it.To.Hex(), "value": it.Value.String(),
					"data": it.Data.String(), "gasLimit": strconv.FormatUint(it.Gas, 10),
					"maxFeePerGas": it.Rungs[n].MaxFeePerGas.String(), "maxPriorityFeePerGas": it.Rungs[n].MaxPriorityFeePerGas.String(),
				})
			}
		}
	}
	in, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", folder+"ethers.js")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Faults, Signatures []string }
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	for _, fault := range answer.Faults {
		t.Error(fault)
	}
	if len(answer.Signatures) != len(list) {
		t.Fatalf("ethers signed %d structures of %d", len(answer.Signatures), len(list))
	}
	for i, text := range answer.Signatures {
		signature, err := ParseSignature(text)
		if err != nil {
			t.Fatal(err)
		}
		if who, err := SignerOf(list[i].hash, signature); err != nil || who != addressOf(gasKey) {
			t.Errorf("structure %d: a signature of ethers is by %s, %v", i, who, err)
		}
	}
}
