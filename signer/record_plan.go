package signer

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// plan is a batch in the record's terms.
type plan struct {
	b      *batch.Batch
	digest string
	items  []planned // in the order of the batch
	// The withdrawals that the items pay, and the hashes of their intents.
	withdrawals []batch.Withdrawal
	intents     [][32]byte
	// The positions of all items by sender and nonce, and of withdrawals by id.
	bySlot, byID []int
	ends         [][]byte // keys; see endsKeys
}

// planned is what the record must know of an item.
type planned struct {
	payload [32]byte // hash
}

// newPlan hashes what can be hashed before the record is open.
func newPlan(b *batch.Batch) (*plan, error) {
	digest, err := b.HexDigest()
	if err != nil {
		return nil, err
	}
	p := &plan{
		b: b, digest: digest, items: make([]planned, len(b.Items)), withdrawals: b.Withdrawals(),
		ends: endsKeys(b), bySlot: make([]int, len(b.Items)),
	}
	buf := make([]byte, 0, 512)
	for i := range b.Items {
		it := &b.Items[i]
		buf = appendIntent(buf[:0], &it.Intent)
		buf = appendPayload(buf[:0], b.ChainID, it, sha256.Sum256(buf))
		p.items[i].payload = sha256.Sum256(buf)
		p.bySlot[i] = i
	}
	p.intents, p.byID = make([][32]byte, len(p.withdrawals)), make([]int, len(p.withdrawals))
	for i := range p.withdrawals {
		buf = appendIntent(buf[:0], &p.withdrawals[i].Intent)
		p.intents[i], p.byID[i] = sha256.Sum256(buf), i
	}
	slices.SortFunc(p.bySlot, func(x, y int) int {
		return cmp.Or(b.Items[x].From.Cmp(b.Items[y].From), cmp.Compare(b.Items[x].Nonce, b.Items[y].Nonce))
	})
	slices.SortFunc(p.byID, func(x, y int) int { return strings.Compare(p.withdrawals[x].Intent.ID, p.withdrawals[y].Intent.ID) })
	return p, nil
}

// A finding is what the record knows of an item.
type finding struct {
	signed bool // this very payload was signed
	// last is the intent that was signed last at the slot; zero if none was.
	last wallet.IntentName
	// replaced says that the intent which the item says to replace was signed
	// at the slot.
	replaced bool
}

// A history is what the record knows of a withdrawal.
type history struct {
	paid bool // it was signed at this slot
	// others are other slots at which the withdrawal was signed.
	others []wallet.Slot
	// changed says that the withdrawal was signed with other content.
	changed bool
}

// memory is what the record knows of a batch.
type memory struct {
	items       []finding // in the order of the batch
	withdrawals []history // in that of plan.withdrawals
	// began is the nonce below which nothing new is signed of a sender: that
	// with which the record begins of it, or a later one that was accepted
	// where the record was behind. It is missing for senders that the record
	// does not know.
	began map[common.Address]uint64
	ends  []bool // whether the rows of plan.ends are there
	mine  bool   // whether the mnemonic signed before
	// foreign is a mnemonic of another vault that the record signed with, or
	// empty.
	foreign string
	behind  bool // the batch tells of a head that the record never had
}

// lookUp finds what the record knows of a batch. vault is whose batches may be
// in the record beside its own.
func (p *plan) lookUp(tx store.Tx, vault []hd.Fingerprint) (m memory, err error) {
	m = memory{items: make([]finding, len(p.items)), withdrawals: make([]history, len(p.withdrawals)), began: map[common.Address]uint64{}, ends: make([]bool, len(p.ends))}
	if m.foreign, m.mine, err = foreigner(tx, p.b, vault); err != nil {
		return m, err
	}
	if m.behind, err = isBehind(tx, p.b.RecordHead); err != nil {
		return m, err
	}
	if err := p.lookUpSlots(tx, &m); err != nil {
		return m, err
	}
	if err := p.lookUpWithdrawals(tx, &m); err != nil {
		return m, err
	}
	spans := make([]span, len(p.ends))
	for n, k := range p.ends {
		spans[n] = span{k, k, true}
	}
	return m, walk(tx, spans, func(n int, _, _ []byte) { m.ends[n] = true })
}

