package signer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

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
	tVault      = "sign.vault" // fingerprint that signed -> empty
	tEntry      = "sign.entry" // sequence -> canonical JSON of an Entry
	tHead       = "sign.head"  // head -> sequence of the entry that it is the head after
	tBatch      = "sign.batch" // digest -> sequence of the entry that signed it
	tLast       = "sign.last"  // -> sequence of the last entry, head after it
)

// row is one thing that the record will know.
type row struct{ key, value []byte }

// rowsOf returns what signing a batch records, in the order of the keys. It
// is pure.
func rowsOf(b *batch.Batch) []row {
	n := len(b.Items)
	vault, _ := hex.DecodeString(b.Vault) // Check found it readable
	// In the order of their names: slots, recipients, vault, withdrawals.
	tables := [4][]row{make([]row, 0, n), make([]row, 0, n), {{key(tVault, vault), []byte{}}}, make([]row, 0, n)}
	buf := make([]byte, 0, 512)
	for i := range b.Items {
		it := &b.Items[i]
		buf = appendPayload(buf[:0], b.ChainID, it)
		hash := sha256.Sum256(buf)
		tables[0] = append(tables[0], row{slotKey(b.ChainID, it.From, it.Nonce), hash[:]})
		if it.Intent.Kind == wallet.IntentWithdrawal {
			tables[1] = append(tables[1], row{recipientKey(b.ChainID, it.Intent.Recipient), []byte{}})
			tables[3] = append(tables[3], row{withdrawalKey(it.Intent.ID), slotValue(b.ChainID, it)})
		}
	}
	for _, rows := range tables {
		slices.SortFunc(rows, func(a, b row) int { return bytes.Compare(a.key, b.key) })
	}
	return slices.CompactFunc(append(endsRows(b), slices.Concat(tables[:]...)...), func(a, b row) bool { return bytes.Equal(a.key, b.key) })
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
	foreign, err := foreigner(tx, b, vault)
	if err != nil {
		return nil, false, nil, err
	}
	if foreign != "" {
		list = append(list, Refusal{
			Rule: RuleRecord, Item: -1, Field: "/vault", Value: b.Vault,
			Why:  fmt.Sprintf("is not the vault of the signing record on this station, which is of %s", foreign),
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

// foreigner finds a mnemonic that the record signed with and that is not among
// those of the vault's file; empty if there is none.
func foreigner(tx store.Tx, b *batch.Batch, vault []hd.Fingerprint) (fingerprint string, err error) {
	ours := map[string]bool{b.Vault: true}
	for _, fp := range vault {
		ours[fp.String()] = true
	}
	prefix := key(tVault)
	err = tx.Scan(prefixed(prefix), func(k, _ []byte) error {
		if fp := hex.EncodeToString(k[len(prefix):]); !ours[fp] {
			fingerprint = fp
			return store.Stop
		}
		return nil
	})
	return fingerprint, err
}

func behindRefusal(b *batch.Batch) Refusal {
	return Refusal{
		Rule: RuleRecord, Item: -1, Field: "/record_head", Value: b.RecordHead,
		Why: "is not known here: the record on this station is older than what the online station saw",
		Hint: "use the station whose record is complete, or restore the newest backup of " + RecordFile +
			"; if there is none, --accept-risk=" + recordRestored + " signs without knowing what was signed since",
	}
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

// IsRecipient reports whether a withdrawal to an address was ever signed.
func IsRecipient(tx store.Tx, chain uint64, a common.Address) (bool, error) {
	raw, err := tx.Get(recipientKey(chain, a))
	return raw != nil, err
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

// prefixed is the range of all keys that begin with prefix, which ends with
// something below 255.
func prefixed(prefix []byte) store.Range {
	end := bytes.Clone(prefix)
	end[len(end)-1]++
	return store.Range{From: prefix, To: end}
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
