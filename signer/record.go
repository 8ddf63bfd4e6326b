package signer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// The signing record: everything that a vault ever signed, and all else that
// happened on the station. Its keys lie in tables of their own in the station's
// store. Numbers and times (seconds since 1970) are 8 bytes big-endian, text
// ends with a zero byte, addresses and hashes are raw. The names are stored and
// never change.
//
// The first tables are the chain of entries. All others hold rows, which are
// only ever added: the key of a row ends with the sequence of the entry that
// added it and whose hash commits to it, so that a row which was changed, added
// or taken out is found. Of several rows about one thing, the last counts.
const (
	tEntry = "sign.entry" // sequence -> canonical JSON of an Entry
	tHead  = "sign.head"  // head -> sequence of the entry that it is the head after
	tBatch = "sign.batch" // digest -> sequence of the entry that signed it
	tLast  = "sign.last"  // -> sequence of the last entry, head after it

	tLow        = "sign.low"   // chain, sender, sequence -> nonce below which nothing new is signed
	tPolicy     = "sign.pol"   // sequence -> hash of the policy that came into use
	tAllowed    = "sign.seen"  // chain, recipient in the policy, sequence -> since when, or empty: no more
	tSlot       = "sign.slot"  // chain, sender, nonce, sequence -> payload hash, kind and id of the intent
	tSpent      = "sign.spent" // chain, contract, time, sequence -> amount of new withdrawals
	tRecipient  = "sign.to"    // chain, recipient, contract, time, sequence -> amount of new withdrawals
	tVault      = "sign.vault" // fingerprint, sequence -> empty: the first signature of a mnemonic
	tWithdrawal = "sign.wd"    // withdrawal id, sequence -> intent hash, chain, sender, nonce
)

// rowTables are those of rows.
var rowTables = []string{tEnds, tLow, tPolicy, tAllowed, tSlot, tSpent, tRecipient, tVault, tWithdrawal}

// row is one thing that the record knows.
type row struct{ key, value []byte }

// hashRows is what an entry commits to its rows with; see Entry.Rows.
func hashRows(rows []row) string {
	if len(rows) == 0 {
		return ""
	}
	h := sha256.New()
	for _, r := range rows {
		hashRow(h, r.key, r.value)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func hashRow(h interface{ Write([]byte) (int, error) }, key, value []byte) {
	var size [8]byte
	for _, part := range [2][]byte{key, value} {
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:]) //nolint:errcheck // a hash takes all
		h.Write(part)    //nolint:errcheck // a hash takes all
	}
}

// appendIntent writes what makes two intents the same, all of it. Texts are
// preceded by their length, so that no two are written alike.
func appendIntent(w []byte, in *wallet.Intent) []byte {
	w = appendText(w, string(in.Kind))
	w = appendText(w, in.ID)
	w = binary.BigEndian.AppendUint64(w, in.Asset.ChainID)
	w = append(w, in.Asset.Contract[:]...)
	w = append(w, in.Recipient[:]...)
	return appendText(w, string(in.Amount.Big().Bytes())) // Check found it to be between 0 and 2^256−1
}

// appendPayload writes what makes two transactions of a slot the same: all of
// it but the fees and the gas limit, and the whole intent, by its hash.
func appendPayload(w []byte, chain uint64, it *batch.Item, intent [32]byte) []byte {
	w = binary.BigEndian.AppendUint64(w, chain)
	w = append(w, it.From[:]...)
	w = binary.BigEndian.AppendUint64(w, it.Nonce)
	w = append(w, it.To[:]...)
	w = appendText(w, string(it.Value.Big().Bytes()))
	w = appendText(w, string(it.Data))
	for _, p := range it.Payments { // to whom and how much, the data says
		w = appendText(w, p.ID)
	}
	return append(w, intent[:]...)
}

func appendText(w []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint64(w, uint64(len(s))), s...)
}

// span is a stretch of the record: the keys from one on that begin with prefix.
type span struct {
	from, prefix []byte
	// first wants only the first of them; spans after it may lie within it.
	first bool
}

func spanOf(prefix []byte) span { return span{from: prefix, prefix: prefix} }

// walk calls fn for every row in the spans, which are in the order of the keys.
// What a batch asks for lies close together, and so does what the record has of
// it: walking along both takes a fraction of the time of looking up each. Where
// the record has much in between, the walk jumps, so that what it costs depends
// on what it finds and not on how long the record is.
func walk(tx store.Tx, spans []span, fn func(i int, key, value []byte)) error {
	const jump = 4 // rows walked past before the next span is looked up
	for next := 0; next < len(spans); {
		past, jumps := 0, false
		err := tx.Scan(store.Range{From: spans[next].from}, func(k, v []byte) error {
			past++
			for next < len(spans) && bytes.Compare(k, spans[next].from) >= 0 {
				if bytes.HasPrefix(k, spans[next].prefix) {
					past = 0
					if fn(next, k, v); !spans[next].first {
						return nil // the next row may be in it, too
					}
				}
				next++
			}
			if jumps = past == jump; jumps || next == len(spans) {
				return store.Stop
			}
			return nil
		})
		if err != nil || !jumps {
			return err // also where the record ends
		}
	}
	return nil
}

// lastRow finds the last row of a prefix.
func lastRow(tx store.Tx, prefix []byte) (r row, ok bool, err error) {
	all := prefixed(prefix)
	all.Reverse = true
	err = tx.Scan(all, func(k, v []byte) error {
		r, ok = row{bytes.Clone(k), bytes.Clone(v)}, true
		return store.Stop
	})
	return r, ok, err
}

// prefixed is the range of all keys that begin with prefix.
func prefixed(prefix []byte) store.Range {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return store.Range{From: prefix, To: end[:i+1]}
		}
	}
	return store.Range{From: prefix}
}

// IsRecipient reports whether a withdrawal to an address was ever signed.
func IsRecipient(tx store.Tx, chain uint64, a common.Address) (known bool, err error) {
	err = tx.Scan(prefixed(recipientKey(chain, a)), func(_, _ []byte) error {
		known = true
		return store.Stop
	})
	return known, err
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

// The keys of rows without the sequence, for which they leave room.

func senderKey(table string, chain uint64, sender common.Address) []byte {
	return append(binary.BigEndian.AppendUint64(tableKey(table, 8+20+8), chain), sender[:]...)
}

func slotKey(chain uint64, sender common.Address, nonce uint64) []byte {
	return binary.BigEndian.AppendUint64(append(binary.BigEndian.AppendUint64(tableKey(tSlot, 8+20+8), chain), sender[:]...), nonce)
}

// slotNonce is the nonce in the key of a row of tSlot.
func slotNonce(k []byte) uint64 { return binary.BigEndian.Uint64(k[len(k)-16:]) }

// withdrawalKey has no chain: an id is unique for ever in a home, whichever of
// its chains pays. An id has no zero byte in it.
func withdrawalKey(id string) []byte {
	return append(append(tableKey(tWithdrawal, len(id)+1), id...), 0)
}

func recipientKey(chain uint64, a common.Address) []byte {
	return append(binary.BigEndian.AppendUint64(tableKey(tRecipient, 8+20+20+8), chain), a[:]...)
}

func spentKey(asset wallet.AssetID) []byte {
	return append(binary.BigEndian.AppendUint64(tableKey(tSpent, 8+20+8), asset.ChainID), asset.Contract[:]...)
}

// tableKey begins a key, with room for so many bytes and a sequence.
func tableKey(table string, room int) []byte {
	return append(append(make([]byte, 0, len(table)+1+room+8), table...), 0)
}
