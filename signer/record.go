package signer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// The signing record: everything that a vault ever signed. Its keys lie in
// tables of their own in the station's store. Numbers are 8 bytes big-endian,
// text ends with a zero byte, addresses and hashes are raw. The names are
// stored and never change.
const (
	tSlot       = "sign.slot"  // chain, sender, nonce -> payload hash
	tWithdrawal = "sign.wd"    // withdrawal id -> chain, sender, nonce
	tRecipient  = "sign.to"    // chain, recipient of a withdrawal -> empty
	tEntry      = "sign.entry" // sequence -> canonical JSON of an Entry
	tHead       = "sign.head"  // head -> sequence of the entry that it is the head after
	tBatch      = "sign.batch" // digest -> sequence of the entry that signed it
	tLast       = "sign.last"  // -> sequence of the last entry
)

// Entry is one signed batch in the record. Entries form a chain: the head
// after an entry is SHA-256 of the head before it (32 bytes, zero before the
// first) and the entry's RFC 8785 canonical form.
type Entry struct {
	Sequence   uint64    `json:"sequence,string"` // from 1
	Batch      string    `json:"batch"`
	Digest     string    `json:"digest"`
	ChainID    uint64    `json:"chain_id,string"`
	Vault      string    `json:"vault"`
	PolicyHash string    `json:"policy_hash"`
	SignedAt   time.Time `json:"signed_at"` // UTC, whole seconds
	Items      int       `json:"items,string"`
	// Rows is SHA-256 over what the batch added to the record: each row's key
	// and value, both with their length in 8 bytes before them, in the order
	// of the keys.
	Rows string `json:"rows"`
	// Risks are the named risks that were accepted.
	Risks []string `json:"risks"`
	// Before is the head before this entry.
	Before string `json:"before"`
}

// row is one thing that the record will know.
type row struct{ key, value []byte }

// rowsOf returns what signing a batch records, in the order of the keys. It
// is pure.
func rowsOf(b *batch.Batch) []row {
	n := len(b.Items)
	tables := [3][]row{make([]row, 0, n), make([]row, 0, n), make([]row, 0, n)} // in the order of their names
	buf := make([]byte, 0, 512)
	for i := range b.Items {
		it := &b.Items[i]
		buf = appendPayload(buf[:0], b.ChainID, it)
		hash := sha256.Sum256(buf)
		tables[0] = append(tables[0], row{slotKey(b.ChainID, it.From, it.Nonce), hash[:]})
		if it.Intent.Kind == wallet.IntentWithdrawal {
			tables[1] = append(tables[1], row{recipientKey(b.ChainID, it.Intent.Recipient), []byte{}})
			tables[2] = append(tables[2], row{withdrawalKey(it.Intent.ID), slotValue(b.ChainID, it)})
		}
	}
	for _, rows := range tables {
		slices.SortFunc(rows, func(a, b row) int { return bytes.Compare(a.key, b.key) })
	}
	return slices.CompactFunc(slices.Concat(tables[:]...), func(a, b row) bool { return bytes.Equal(a.key, b.key) })
}