func (p *plan) lookUpSlots(tx store.Tx, m *memory) error {
	b := p.b
	var (
		senders []common.Address
		spans   = make([]span, 0, len(b.Items)+8)
		of      = make([]int, 0, len(b.Items)+8) // the items of the spans, -1 for their senders
	)
	for n, i := range p.bySlot {
		it := &b.Items[i]
		if n == 0 || b.Items[p.bySlot[n-1]].From != it.From {
			senders = append(senders, it.From)
			sender := senderKey(tSlot, b.ChainID, it.From)
			spans, of = append(spans, span{sender, sender, true}), append(of, -1)
		}
		spans, of = append(spans, spanOf(slotKey(b.ChainID, it.From, it.Nonce))), append(of, i)
	}
	err := walk(tx, spans, func(n int, k, v []byte) {
		i := of[n]
		if i < 0 {
			sender := spans[n].prefix
			m.began[common.BytesToAddress(sender[len(sender)-common.AddressLength:])] = slotNonce(k)
			return
		}
		payload, name := readSlotValue(v)
		f := &m.items[i]
		f.signed = f.signed || payload == p.items[i].payload
		f.replaced = f.replaced || name == b.Items[i].Replaces
		f.last = name
	})
	if err != nil {
		return err
	}
	spans = spans[:0]
	for _, sender := range senders {
		spans = append(spans, spanOf(senderKey(tLow, b.ChainID, sender)))
	}
	return walk(tx, spans, func(n int, _, v []byte) {
		if have, ok := m.began[senders[n]]; ok && len(v) == 8 {
			m.began[senders[n]] = max(have, binary.BigEndian.Uint64(v))
		}
	})
}

func (p *plan) lookUpWithdrawals(tx store.Tx, m *memory) error {
	spans := make([]span, len(p.byID))
	for n, i := range p.byID {
		spans[n] = spanOf(withdrawalKey(p.withdrawals[i].Intent.ID))
	}
	return walk(tx, spans, func(n int, _, v []byte) {
		i := p.byID[n]
		intent, slot := readWithdrawalValue(v)
		f := &m.withdrawals[i]
		f.changed = f.changed || intent != p.intents[i]
		if slot == p.slot(p.withdrawals[i].Item) {
			f.paid = true
		} else {
			f.others = append(f.others, slot)
		}
	})
}

func (p *plan) slot(i int) wallet.Slot {
	return wallet.Slot{ChainID: p.b.ChainID, Sender: p.b.Items[i].From, Nonce: p.b.Items[i].Nonce}
}

// verdict is what the record says to a batch.
type verdict struct {
	refusals []Refusal
	risks    []string  // that were accepted, and without which it would be refused
	accepted []Refusal // what it would be refused for without them
	low      map[common.Address]uint64
}

// judge holds a batch against what the record knows of it. It is pure.
func (p *plan) judge(m *memory, accepted Risks) verdict {
	v := verdict{low: map[common.Address]uint64{}}
	unless := func(risk string, r Refusal) {
		if !accepted[risk] {
			v.refusals = append(v.refusals, r)
			return
		}
		if v.accepted = append(v.accepted, r); !slices.Contains(v.risks, risk) {
			v.risks = append(v.risks, risk)
		}
	}
	if m.foreign != "" {
		v.refusals = append(v.refusals, foreignRefusal(p.b, m.foreign))
	}
	if m.behind {
		unless(recordRestored, behindRefusal(p.b))
	}
	begins, next := map[common.Address]bool{}, 0
	for i := range p.b.Items {
		it, f := &p.b.Items[i], &m.items[i]
		slotRefusal := p.judgeSlot(i, f)
		switch low, known := m.began[it.From]; {
		case slotRefusal != nil:
			v.refusals = append(v.refusals, *slotRefusal)
		case f.signed:
		case known && it.Nonce < low:
			v.refusals = append(v.refusals, lowRefusal(i, it, low))
		case known && m.behind:
			if _, set := v.low[it.From]; !set { // nonces rise, so this is the lowest
				v.low[it.From] = it.Nonce
			}
		case !known && !begins[it.From]:
			begins[it.From] = true
			if it.Nonce > 0 {
				unless(recordRestored, unknownSenderRefusal(i, it))
			}
		}
		for ; next < len(p.withdrawals) && p.withdrawals[next].Item == i; next++ {
			switch h := &m.withdrawals[next]; {
			case h.changed && (slotRefusal == nil || len(h.others) > 0):
				v.refusals = append(v.refusals, p.withdrawalRefusal(next, h))
			case len(h.others) > 0 && !h.paid:
				unless(secondNonce, p.withdrawalRefusal(next, h))
			}
		}
	}
	return v
}

