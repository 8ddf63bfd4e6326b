package signer_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/signer/vault"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

const mnemonic = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"

var (
	passphrase = []byte("correct horse")
	now        = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	usdc       = common.HexToAddress("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
)

// station is a signing station with a vault, an open policy and an empty
// record, at noon of the first of March.
type station struct {
	*signer.Service
	vault *vault.Keys
	path  string // of the vault
	db    *bolt.DB
}

func newStation(t testing.TB) *station {
	t.Helper()
	return newStationOf(t, mnemonic)
}

func newStationOf(t testing.TB, words string) *station {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "vault.json")
	if _, err := vault.Create(path, []byte(words), passphrase, vault.LightKDF); err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(path, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	db, err := bolt.Create(context.Background(), filepath.Join(dir, signer.RecordFile))
	if err != nil {
		t.Fatal(err)
	}
	return &station{
		Service: &signer.Service{Record: db, Policy: preset(t, "open"), Now: func() time.Time { return now }},
		vault:   v.Own(), path: path, db: db,
	}
}

func preset(t testing.TB, name string) *policy.Policy {
	t.Helper()
	raw, err := policy.Preset(name)
	if err != nil {
		t.Fatal(err)
	}
	return parsePolicy(t, string(raw))
}

func parsePolicy(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (s *station) address(t testing.TB, role wallet.Role, index uint32) common.Address {
	t.Helper()
	a, err := s.vault.Address(wallet.Path{Role: role, Index: index})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// head is a batch without items of the station's vault, built at nine.
func (s *station) head(kind string) *batch.Batch {
	return &batch.Batch{
		Format: batch.Format, Version: batch.Version, ID: batch.NewID(), Kind: kind, ChainID: 1,
		Vault:     s.vault.Fingerprint().String(),
		CreatedAt: now.Add(-3 * time.Hour), ExpiresAt: now.Add(21 * time.Hour),
		Assets: []batch.Asset{{Asset: wallet.Coin(1), Symbol: "ETH", Decimals: 18}},
	}
}

func fees(rungs int) []wallet.Fee {
	list := []wallet.Fee{{MaxFeePerGas: wallet.NewAmount(40e9), MaxPriorityFeePerGas: wallet.NewAmount(1e9)}}
	for len(list) < rungs {
		list = append(list, batch.Bump(list[len(list)-1]))
	}
	return list
}

func recipient(n int) common.Address {
	return common.BytesToAddress([]byte(fmt.Sprintf("recipient %09d", n)))
}

// withdrawals pays wei 1, 2, 3 … to n recipients from payout address 0, from
// the given nonce on; the ids are w-NONCE.
func (s *station) withdrawals(t testing.TB, nonce uint64, n int) *batch.Batch {
	t.Helper()
	b := s.head(batch.Withdrawals)
	from := s.address(t, wallet.PayoutRole, 0)
	for i := range n {
		to, amount := recipient(i), wallet.NewAmount(int64(i+1))
		b.Items = append(b.Items, batch.Item{
			From: from, Path: wallet.Path{Role: wallet.PayoutRole}, Nonce: nonce + uint64(i), To: to, Value: amount, Gas: 31_500,
			Rungs: fees(1), Requires: -1,
			Intent: wallet.Intent{Kind: wallet.IntentWithdrawal, ID: fmt.Sprintf("w-%d", nonce+uint64(i)), Asset: wallet.Coin(1), Recipient: to, Amount: amount},
		})
	}
	return b
}

// sweeps moves 1000 wei from each of n deposit addresses to the treasury.
func (s *station) sweeps(t testing.TB, index uint32, n int) *batch.Batch {
	t.Helper()
	b := s.head(batch.Sweep)
	treasury := s.address(t, wallet.TreasuryRole, 0)
	for i := range n {
		path := wallet.Path{Role: wallet.DepositRole, Index: index + uint32(i)}
		from := s.address(t, path.Role, path.Index)
		b.Items = append(b.Items, batch.Item{
			From: from, Path: path, To: treasury, Value: wallet.NewAmount(1000), Gas: 21_000,
			Rungs: fees(1), Requires: -1, RecipientPath: "m/44'/60'/3'/0/0",
			Intent: wallet.Intent{Kind: wallet.IntentSweep, ID: fmt.Sprintf("1:%s:0", from), Asset: wallet.Coin(1), Recipient: treasury, Amount: wallet.NewAmount(1000)},
		})
	}
	return b
}

func (s *station) sign(t testing.TB, b *batch.Batch) *batch.Signed {
	t.Helper()
	signed, err := s.Sign(t.Context(), b, s.vault, nil)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// entries lists the record's signatures and walks its whole chain.
func (s *station) entries(t testing.TB) (list []signer.Entry, head string) {
	t.Helper()
	all, head := s.allEntries(t)
	return slices.DeleteFunc(all, func(e signer.Entry) bool { return e.Kind != signer.KindSignature }), head
}

// allEntries lists everything in the record.
func (s *station) allEntries(t testing.TB) (list []signer.Entry, head string) {
	t.Helper()
	err := s.db.View(context.Background(), func(tx store.Tx) error {
		return signer.Entries(tx, func(e signer.Entry, after string) error {
			list, head = append(list, e), after
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return list, head
}
