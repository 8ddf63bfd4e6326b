package payout

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet/chain"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
)

// verdict is what the endpoints say of a slot, taken together. It decides
// nothing about funds: it only takes choices away.
type verdict struct {
	heard   int      // endpoints that answered
	used    []string // that count the nonce as used
	pooled  []string // that have one of its transactions in their pool
	mined   []string // that have one in a block
	backs   []string // that have what scanning found in the very block
	lagging []string // that have that block's height and do not hold the nonce final
	clashes []string // what cannot all be true
}

// judge compares what endpoints say of a slot with each other and with what
// scanning found. hashes are those that the testimonies are about. An endpoint
// that is behind says nothing about later blocks.
func judge(d *outgoing.Dossier, hashes []common.Hash, words []chain.Testimony) (v verdict) {
	for i := range words {
		t := &words[i]
		if t.Err != nil {
			continue
		}
		v.heard++
		v.alone(d, hashes, t)
		for j := range words[:i] {
			if words[j].Err == nil {
				v.compare(d, hashes, &words[j], t)
			}
		}
	}
	return v
}

func (v *verdict) clash(format string, args ...any) {
	v.clashes = append(v.clashes, fmt.Sprintf(format, args...))
}

// alone looks at one endpoint, and at what scanning found beside it.
func (v *verdict) alone(d *outgoing.Dossier, hashes []common.Hash, t *chain.Testimony) {
	used := t.Latest > d.Slot.Nonce
	if used {
		v.used = append(v.used, t.Host)
	}
	found := d.Found()
	at := -1 // the transaction that the endpoint has in a block
	for i, s := range t.Transactions {
		switch s.Where {
		case chain.Pooled:
			if !slices.Contains(v.pooled, t.Host) {
				v.pooled = append(v.pooled, t.Host)
			}
		case chain.Mined:
			if at >= 0 {
				v.clash("%s has both %s and %s in blocks, at one nonce", t.Host, hashes[at], hashes[i])
			}
			if at = i; !used {
				v.clash("%s has %s in a block, and does not count nonce %d as used", t.Host, hashes[i], d.Slot.Nonce)
			}
		case chain.WhereUnknown, chain.Nowhere:
		}
	}
	if at >= 0 {
		v.mined = append(v.mined, t.Host)
	}
	if found == nil {
		return
	}
	reached := t.Head >= found.BlockNumber
	if reached && !used {
		v.clash("scan found nonce %d used in block %d, and %s, at block %d, does not count it", d.Slot.Nonce, found.BlockNumber, t.Host, t.Head)
	}
	if at >= 0 && hashes[at] != found.TxHash {
		v.clash("scan found %s at the nonce, and %s has %s in a block", found.TxHash, t.Host, hashes[at])
	}
	for i, s := range t.Transactions {
		if hashes[i] != found.TxHash {
			continue
		}
		switch {
		case s.Where == chain.Mined && s.Block != found.BlockHash:
			v.clash("scan found %s in block %d (%s), and %s has it in block %d (%s)", found.TxHash, found.BlockNumber, found.BlockHash, t.Host, s.Number, s.Block)
		case s.Where == chain.Mined && s.Success != nil && *s.Success != found.Success:
			v.clash("scan found that %s %s, and %s says that it %s", found.TxHash, fate(found.Success), t.Host, fate(*s.Success))
		case s.Where == chain.Mined && s.Err == nil:
			v.backs = append(v.backs, t.Host)
		case reached && (s.Where == chain.Nowhere || s.Where == chain.Pooled):
			v.clash("scan found %s in block %d, and %s, at block %d, does not have it there", found.TxHash, found.BlockNumber, t.Host, t.Head)
		}
	}
	if reached && used && t.Finalized != nil && *t.Finalized <= d.Slot.Nonce {
		v.lagging = append(v.lagging, t.Host)
	}
}

// compare looks at what two endpoints say.
func (v *verdict) compare(d *outgoing.Dossier, hashes []common.Hash, a, b *chain.Testimony) {
	usedA, usedB := a.Latest > d.Slot.Nonce, b.Latest > d.Slot.Nonce
	if usedA != usedB {
		yes, no := a, b
		if usedB {
			yes, no = b, a
		}
		if no.Head >= yes.Head {
			v.clash("%s, at block %d, counts nonce %d as used, and %s, at block %d, does not", yes.Host, yes.Head, d.Slot.Nonce, no.Host, no.Head)
		}
	}
	atA, atB := inBlock(a), inBlock(b)
	if atA >= 0 && atB >= 0 && atA != atB {
		v.clash("%s has %s in a block, and %s has %s, at one nonce", a.Host, hashes[atA], b.Host, hashes[atB])
	}
	for i := range min(len(a.Transactions), len(b.Transactions)) {
		x, y, other := &a.Transactions[i], &b.Transactions[i], b
		if y.Where == chain.Mined && x.Where != chain.Mined {
			x, y, other = y, x, a
		}
		switch {
		case x.Where != chain.Mined:
		case y.Where == chain.Mined && x.Block != y.Block:
			v.clash("%s has %s in block %d (%s), and %s in block %d (%s)", a.Host, hashes[i], x.Number, x.Block, b.Host, y.Number, y.Block)
		case y.Where == chain.Mined && x.Success != nil && y.Success != nil && *x.Success != *y.Success:
			v.clash("%s says that %s %s, and %s that it %s", a.Host, hashes[i], fate(*x.Success), b.Host, fate(*y.Success))
		case (y.Where == chain.Nowhere || y.Where == chain.Pooled) && other.Head >= x.Number:
			v.clash("%s has %s in block %d, and %s, at block %d, does not", x.Host, hashes[i], x.Number, other.Host, other.Head)
		}
	}
}

// inBlock is which of the transactions an endpoint has in a block, or -1.
func inBlock(t *chain.Testimony) int {
	return slices.IndexFunc(t.Transactions, func(s chain.Sighting) bool { return s.Where == chain.Mined })
}

func fate(success bool) string {
	if success {
		return "succeeded"
	}
	return "reverted"
}
