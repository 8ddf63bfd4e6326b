package scanner

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// record writes the facts of a block and returns how many deposits are news.
// Recording the same block again changes nothing.
func (s *Scanner) record(tx store.Tx, f *Facts) (deposits int, err error) {
	news, err := s.recordNews(tx, f)
	return len(news.Deposits), err
}

// recordNews writes the facts of a block and returns those that were not known,
// and what left quarantine: addresses whose coin is proven now, tokens that are
// registered now.
func (s *Scanner) recordNews(tx store.Tx, f *Facts) (news Facts, err error) {
	for _, d := range f.Deposits {
		d.Unproven = f.UnprovenBlock
		is, err := s.recordDeposit(tx, d)
		if err != nil {
			return news, err
		}
		if is {
			news.Deposits = append(news.Deposits, d)
		}
	}
	for _, m := range f.Mined {
		old, ok, err := store.MinedAt(tx, m.Slot)
		if err != nil {
			return news, err
		}
		if ok && (old.Settled || old.BlockHash == m.BlockHash) {
			moved, err := s.recordMoved(tx, old, m)
			if err != nil {
				return news, err
			}
			news.Outflows = append(news.Outflows, moved...)
		}
		if ok && old.Settled {
			is, err := s.minedAgain(tx, m)
			if err != nil {
				return news, err
			}
			if is {
				news.Mined = append(news.Mined, m)
			}
			continue
		}
		if ok && old.BlockHash == m.BlockHash {
			continue
		}
		if err := store.PutMined(tx, m); err != nil {
			return news, err
		}
		news.Mined = append(news.Mined, m)
	}
	for _, o := range f.Outflows {
		is, err := s.recordOutflow(tx, o)
		if err != nil {
			return news, err
		}
		if is {
			news.Outflows = append(news.Outflows, o)
		}
	}
	for _, a := range f.Proven {
		if was, err := store.HasUnprovenCoin(tx, s.id, f.Coin.number, a); err != nil {
			return news, err
		} else if was {
			news.Proven = append(news.Proven, a)
		}
		if err := store.DeleteUnprovenCoin(tx, s.id, f.Coin.number, a); err != nil {
			return news, err
		}
	}
	if err := s.putUnproven(tx, f.Unproven); err != nil {
		return news, err
	}
	news.Unknown, err = s.recordUnknown(tx, f)
	return news, err
}

// recordOutflow stores an outflow unless it is recorded or booked.
func (s *Scanner) recordOutflow(tx store.Tx, o store.Outflow) (news bool, err error) {
	known, err := s.knowsOutflow(tx, o)
	if err != nil || known {
		return false, err
	}
	return true, store.PutOutflow(tx, s.id, o)
}

// minedAgain notes what was mined at a slot that vanished. Confirming decides
// what it means once it is final.
func (s *Scanner) minedAgain(tx store.Tx, m wallet.Mined) (news bool, err error) {
	v, vanished, err := store.VanishedAt(tx, m.Slot)
	if err != nil || !vanished || v.Found != nil && v.Found.BlockHash == m.BlockHash {
		return false, err
	}
	v.Found = &m
	return true, store.PutVanished(tx, v)
}

// recordDeposit stores a deposit unless it is known in that block, or counts
// already: nothing is credited twice.
func (s *Scanner) recordDeposit(tx store.Tx, d wallet.Deposit) (news bool, err error) {
	old, ok, err := store.Deposit(tx, d.ID)
	if err != nil {
		return false, err
	}
	if ok && (old.Status == wallet.DepositConfirmed || old.Status == wallet.DepositPending && old.BlockHash == d.BlockHash) {
		return false, nil
	}
	if err := store.PutDeposit(tx, d); err != nil {
		return false, err
	}
	return true, s.tell(tx, wallet.DepositDetectedEvent, d)
}