// judgeSlot says why an item may not be signed at its nonce: nil if it may. What
// was signed at a nonce may be signed there again, also after something else
// took its place: it is on its way already. Anything else must name what it
// takes the place of, which is what was signed there last. A cancel may also name
// what this station did not sign: the online station does not know whether a
// batch was signed whose file never came back, and a cancel pays nobody.
func (p *plan) judgeSlot(i int, f *finding) *Refusal {
	it := &p.b.Items[i]
	declared := it.Replaces != wallet.IntentName{}
	was := fmt.Sprintf("%s %q", f.last.Kind, f.last.ID)
	refusal := Refusal{
		Rule: RuleSlot, Item: i, Field: fmt.Sprintf("/items/%d/nonce", i), Value: fmt.Sprint(it.Nonce),
		Hint: "a nonce pays one thing for ever; on the online station, airlock scan and airlock resolve find out what became of it",
	}
	if declared {
		refusal.Field, refusal.Value = fmt.Sprintf("/items/%d/replaces", i), fmt.Sprintf("%s %q", it.Replaces.Kind, it.Replaces.ID)
		refusal.Hint = "what takes the place of something names what this station signed there last; the online station has another record, or the batch was made up"
	}
	switch where := fmt.Sprintf("nonce %d of %s on chain %d", it.Nonce, it.From, p.b.ChainID); {
	case f.last == wallet.IntentName{}:
		if !declared || it.Intent.Kind == wallet.IntentCancel {
			return nil
		}
		refusal.Why = "cannot be replaced: nothing was signed for " + where
	case f.signed:
		if !declared || f.replaced || it.Intent.Kind == wallet.IntentCancel {
			return nil
		}
		refusal.Why = "was never signed for " + where
	case it.Intent.Kind == wallet.IntentNoOp:
		refusal.Why = fmt.Sprintf("of %s on chain %d was signed for %s, and a no-op takes an unused nonce", it.From, p.b.ChainID, was)
	case !declared:
		refusal.Why = fmt.Sprintf("of %s on chain %d was signed for another payment, %s", it.From, p.b.ChainID, was)
	case it.Replaces != f.last:
		refusal.Why = fmt.Sprintf("is not what was signed last for %s, which is %s", where, was)
	default:
		return nil
	}
	return &refusal
}

func (p *plan) withdrawalRefusal(i int, f *history) Refusal {
	w := &p.withdrawals[i]
	it := &p.b.Items[w.Item]
	r := Refusal{Rule: RuleWithdrawal, Item: w.Item, Field: w.Field("id"), Value: fmt.Sprintf("%q", w.Intent.ID)}
	var slots []string
	for _, s := range f.others {
		slots = append(slots, fmt.Sprintf("nonce %d of %s on chain %d", s.Nonce, s.Sender, s.ChainID))
	}
	if len(slots) == 0 {
		r.Why, r.Hint = "was signed with another asset, amount or recipient", "an id pays one thing for ever: give the other payment an id of its own"
		return r
	}
	r.Why = fmt.Sprintf("was signed as %s, and this is nonce %d of %s on chain %d: it would be paid twice",
		strings.Join(slots, " and "), it.Nonce, it.From, p.b.ChainID)
	r.Hint = "build the withdrawal again at the nonce that it has; a restored or copied online store does not know it"
	if f.changed {
		r.Why += ", and with another asset, amount or recipient"
	} else {
		r.Hint += "; where the first can never be mined, --accept-risk=" + secondNonce + " signs this one too"
	}
	return r
}

func lowRefusal(i int, it *batch.Item, low uint64) Refusal {
	return Refusal{
		Rule: RuleWatermark, Item: i, Field: fmt.Sprintf("/items/%d/nonce", i), Value: fmt.Sprint(it.Nonce),
		Why:  fmt.Sprintf("of %s is below %d, with which this signing record begins: what was signed before, nobody knows here", it.From, low),
		Hint: "the station whose record reaches back to it can sign it",
	}
}

func unknownSenderRefusal(i int, it *batch.Item) Refusal {
	return Refusal{
		Rule: RuleRecord, Item: i, Field: fmt.Sprintf("/items/%d/nonce", i), Value: fmt.Sprint(it.Nonce),
		Why: fmt.Sprintf("is the first of %s that this signing record would know, and %d were used before", it.From, it.Nonce),
		Hint: "sign the batches in the order of their nonces, or use the station whose record is complete; where the nonces were used elsewhere, or the record is lost, --accept-risk=" +
			recordRestored + " begins with this one and signs none below",
	}
}

