package signer

import (
	"cmp"
	"encoding/binary"
	"math/big"
	"slices"
	"time"

	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// The windows over which a policy limits what is signed. Both ends belong to
// them: what was signed in the very second in which the window begins counts.
const (
	day  = 24 * time.Hour
	week = 7 * day
)

// payees are whom the batch's withdrawals pay, in the order of the record.
func (p *plan) payees() []policy.Payee {
	list := make([]policy.Payee, 0, len(p.byID))
	for _, i := range p.byID {
		in := &p.withdrawals[i].Intent
		list = append(list, policy.Payee{Asset: in.Asset, Recipient: in.Recipient})
	}
	slices.SortFunc(list, func(x, y policy.Payee) int {
		return cmp.Or(x.Recipient.Cmp(y.Recipient), x.Asset.Contract.Cmp(y.Asset.Contract))
	})
	return slices.Compact(list)
}

func payeeKey(w policy.Payee) []byte {
	return append(recipientKey(w.Asset.ChainID, w.Recipient), w.Asset.Contract[:]...)
}

// spent adds up what was signed within the windows that end now. It reads the
// rows of the windows alone, however long the record is.
func (p *plan) spent(tx store.Tx, now time.Time) (spent map[wallet.AssetID]policy.Spent, paid map[policy.Payee]wallet.Amount, err error) {
	spent, paid = map[wallet.AssetID]policy.Spent{}, map[policy.Payee]wallet.Amount{}
	if len(p.byID) == 0 {
		return spent, paid, nil
	}
	today := seconds(now.Add(-day))
	for _, a := range p.b.Assets {
		prefix := spentKey(a.Asset)
		since := prefixed(prefix)
		since.From = append(slices.Clone(prefix), seconds(now.Add(-week))...)
		var s policy.Spent
		err := tx.Scan(since, func(k, v []byte) error {
			amount := readAmount(v)
			s.Week = s.Week.Add(amount)
			if slices.Compare(k[len(prefix):len(prefix)+8], today) >= 0 {
				s.Day = s.Day.Add(amount)
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
		spent[a.Asset] = s
	}
	payees := p.payees()
	spans := make([]span, len(payees))
	for n, w := range payees {
		prefix := payeeKey(w)
		spans[n] = span{from: append(slices.Clone(prefix), today...), prefix: prefix}
	}
	err = walk(tx, spans, func(n int, _, v []byte) {
		paid[payees[n]] = paid[payees[n]].Add(readAmount(v))
	})
	return spent, paid, err
}

// spend adds the rows of what the batch spends: of every withdrawal that was
// not signed at its slot before. So an intent counts once, however often it is
// signed with other fees; one that takes the place of another counts in full,
// and so does a second nonce, since both can be mined.
func (p *plan) spend(m *memory, now time.Time, add func(key, value []byte)) {
	assets, payees := map[wallet.AssetID]wallet.Amount{}, map[policy.Payee]wallet.Amount{}
	for _, i := range p.byID {
		if in := &p.withdrawals[i].Intent; !m.withdrawals[i].paid {
			who := policy.Payee{Asset: in.Asset, Recipient: in.Recipient}
			assets[in.Asset], payees[who] = assets[in.Asset].Add(in.Amount), payees[who].Add(in.Amount)
		}
	}
	at := seconds(now)
	ids := make([]wallet.AssetID, 0, len(assets))
	for id := range assets {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b wallet.AssetID) int { return a.Contract.Cmp(b.Contract) })
	for _, id := range ids {
		add(append(spentKey(id), at...), assets[id].Big().Bytes())
	}
	for _, who := range p.payees() {
		if amount, fresh := payees[who]; fresh {
			add(append(payeeKey(who), at...), amount.Big().Bytes())
		}
	}
}

// seconds is how keys tell a time.
func seconds(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(max(0, t.Unix()))) //nolint:gosec // not negative
}

func readAmount(v []byte) wallet.Amount { return wallet.AmountOf(new(big.Int).SetBytes(v)) }