// DepositRow is a deposit as programs read it, in lists and in events.
type DepositRow struct {
	ID          string               `json:"id"`
	ChainID     uint64               `json:"chain_id"`
	Account     string               `json:"account"`
	Address     string               `json:"address"` // EIP-55, as all addresses here
	From        string               `json:"from"`
	Asset       wallet.AssetID       `json:"asset"`
	Symbol      string               `json:"symbol"`
	Amount      wallet.Amount        `json:"amount"` // base units
	Decimals    uint8                `json:"decimals"`
	Kind        wallet.DepositKind   `json:"kind"`
	TxHash      common.Hash          `json:"tx_hash"`
	LogIndex    *uint64              `json:"log_index"` // null unless Kind is token
	BlockNumber uint64               `json:"block_number"`
	BlockHash   common.Hash          `json:"block_hash"`
	Status      wallet.DepositStatus `json:"status"`
	Unproven    bool                 `json:"unproven"` // as wallet.Deposit.Unproven
}

// RowOf describes a deposit of an asset.
func RowOf(d wallet.Deposit, a wallet.Asset) DepositRow {
	return DepositRow{
		ID: d.ID, ChainID: d.ChainID, Account: d.Account, Address: d.Address.Hex(), From: d.From.Hex(),
		Asset: d.Asset, Symbol: a.Symbol, Amount: d.Amount, Decimals: a.Decimals, Kind: d.Kind,
		TxHash: d.TxHash, LogIndex: d.LogIndex, BlockNumber: d.BlockNumber, BlockHash: d.BlockHash, Status: d.Status, Unproven: d.Unproven,
	}
}

// tell emits an event about a deposit. It happens in the transaction that
// changes the deposit, hence once; should the same thing happen to it in the
// same block again, because the chain went back and forth, it is told again.
func (s *Scanner) tell(tx store.Tx, t wallet.EventType, d wallet.Deposit) error {
	asset, err := store.Asset(tx, d.Asset)
	if err != nil {
		return err
	}
	data, err := json.Marshal(RowOf(d, asset))
	if err != nil {
		return fmt.Errorf("event of deposit %s: %w", d.ID, err)
	}
	id, err := unused(d.BlockHash.Hex(), func(occasion string) (bool, error) {
		_, told, err := store.EventSequence(tx, wallet.EventID(t, d.ID, occasion))
		return told, err
	})
	if err != nil {
		return err
	}
	return store.Emit(tx, wallet.Event{
		ID: wallet.EventID(t, d.ID, id), Type: t, Subject: d.ID, Timestamp: s.o.Now().UTC(), Data: data,
	})
}

// unused returns the first of name, name:2, name:3 … that is not used.
func unused(name string, used func(string) (bool, error)) (string, error) {
	for n, try := 2, name; ; n++ {
		if is, err := used(try); err != nil || !is {
			return try, err
		}
		try = name + ":" + strconv.Itoa(n)
	}
}

// unusedEntry returns the first of id, id:2, … under which nothing was booked.
func unusedEntry(tx store.Tx, id string) (string, error) {
	return unused(id, func(try string) (bool, error) {
		_, booked, err := store.EntryByID(tx, try)
		return booked, err
	})
}

// credit confirms a deposit and books it for its account. A deposit that was
// credited, reversed and mined again is booked under the next number.
func (s *Scanner) credit(tx store.Tx, d wallet.Deposit) error {
	id, err := unusedEntry(tx, depositEntry(d.ID))
	if err != nil {
		return err
	}
	err = store.Book(tx, wallet.Entry{
		ID: id, ChainID: s.id, Kind: wallet.EntryDeposit, Ref: d.ID, Time: s.o.Now().UTC(), Block: d.BlockNumber,
		Postings: wallet.Move(d.Asset, d.Amount,
			wallet.Posting{Location: wallet.Outside, Owner: d.Account, Book: wallet.Received},
			wallet.Posting{Location: d.Address, Owner: d.Account, Book: wallet.Available}),
	})
	if err != nil {
		return err
	}
	d.Status = wallet.DepositConfirmed
	if err := store.PutDeposit(tx, d); err != nil {
		return err
	}
	return s.tell(tx, wallet.DepositConfirmedEvent, d)
}

func depositEntry(deposit string) string { return "deposit:" + deposit }

// orphan undoes a deposit whose block left the chain, its credit included.
func (s *Scanner) orphan(tx store.Tx, d wallet.Deposit) error {
	if d.Status == wallet.DepositConfirmed {
		if err := s.reverse(tx, d); err != nil {
			return err
		}
	}
	d.Status = wallet.DepositOrphaned
	if err := store.PutDeposit(tx, d); err != nil {
		return err
	}
	return s.tell(tx, wallet.DepositOrphanedEvent, d)
}

