package chain

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/wallet"
)

// Rollups have transaction types of their own. Where the node does not give
// their bytes, or their receipts are hashed in a way that is not known here, no
// endpoint can prove what a block holds. Options.Unproven takes it then as the
// endpoints say it.

// bytesMissing says that a transaction cannot be hashed.
func (b *Block) bytesMissing(i int, t *txJSON) error {
	err := b.bad("transaction %d of type %#x, which is not known here: %s", i, t.typ, t.missing)
	err.content, err.unknown, err.missing = true, true, true
	return err
}

// contentOnly returns the error if it is about nothing but what a block holds.
func contentOnly(err error) *UnprovenError {
	var u *UnprovenError
	if errors.As(err, &u) && u.content {
		return u
	}
	return nil
}

// hearsay is what endpoints said of one block that none of them proved.
type hearsay struct {
	client   *Client
	heard    []statement
	conflict error // two endpoints that contradict each other
}

// statement is a block as one endpoint says it is.
type statement struct {
	ep    *endpoint
	block *Block
}

// hear takes what an endpoint says of a block. It returns the block if another
// endpoint said the same, or if there is no other to ask: where there are fewer
// voices than wallet.Quorum.
func (h *hearsay) hear(ep *endpoint, raw rawBlock, why *UnprovenError, check func(*Block) error) (*Block, error) {
	b, err := h.client.believe(raw, why)
	if err == nil {
		err = check(b)
	}
	if err != nil || len(h.client.voices()) < wallet.Quorum {
		return b, err
	}
	var against []string
	for _, s := range h.heard {
		switch {
		case h.client.voice(s.ep) == h.client.voice(ep) || s.block.Hash != b.Hash:
		case sameContent(s.block, b):
			b.learn(s.block)
			return b, nil
		default:
			against = append(against, s.ep.host)
		}
	}
	h.heard = slices.DeleteFunc(h.heard, func(s statement) bool { return s.ep == ep })
	h.heard = append(h.heard, statement{ep, b})
	if len(against) > 0 {
		u := *why
		u.Host, u.missing = ep.host, false
		u.Reason += fmt.Sprintf("; and %s says otherwise of what it holds", against[0])
		h.conflict = &u
		return nil, &u
	}
	return nil, &EndpointError{
		Reason: fmt.Sprintf("block %d (%s) is not proven: %s; no other endpoint was there to say the same", why.Number, why.Hash, why.Reason),
		kind:   elsewhere, class: wallet.ErrUnreachable,
	}
}

// explain says what to do about a block that was not taken.
func (h *hearsay) explain(err error) error {
	var u *UnprovenError
	switch {
	case h.conflict != nil:
		return wallet.WithHint(h.conflict, "compare the block with other nodes, and remove the endpoint that is wrong from config.toml")
	case !h.client.o.Unproven && errors.As(err, &u) && u.unknown:
		return wallet.WithHint(err, "use an endpoint that knows %s, or set unproven = true for this chain in config.toml: what blocks hold is then the endpoints' word alone, and deposits say so", rawMethod)
	}
	return err
}

// voice is the place of an endpoint's voice among all.
func (c *Client) voice(ep *endpoint) int {
	return slices.IndexFunc(c.voices(), func(v []*endpoint) bool { return slices.Contains(v, ep) })
}

// believe makes a block of what a node says. What it says of a transaction must
// hash to what it says is the hash, else the type is taken for one that is not
// known here.
func (c *Client) believe(raw rawBlock, why *UnprovenError) (*Block, error) {
	b := &Block{Header: raw.block.Header, Hash: raw.block.Hash, Withdrawals: raw.block.Withdrawals, Unproven: why.Reason}
	if want, have := len(raw.block.Transactions), len(raw.receipts); want != have {
		return nil, b.bad("%d receipts for %d transactions", have, want)
	}
	for i := range raw.receipts {
		t, r := &raw.block.Transactions[i], &raw.receipts[i]
		if r.BlockHash != b.Hash || r.TxHash != t.hash {
			return nil, b.bad("receipt %d is that of transaction %s in block %s", i, r.TxHash, r.BlockHash)
		}
		if t.tx != nil && t.tx.Hash() != t.hash {
			t.tx = nil
		}
		if t.raw != nil && crypto.Keccak256Hash(t.raw) != t.hash {
			t.raw = nil
		}
	}
	if err := b.derive(raw, c.signer); err != nil {
		return nil, err
	}
	return b, nil
}

// sameContent compares what two endpoints say that a block holds. The hash of a
// transaction stands for its content.
func sameContent(a, b *Block) bool {
	return slices.EqualFunc(a.Txs, b.Txs, func(x, y Tx) bool {
		return x.Hash == y.Hash && x.Success == y.Success && x.GasUsed == y.GasUsed &&
			slices.EqualFunc(x.Logs, y.Logs, func(l, m Log) bool {
				return l.Address == m.Address && slices.Equal(l.Topics, m.Topics) && bytes.Equal(l.Data, m.Data)
			})
	}) && slices.EqualFunc(a.Withdrawals, b.Withdrawals, func(x, y *types.Withdrawal) bool { return *x == *y })
}

// learn takes the content of transactions, of which b has nothing but the hash,
// from another block with the same ones.
func (b *Block) learn(other *Block) {
	for i := range b.Txs {
		if t := &b.Txs[i]; t.Tx == nil && t.Raw == nil {
			*t = other.Txs[i]
		}
	}
}
