package tui

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// order is what the list is sorted by.
type order int

const (
	byPosition order = iota
	byAmount
	byRecipient
	byNonce
	byID
	orders // how many there are
)

func (o order) String() string {
	return [orders]string{"", "amount", "recipient", "nonce", "id"}[o]
}

// sorted is the positions of the rows in an order. Amounts of different assets
// cannot be compared, so each asset's stand together, the largest first.
func sorted(r *signer.Report, by order, reverse bool) []int {
	all := make([]int, len(r.Rows))
	for i := range all {
		all[i] = i
	}
	compare := map[order]func(a, b *batch.Row) int{
		byAmount: func(a, b *batch.Row) int {
			if c := bytes.Compare(a.Asset.ID.Contract[:], b.Asset.ID.Contract[:]); c != 0 {
				return c
			}
			return b.Amount.Cmp(a.Amount)
		},
		byRecipient: func(a, b *batch.Row) int { return bytes.Compare(a.Recipient[:], b.Recipient[:]) },
		byNonce: func(a, b *batch.Row) int {
			return cmp.Or(bytes.Compare(a.From[:], b.From[:]), cmp.Compare(a.Nonce, b.Nonce))
		},
		byID: func(a, b *batch.Row) int { return strings.Compare(a.ID, b.ID) },
	}[by]
	if compare != nil {
		slices.SortStableFunc(all, func(a, b int) int { return compare(&r.Rows[a], &r.Rows[b]) })
	}
	if reverse {
		slices.Reverse(all)
	}
	return all
}