// reverse books the opposite of a deposit's last credit.
func (s *Scanner) reverse(tx store.Tx, d wallet.Deposit) error {
	last, err := lastEntry(tx, depositEntry(d.ID))
	if err != nil {
		return err
	}
	if last.ID == "" {
		return fmt.Errorf("deposit %s is confirmed but was never booked", d.ID)
	}
	return s.reverseEntry(tx, last)
}

// lastEntry is the last of id, id:2, … that was booked, the zero entry if none
// was.
func lastEntry(tx store.Tx, id string) (last wallet.Entry, err error) {
	_, err = unused(id, func(try string) (bool, error) {
		e, booked, err := store.EntryByID(tx, try)
		if booked {
			last = e
		}
		return booked, err
	})
	return last, err
}

func reversalEntry(entry string) string { return "reversal:" + entry }

// reverseEntry books the opposite of an entry once, in the same block, so that
// no view of the books sees one without the other.
func (s *Scanner) reverseEntry(tx store.Tx, e wallet.Entry) error {
	if _, booked, err := store.EntryByID(tx, reversalEntry(e.ID)); err != nil || booked {
		return err
	}
	r := e
	r.ID, r.Kind, r.Time = reversalEntry(e.ID), wallet.EntryReversal, s.o.Now().UTC()
	r.Postings = append([]wallet.Posting(nil), e.Postings...)
	for i := range r.Postings {
		r.Postings[i].Amount = r.Postings[i].Amount.Neg()
	}
	return store.Book(tx, r)
}

// knowsOutflow reports whether an outflow is recorded or booked.
func (s *Scanner) knowsOutflow(tx store.Tx, o store.Outflow) (bool, error) {
	if has, err := store.HasOutflow(tx, s.id, o); err != nil || has {
		return has, err
	}
	last, err := lastEntry(tx, s.outflowEntry(o))
	if err != nil || last.ID == "" {
		return false, err
	}
	_, reversed, err := store.EntryByID(tx, reversalEntry(last.ID))
	return !reversed, err
}

// isOutflowEntry reports whether an entry of a chain booked an outflow.
func isOutflowEntry(e wallet.Entry, chain uint64) bool {
	return strings.HasPrefix(e.ID, fmt.Sprintf("outflow:%d:", chain))
}

// outflowPrefix begins the id of an entry that books an outflow.
const outflowPrefix = "outflow:"

func (s *Scanner) outflowEntry(o store.Outflow) string {
	if p := o.Transfer.Path; p != "" {
		return fmt.Sprintf(outflowPrefix+"%d:%s:%s", s.id, o.TxHash, p)
	}
	return fmt.Sprintf(outflowPrefix+"%d:%s:%d", s.id, o.TxHash, o.Transfer.Position)
}

// bookOutflow books what others moved away from an address of ours, once it is
// final: to another address of ours as a movement, else as unknown.
func (s *Scanner) bookOutflow(tx store.Tx, o store.Outflow) error {
	f := o.Transfer
	kind := wallet.EntryUnknown
	to := wallet.Posting{Location: wallet.Outside, Owner: wallet.House, Book: wallet.Unknown}
	if ours, err := store.IsOurs(tx, f.To); err != nil {
		return err
	} else if ours {
		kind = wallet.EntryMovement
		to = wallet.Posting{Location: f.To, Owner: wallet.House, Book: wallet.Available}
	}
	id, err := unusedEntry(tx, s.outflowEntry(o))
	if err != nil {
		return err
	}
	err = store.Book(tx, wallet.Entry{
		ID: id, ChainID: s.id, Kind: kind, Ref: o.TxHash.Hex(), Time: s.o.Now().UTC(), Block: o.BlockNumber,
		Postings: wallet.Move(f.Asset, f.Amount, wallet.Posting{Location: f.From, Owner: wallet.House, Book: wallet.Available}, to),
	})
	if err != nil {
		return err
	}
	return store.DeleteOutflow(tx, s.id, o)
}
