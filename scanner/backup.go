package scanner

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// defaultBackup is how many final blocks a pass reads again unless told
// otherwise.
const defaultBackup = 128

// Found is something that only the second reading of a block found, or a
// comparison of balances although the block was traced.
type Found struct {
	Block uint64 `json:"block_number"`
	Kind  string `json:"kind"` // deposit, mined or outflow
	ID    string `json:"id"`   // of a deposit, else the transaction's hash
}

// backup reads the blocks that became final since the last time once more,
// from the last endpoint of the list where it was the first before, and must
// find nothing new. What it finds is recorded and credited, and raises
// wallet.AlarmMissed in the transaction that records it.
//
// It reads Options.BackupBlocks at most. Where more became final at a time, as
// while catching up, the older ones are not read again: airlock scan --from does
// that. Where no endpoint gives the blocks that were read before, the next pass
// tries again.
func (s *Scanner) backup(ctx context.Context, st *state, t tags, sum *Summary) error {
	if s.o.BackupBlocks < 0 {
		return nil
	}
	final := st.cursor.Final
	n := min(uint64(s.o.BackupBlocks), final) //nolint:gosec // not negative
	from := max(st.cursor.Reread, final-n, base(st.chain)) + 1
	if from > final {
		return nil
	}
	before := sum.Deposits
	for from <= final {
		next, err := s.secondReading(chain.PreferLast(ctx), from, final, sum)
		if elsewhere(err) {
			next, err = s.secondReading(ctx, from, final, sum)
		}
		if elsewhere(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("second reading of final blocks: %w", err)
		}
		from = next
	}
	if err := s.db.Update(ctx, func(tx store.Tx) error {
		if err := s.unmoved(tx, st.cursor); err != nil {
			return err
		}
		st.cursor.Reread = final
		return store.PutCursor(tx, s.id, st.cursor)
	}); err != nil || sum.Deposits == before {
		return err
	}
	return s.settle(ctx, st, t, sum)
}

// elsewhere reports whether an endpoint has not got to a block that was read
// before, or has another one there.
func elsewhere(err error) bool { return errors.Is(err, errMoved) || errors.Is(err, ethereum.NotFound) }

func (s *Scanner) secondReading(ctx context.Context, from, to uint64, sum *Summary) (next uint64, err error) {
	var read Summary
	var found []Found
	next, err = s.again(ctx, from, to, &read, func(tx store.Tx, news *Facts) error {
		missed, err := s.missed(tx, news)
		found = append(found, missed...)
		return err
	})
	if err == nil {
		sum.Found, sum.Deposits = append(sum.Found, found...), sum.Deposits+read.Deposits
	}
	return next, err
}

// missed lists what the first reading of a block had not found, and has the
// alarm about it stand. What came to an address before that was ours is no
// surprise, nor is what was in quarantine: coin, or a token that was registered
// since.
func (s *Scanner) missed(tx store.Tx, news *Facts) (list []Found, err error) {
	add := func(n uint64, kind, id string, at common.Address, asset wallet.AssetID) {
		if asset.IsCoin() && slices.Contains(news.Proven, at) {
			return
		}
		if slices.ContainsFunc(news.Unknown, func(u wallet.UnknownToken) bool { return u.Contract == asset.Contract }) {
			return
		}
		old := false
		if err == nil {
			old, err = s.opensAfter(tx, store.Place{Address: at, Asset: asset}, n)
		}
		if err == nil && !old {
			list = append(list, Found{n, kind, id})
		}
	}
	for _, d := range news.Deposits {
		add(d.BlockNumber, "deposit", d.ID, d.Address, d.Asset)
	}
	for _, m := range news.Mined {
		add(m.BlockNumber, "mined", m.TxHash.Hex(), m.Slot.Sender, wallet.Coin(s.id))
	}
	for _, o := range news.Outflows {
		add(o.BlockNumber, "outflow", o.TxHash.Hex(), o.Transfer.From, o.Transfer.Asset)
	}
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list, s.raiseMissed(tx, "the second reading of final blocks", list)
}

// opensAfter reports whether what a place got in block n is part of its opening
// balance, which may not have been read yet.
func (s *Scanner) opensAfter(tx store.Tx, at store.Place, n uint64) (bool, error) {
	if opened, ok, err := store.OpenedAt(tx, at); err != nil || ok {
		return opened >= n, err
	}
	return store.IsUnopened(tx, store.Unopened(at))
}

// raiseMissed has the alarm stand about what reading missed and something else
// found.
func (s *Scanner) raiseMissed(tx store.Tx, finder string, list []Found) error {
	a := wallet.Alarm{Code: wallet.AlarmMissed, Block: list[0].Block, Last: list[0].Block}
	have, stands, err := store.Alarm(tx, s.id, a.Code)
	if err != nil {
		return err
	}
	if stands {
		a.Block, a.Last, a.Count = min(a.Block, have.Block), max(a.Last, have.Last), have.Count
	}
	a.Count += len(list)
	a.Text = fmt.Sprintf("%s found what the first reading had missed: %d in blocks %d to %d, the last of them %s %s; it is recorded and credited",
		finder, a.Count, a.Block, a.Last, list[len(list)-1].Kind, list[len(list)-1].ID)
	a.Hint = fmt.Sprintf("an endpoint did not give all that it should: look at the order of the endpoints in config.toml, then airlock scan --from %d reads all since then again; that ends the alarm if it finds nothing more", a.Block)
	return s.raise(tx, a)
}