func hashRows(rows []row) string {
	h := sha256.New()
	var size [8]byte
	for _, r := range rows {
		for _, part := range [][]byte{r.key, r.value} {
			binary.BigEndian.PutUint64(size[:], uint64(len(part)))
			h.Write(size[:])
			h.Write(part)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// appendPayload writes what makes two transactions of a slot the same: all of
// it but the fees and the gas limit, and the whole intent. The record keeps
// its SHA-256. Texts are preceded by their length, so that no two payloads
// are written alike.
func appendPayload(w []byte, chain uint64, it *batch.Item) []byte {
	text := func(s string) {
		w = binary.BigEndian.AppendUint64(w, uint64(len(s)))
		w = append(w, s...)
	}
	amount := func(a wallet.Amount) {
		raw := a.Big().Bytes() // Check found it to be between 0 and 2^256−1
		w = binary.BigEndian.AppendUint64(w, uint64(len(raw)))
		w = append(w, raw...)
	}
	w = binary.BigEndian.AppendUint64(w, chain)
	w = append(w, it.From[:]...)
	w = binary.BigEndian.AppendUint64(w, it.Nonce)
	w = append(w, it.To[:]...)
	amount(it.Value)
	text(string(it.Data))
	text(string(it.Intent.Kind))
	text(it.Intent.ID)
	w = binary.BigEndian.AppendUint64(w, it.Intent.Asset.ChainID)
	w = append(w, it.Intent.Asset.Contract[:]...)
	w = append(w, it.Intent.Recipient[:]...)
	amount(it.Intent.Amount)
	return w
}

// conflicts holds a batch against the record: a payload other than the one
// that was signed for its slot, a slot other than the one that was signed for
// its withdrawal, and a record of another vault are refused, and unless that
// risk is accepted, a record that is behind. It returns the rows that are new.
func conflicts(tx store.Tx, b *batch.Batch, rows []row, vault []hd.Fingerprint, risks Risks) (fresh []row, behind bool, list []Refusal, err error) {
	fresh, list, err = differences(tx, b, rows)
	if err != nil {
		return nil, false, nil, err
	}
	if owner, err := owner(tx); err != nil {
		return nil, false, nil, err
	} else if owner != "" && owner != b.Vault && !slices.ContainsFunc(vault, func(fp hd.Fingerprint) bool { return fp.String() == owner }) {
		list = append(list, Refusal{
			Rule: RuleRecord, Item: -1, Field: "/vault", Value: b.Vault,
			Why:  fmt.Sprintf("is not the vault of the signing record on this station, which is of %s", owner),
			Hint: "every vault has a record of its own: put this one's " + RecordFile + " beside it",
		})
	}
	if behind, err = isBehind(tx, b.RecordHead); err != nil {
		return nil, false, nil, err
	}
	if behind && !risks[recordRestored] {
		list = append(list, behindRefusal(b))
	}
	return fresh, behind, list, nil
}

// owner is the vault that the record is of; empty if it has no entries.
func owner(tx store.Tx) (string, error) {
	seq, _, err := lastHead(tx)
	if err != nil || seq == 0 {
		return "", err
	}
	raw, err := tx.Get(entryKey(seq))
	if err != nil {
		return "", err
	}
	var e Entry
	if err := json.Unmarshal(raw, &e); err != nil {
		return "", fmt.Errorf("signing record: entry %d is damaged: %w", seq, err)
	}
	return e.Vault, nil
}

// differences finds what of a batch contradicts the rows of the record, and
// the rows that are new.
func differences(tx store.Tx, b *batch.Batch, rows []row) (fresh []row, list []Refusal, err error) {
	differ := map[string][]byte{} // key -> what the record has
	fresh = make([]row, 0, len(rows)+4)
	err = known(tx, rows, func(r row, have []byte) {
		switch {
		case have == nil:
			fresh = append(fresh, r)
		case !bytes.Equal(have, r.value):
			differ[string(r.key)] = bytes.Clone(have)
		}
	})
	if err != nil {
		return nil, nil, err
	}
	if len(differ) == 0 {
		return fresh, nil, nil
	}
	for i := range b.Items {
		it := &b.Items[i]
		if _, ok := differ[string(slotKey(b.ChainID, it.From, it.Nonce))]; ok {
			list = append(list, Refusal{
				Rule: RuleSlot, Item: i, Field: fmt.Sprintf("/items/%d/nonce", i), Value: fmt.Sprint(it.Nonce),
				Why:  fmt.Sprintf("of %s on chain %d was signed for another payment", it.From, b.ChainID),
				Hint: "a nonce pays one thing for ever; on the online station, airlock scan and airlock resolve find out what became of it",
			})
		}
		if it.Intent.Kind != wallet.IntentWithdrawal {
			continue
		}
		if have, ok := differ[string(withdrawalKey(it.Intent.ID))]; ok {
			chain, sender, nonce := readSlot(have)
			list = append(list, Refusal{
				Rule: RuleWithdrawal, Item: i, Field: fmt.Sprintf("/items/%d/intent/id", i), Value: fmt.Sprintf("%q", it.Intent.ID),
				Why: fmt.Sprintf("was signed as nonce %d of %s on chain %d, and this is nonce %d of %s on chain %d: it would be paid twice",
					nonce, sender, chain, it.Nonce, it.From, b.ChainID),
				Hint: "build the withdrawal again at the nonce that it has; a restored or copied online store does not know it",
			})
		}
	}
	return fresh, list, nil
}

// known calls fn with every row, in their order, and what the record has under
// its key, nil for nothing. Rows of a batch lie close together, and so does
// what the record has of them: walking along both takes a fraction of the time
// of looking up each. Where the record has much in between, the walk jumps.
func known(tx store.Tx, rows []row, fn func(r row, have []byte)) error {
	const jump = 4 // keys walked past before the next row is looked up
	for next := 0; next < len(rows); {
		past, stopped := 0, false
		err := tx.Scan(store.Range{From: rows[next].key}, func(k, have []byte) error {
			for ; next < len(rows); next++ {
				switch bytes.Compare(rows[next].key, k) {
				case -1:
					fn(rows[next], nil)
					continue
				case 0:
					fn(rows[next], have)
					past, next = 0, next+1
				case 1:
					past++
				}
				break
			}
			if stopped = next == len(rows) || past == jump; stopped {
				return store.Stop
			}
			return nil
		})
		if err != nil {
			return err
		}
		for ; !stopped && next < len(rows); next++ {
			fn(rows[next], nil) // the record ends before
		}
	}
	return nil
}

// add writes a batch into the record and returns its entry and the head after
// it. A batch that is in the record gets the entry and head of then.
func add(tx store.Tx, e Entry, b *batch.Batch, rows []row, vault []hd.Fingerprint, risks Risks) (Entry, string, error) {
	if old, head, ok, err := signedBefore(tx, e.Digest); err != nil || ok {
		return old, head, err
	}
	fresh, behind, list, err := conflicts(tx, b, rows, vault, risks)
	if err != nil {
		return e, "", err
	}
	if len(list) > 0 {
		return e, "", refused(list...)
	}
	if behind {
		e.Risks = append(e.Risks, recordRestored)
	}
	last, head, err := lastHead(tx)
	if err != nil {
		return e, "", err
	}
	e.Sequence, e.Before, e.Rows = last+1, hex.EncodeToString(head[:]), hashRows(fresh)
	raw, err := e.canonical()
	if err != nil {
		return e, "", err
	}
	after := nextHead(head, raw)
	digest, err := hex.DecodeString(e.Digest)
	if err != nil {
		return e, "", err
	}
	seq := binary.BigEndian.AppendUint64(nil, e.Sequence)
	fresh = append(fresh,
		row{entryKey(e.Sequence), raw},
		row{key(tHead, after[:]), seq},
		row{key(tBatch, digest), seq},
		row{key(tLast), append(bytes.Clone(seq), after[:]...)})
	for _, r := range fresh {
		if err := tx.Put(r.key, r.value); err != nil {
			return e, "", err
		}
	}
	return e, hex.EncodeToString(after[:]), nil
}

// signedBefore finds the entry of a batch and the head after it.
func signedBefore(tx store.Tx, digest string) (e Entry, head string, ok bool, err error) {
	d, err := hex.DecodeString(digest)
	if err != nil {
		return e, "", false, err
	}
	seq, err := tx.Get(key(tBatch, d))
	if err != nil || seq == nil {
		return e, "", false, err
	}
	raw, err := tx.Get(entryKey(binary.BigEndian.Uint64(seq)))
	if err != nil {
		return e, "", false, err
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return e, "", false, fmt.Errorf("signing record: entry %d is damaged: %w", binary.BigEndian.Uint64(seq), err)
	}
	before, err := hex.DecodeString(e.Before)
	if err != nil || len(before) != 32 {
		return e, "", false, fmt.Errorf("signing record: entry %d is damaged: head before it", e.Sequence)
	}
	after := nextHead([32]byte(before), raw)
	return e, hex.EncodeToString(after[:]), true, nil
}

// isBehind reports whether the record never had a head that somebody saw.
func isBehind(tx store.Tx, head string) (bool, error) {
	if head == "" {
		return false, nil
	}
	raw, err := hex.DecodeString(head)
	if err != nil {
		return false, err
	}
	seq, err := tx.Get(key(tHead, raw))
	return seq == nil, err
}

func behindRefusal(b *batch.Batch) Refusal {
	return Refusal{
		Rule: RuleRecord, Item: -1, Field: "/record_head", Value: b.RecordHead,
		Why: "is not known here: the record on this station is older than what the online station saw",
		Hint: "use the station whose record is complete, or restore the newest backup of " + RecordFile +
			"; if there is none, --accept-risk=" + recordRestored + " signs without knowing what was signed since",
	}
}

// lastHead is the record's length and head; the zero hash if it is empty.
func lastHead(tx store.Tx) (seq uint64, head [32]byte, err error) {
	raw, err := tx.Get(key(tLast))
	if err != nil || raw == nil {
		return 0, head, err
	}
	if len(raw) != 8+32 {
		return 0, head, fmt.Errorf("signing record: its last head is damaged")
	}
	return binary.BigEndian.Uint64(raw), [32]byte(raw[8:]), nil
}

func nextHead(before [32]byte, entry []byte) [32]byte {
	return sha256.Sum256(append(before[:], entry...))
}

func (e *Entry) canonical() ([]byte, error) {
	raw, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("signing record: %w", err)
	}
	if err := (*jsontext.Value)(&raw).Canonicalize(); err != nil {
		return nil, fmt.Errorf("signing record: %w", err)
	}
	return raw, nil
}

// IsRecipient reports whether a withdrawal to an address was ever signed.
func IsRecipient(tx store.Tx, chain uint64, a common.Address) (bool, error) {
	raw, err := tx.Get(recipientKey(chain, a))
	return raw != nil, err
}

// Entries calls fn with the record's entries and the head after each, oldest
// first, until fn returns [store.Stop]. It stops with an error where the
// chain is broken.
func Entries(tx store.Tx, fn func(e Entry, head string) error) error {
	var (
		head    [32]byte
		seq     uint64
		stopped bool
	)
	err := tx.Scan(store.Range{From: key(tEntry), To: key(tEntry, bytes.Repeat([]byte{0xff}, 9))}, func(_, raw []byte) error {
		var e Entry
		if err := json.Unmarshal(raw, &e); err != nil {
			return fmt.Errorf("signing record: entry %d is damaged: %w", seq+1, err)
		}
		if e.Sequence != seq+1 || e.Before != hex.EncodeToString(head[:]) {
			return fmt.Errorf("signing record: entry %d does not follow entry %d", e.Sequence, seq)
		}
		seq, head = e.Sequence, nextHead(head, raw)
		err := fn(e, hex.EncodeToString(head[:]))
		stopped = errors.Is(err, store.Stop)
		return err
	})
	if err != nil || stopped {
		return err
	}
	last, want, err := lastHead(tx)
	if err == nil && (seq != last || head != want) {
		err = fmt.Errorf("signing record: it ends with entry %d, and entry %d was the last", seq, last)
	}
	return err
}

func key(table string, parts ...[]byte) []byte {
	size := len(table) + 1
	for _, p := range parts {
		size += len(p)
	}
	k := append(make([]byte, 0, size), table...)
	k = append(k, 0)
	for _, p := range parts {
		k = append(k, p...)
	}
	return k
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func entryKey(seq uint64) []byte { return key(tEntry, number(seq)) }

func slotKey(chain uint64, sender common.Address, nonce uint64) []byte {
	k := binary.BigEndian.AppendUint64(tableKey(tSlot, 8+20+8), chain)
	return binary.BigEndian.AppendUint64(append(k, sender[:]...), nonce)
}

// withdrawalKey has no chain: an id is unique for ever in a home, whichever of
// its chains pays. An id ends with a zero byte and has none in it.
func withdrawalKey(id string) []byte {
	return append(append(tableKey(tWithdrawal, len(id)+1), id...), 0)
}

func recipientKey(chain uint64, a common.Address) []byte {
	return append(binary.BigEndian.AppendUint64(tableKey(tRecipient, 8+20), chain), a[:]...)
}

// tableKey begins a key, with room for so many bytes more.
func tableKey(table string, room int) []byte {
	return append(append(make([]byte, 0, len(table)+1+room), table...), 0)
}

func slotValue(chain uint64, it *batch.Item) []byte {
	v := binary.BigEndian.AppendUint64(make([]byte, 0, 8+20+8), chain)
	return binary.BigEndian.AppendUint64(append(v, it.From[:]...), it.Nonce)
}

func readSlot(raw []byte) (chain uint64, sender common.Address, nonce uint64) {
	if len(raw) != 8+20+8 {
		return 0, sender, 0
	}
	return binary.BigEndian.Uint64(raw), common.BytesToAddress(raw[8:28]), binary.BigEndian.Uint64(raw[28:])
}
