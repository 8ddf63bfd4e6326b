package formats

import (
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/cmd/internal/online"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// TestQuarantine runs the command over a home with what the page shows.
func TestQuarantine(t *testing.T) {
	home := t.TempDir()
	db := must(bolt.Create(t.Context(), filepath.Join(home, "airlock.db")))(t)
	spam := common.HexToAddress("0x5fa2bd0e7c31c9a4d6f8b0e2a41c6d3e9f7b8c5d")
	if err := db.Update(t.Context(), func(tx store.Tx) error {
		if err := store.PutChain(tx, wallet.Chain{ID: chainID, Coin: ether}); err != nil {
			return err
		}
		for _, u := range []wallet.UnknownToken{
			{ChainID: chainID, Contract: spam, BlockNumber: 24_561_007, Logs: 400, SeenAt: built},
			{ChainID: chainID, Contract: spam, BlockNumber: 24_563_332, Logs: 12, SeenAt: built},
		} {
			if err := store.PutUnknownToken(tx, u); err != nil {
				return err
			}
		}
		return store.PutUnprovenCoin(tx, wallet.UnprovenCoin{
			ChainID: chainID, Address: addressAt(t, wallet.DepositRole, 0), BlockNumber: 24_561_980,
			BlockHash: common.HexToHash("0x3ad5b0c94e1f7286d0a3c5e7f9b1d2e4a6c8f0123b5d7e9f1a2c4e6d8b0f1357"),
			In:        must(wallet.ParseDecimal("0.5", ether.Decimals))(t), Reason: "node-a.example: missing trie node", SeenAt: built,
		})
	}); err != nil {
		t.Fatal(err)
	}
	env, out, notes := cli.Test(home)
	if code := cli.Main(online.New(env), env, []string{"quarantine", "list", "--json", "--home", home}); code != cli.ExitDone {
		t.Fatalf("exit code %d: %s", code, notes)
	}
	spread := jsontext.Value(out.Bytes())
	if err := spread.Indent(jsontext.WithIndent("  ")); err != nil {
		t.Fatal(err)
	}
	same(t, "quarantine", string(spread)+"\n")
}
