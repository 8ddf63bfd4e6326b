package rebalance

import (
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Mark says how much of an asset is to lie on each address of a role, in base
// units.
type Mark struct {
	Role      wallet.Role // payout, gas or float
	Asset     wallet.Asset
	Low, High wallet.Amount // Low is below High
}

// Check refuses marks that nothing can be kept between.
func (m Mark) Check() error {
	switch m.Role {
	case wallet.PayoutRole, wallet.FloatRole:
	case wallet.GasRole:
		if !m.Asset.ID.IsCoin() {
			return fmt.Errorf("gas addresses pay with the coin, and %s is a token", m.Asset.Symbol)
		}
	case wallet.DepositRole, wallet.TreasuryRole, wallet.ExternalRole:
		return fmt.Errorf("role %s: want payout, gas or float", m.Role)
	}
	if m.Low.Cmp(m.High) >= 0 {
		return fmt.Errorf("low %s is not below high %s", m.Asset.Format(m.Low), m.Asset.Format(m.High))
	}
	return nil
}

// middle is what a place is brought to.
func (m Mark) middle() wallet.Amount {
	sum := m.Low.Add(m.High).Big()
	return wallet.AmountOf(sum.Rsh(sum, 1))
}

// toldLow is how many places the text of an alarm names.
const toldLow = 5

// Low is the alarm of the places below their low marks, or nil if there is none.
// It goes by the ledger, less what open transactions may take.
func Low(tx store.Tx, chain uint64, marks []Mark) (*wallet.Alarm, error) {
	var low []string
	owed := map[common.Address]map[wallet.AssetID]wallet.Amount{}
	for _, m := range marks {
		if err := store.EachAddress(tx, m.Role, 0, func(a wallet.Address) error {
			have, err := store.LocationBalance(tx, a.Address, m.Asset.ID)
			if err != nil {
				return err
			}
			if owed[a.Address] == nil {
				if owed[a.Address], err = takes(tx, chain, a.Address, nil); err != nil {
					return err
				}
			}
			if have = atLeastZero(have.Sub(owed[a.Address][m.Asset.ID])); have.Cmp(m.Low) < 0 {
				low = append(low, fmt.Sprintf("%s address %s has %s to spare, below %s", m.Role, a.Address, m.Asset.Format(have), m.Asset.Format(m.Low)))
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	if len(low) == 0 {
		return nil, nil
	}
	n := len(low)
	if n > toldLow {
		low = append(low[:toldLow], fmt.Sprintf("and %d more", n-toldLow))
	}
	return &wallet.Alarm{
		Code: wallet.AlarmLow, Count: n, Text: strings.Join(low, "; "),
		Hint: "airlock rebalance -o FILE fills them from the treasury; where that is empty, send it more",
	}, nil
}

// takes is what open transactions of a sender may take of each asset, at their
// highest fees. Those for which skip holds do not count; nil skips none.
func takes(tx store.Tx, chain uint64, sender common.Address, skip func(*wallet.Outgoing) (bool, error)) (map[wallet.AssetID]wallet.Amount, error) {
	sum, coin := map[wallet.AssetID]wallet.Amount{}, wallet.Coin(chain)
	return sum, store.OpenOutgoingOf(tx, chain, sender, func(o wallet.Outgoing) error {
		if skip != nil {
			if no, err := skip(&o); err != nil || no {
				return err
			}
		}
		sum[o.Intent.Asset] = sum[o.Intent.Asset].Add(o.Intent.Amount)
		sum[coin] = sum[coin].Add(o.WorstFee())
		return nil
	})
}

func atLeastZero(a wallet.Amount) wallet.Amount {
	if a.Sign() < 0 {
		return wallet.Amount{}
	}
	return a
}

func least(a, b wallet.Amount) wallet.Amount {
	if a.Cmp(b) < 0 {
		return a
	}
	return b
}