func behindRefusal(b *batch.Batch) Refusal {
	return Refusal{
		Rule: RuleRecord, Item: -1, Field: "/record_head", Value: b.RecordHead,
		Why: "is not known here: the record on this station is older than what the online station saw",
		Hint: "use the station whose record is complete, or restore the newest backup of " + RecordFile +
			"; if there is none, --accept-risk=" + recordRestored + " signs without knowing what was signed since",
	}
}

// foreigner finds a mnemonic that the record signed with and that is not among
// those of the vault's file; empty if there is none. mine reports whether the
// record signed with the batch's own.
func foreigner(tx store.Tx, b *batch.Batch, vault []hd.Fingerprint) (fingerprint string, mine bool, err error) {
	ours := map[string]bool{b.Vault: true}
	for _, fp := range vault {
		ours[fp.String()] = true
	}
	prefix := key(tVault)
	err = tx.Scan(prefixed(prefix), func(k, _ []byte) error {
		fp := hex.EncodeToString(k[len(prefix) : len(k)-8])
		mine = mine || fp == b.Vault
		if !ours[fp] {
			fingerprint = fp
		}
		return nil
	})
	return fingerprint, mine, err
}

func foreignRefusal(b *batch.Batch, fingerprint string) Refusal {
	return Refusal{
		Rule: RuleRecord, Item: -1, Field: "/vault", Value: b.Vault,
		Why:  fmt.Sprintf("is not the vault of the signing record on this station, which is of %s", fingerprint),
		Hint: "every vault has a record of its own: put this one's " + RecordFile + " beside it",
	}
}

// rows are what signing adds to the record, in the order of their keys.
func (p *plan) rows(m *memory, low map[common.Address]uint64, at time.Time, entry uint64) []row {
	b, seq := p.b, number(entry)
	rows := make([]row, 0, 4*len(b.Items)+8)
	add := func(key, value []byte) { rows = append(rows, row{append(key, seq...), value}) }
	for n, k := range p.ends {
		if !m.ends[n] {
			add(slices.Clip(k), []byte{})
		}
	}
	for _, sender := range slices.SortedFunc(maps.Keys(low), common.Address.Cmp) {
		add(senderKey(tLow, b.ChainID, sender), number(low[sender]))
	}
	for _, i := range p.bySlot {
		if !m.items[i].signed {
			it := &b.Items[i]
			add(slotKey(b.ChainID, it.From, it.Nonce), slotValue(p.items[i].payload, &it.Intent))
		}
	}
	p.spend(m, at, add)
	if !m.mine {
		vault, _ := hex.DecodeString(b.Vault) // Check found it readable
		add(key(tVault, vault), []byte{})
	}
	for _, i := range p.byID {
		if w := &p.withdrawals[i]; !m.withdrawals[i].paid {
			add(withdrawalKey(w.Intent.ID), withdrawalValue(p.intents[i], p.slot(w.Item)))
		}
	}
	return rows
}

func slotValue(payload [32]byte, in *wallet.Intent) []byte {
	v := append(make([]byte, 0, 32+len(in.Kind)+1+len(in.ID)), payload[:]...)
	v = append(append(v, in.Kind...), 0)
	return append(v, in.ID...)
}

// readSlotValue is tolerant: what is damaged equals nothing that is signed.
func readSlotValue(v []byte) (payload [32]byte, name wallet.IntentName) {
	n := copy(payload[:], v)
	kind, id, _ := bytes.Cut(v[n:], []byte{0})
	return payload, wallet.IntentName{Kind: wallet.IntentKind(kind), ID: string(id)}
}

func withdrawalValue(intent [32]byte, s wallet.Slot) []byte {
	v := append(make([]byte, 0, 32+8+20+8), intent[:]...)
	v = binary.BigEndian.AppendUint64(v, s.ChainID)
	return binary.BigEndian.AppendUint64(append(v, s.Sender[:]...), s.Nonce)
}

func readWithdrawalValue(v []byte) (intent [32]byte, s wallet.Slot) {
	if copy(intent[:], v); len(v) == 32+8+20+8 {
		s = wallet.Slot{ChainID: binary.BigEndian.Uint64(v[32:]), Sender: common.BytesToAddress(v[40:60]), Nonce: binary.BigEndian.Uint64(v[60:])}
	}
	return intent, s
}
