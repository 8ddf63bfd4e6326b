package outgoing

import (
	"slices"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Validity is how long a batch may be signed after it was built, unless the
// operator says otherwise: the trip to the cold room and back.
const Validity = 72 * time.Hour

// Draft makes a batch of items, addressed to the vault that holds the keys of
// their senders, with the head of its signing record as it was last seen and the
// assets that the items move. Nothing is written. Items of two vaults are an
// error.
func Draft(tx store.Tx, kind string, chain uint64, items []batch.Item, now time.Time, validity time.Duration) (*batch.Batch, error) {
	vault, err := vaultOf(tx, items)
	if err != nil {
		return nil, err
	}
	head, err := store.LastRecordHead(tx, vault)
	if err != nil {
		return nil, err
	}
	created := now.UTC().Truncate(time.Second)
	b := &batch.Batch{
		Format: batch.Format, Version: batch.Version, ID: batch.NewID(), Kind: kind, ChainID: chain, Vault: vault,
		CreatedAt: created, ExpiresAt: created.Add(validity.Truncate(time.Second)), RecordHead: head.Head,
		Assets: []batch.Asset{}, Items: items, Approvals: []batch.Approval{},
	}
	// The coin is always named: fees are paid in it.
	ids := []wallet.AssetID{wallet.Coin(chain)}
	for i := range items {
		if !slices.Contains(ids, items[i].Intent.Asset) {
			ids = append(ids, items[i].Intent.Asset)
		}
	}
	for _, id := range ids {
		a, err := store.Asset(tx, id)
		if err != nil {
			return nil, err
		}
		b.Assets = append(b.Assets, batch.Asset{Asset: id, Symbol: a.Symbol, Decimals: a.Decimals})
	}
	return b, nil
}
