package batch

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/airlock-wallet/airlock/wallet"
)

// canonicalBatch writes the RFC 8785 canonical form of a batch directly. The
// library's way (marshal, parse again, sort members) takes longer than signing
// the batch; a test holds the two against each other.
func canonicalBatch(b *Batch, approvals bool) ([]byte, error) {
	w := &canonWriter{
		buf:       make([]byte, 0, 1024+768*len(b.Items)),
		addresses: make(map[common.Address]string, len(b.Items)+2),
		assets:    map[wallet.AssetID]string{},
		paths:     map[wallet.Path]string{},
	}
	w.batch(b, approvals)
	return w.buf, w.err
}

// canonWriter writes members in the order that RFC 8785 wants, which is that
// of their names.
type canonWriter struct {
	buf []byte
	err error
	// Texts that are costly to make and that a batch repeats.
	addresses map[common.Address]string
	assets    map[wallet.AssetID]string
	paths     map[wallet.Path]string
}

func (w *canonWriter) batch(b *Batch, approvals bool) {
	w.raw(`{`)
	if approvals && len(b.Approvals) > 0 {
		w.raw(`"approvals":[`)
		for i, a := range b.Approvals {
			w.comma(i)
			w.raw(`{"approver":"`, w.address(a.Approver), `","signature":"`)
			w.hex(a.Signature)
			w.raw(`"}`)
		}
		w.raw(`],`)
	}
	w.raw(`"assets":[`)
	for i, a := range b.Assets {
		w.comma(i)
		w.raw(`{"asset":"`, w.asset(a.Asset), `","decimals":"`)
		w.number(uint64(a.Decimals))
		w.raw(`","symbol":`)
		w.text(a.Symbol)
		w.raw(`}`)
	}
	w.raw(`],"chain_id":"`)
	w.number(b.ChainID)
	w.raw(`","created_at":"`)
	w.time(b.CreatedAt)
	w.raw(`","expires_at":"`)
	w.time(b.ExpiresAt)
	w.raw(`","format":`)
	w.text(b.Format)
	w.raw(`,"id":`)
	w.text(b.ID)
	w.raw(`,"items":[`)
	for i := range b.Items {
		w.comma(i)
		w.item(&b.Items[i])
	}
	w.raw(`],"kind":`)
	w.text(b.Kind)
	w.raw(`,"record_head":`)
	w.text(b.RecordHead)
	w.raw(`,"vault":`)
	w.text(b.Vault)
	w.raw(`,"version":"`)
	w.integer(b.Version)
	w.raw(`"}`)
}

func (w *canonWriter) item(it *Item) {
	w.raw(`{`)
	if c := it.Cancel; c != nil {
		w.raw(`"cancel":{"gas":"`)
		w.number(c.Gas)
		w.raw(`","max_fee_per_gas":"`)
		w.amount(c.MaxFeePerGas)
		w.raw(`","max_priority_fee_per_gas":"`)
		w.amount(c.MaxPriorityFeePerGas)
		w.raw(`"},`)
	}
	w.raw(`"data":"`)
	w.hex(it.Data)
	w.raw(`","from":"`, w.address(it.From), `","gas":"`)
	w.number(it.Gas)
	w.raw(`","intent":{"amount":"`)
	w.amount(it.Intent.Amount)
	w.raw(`","asset":"`, w.asset(it.Intent.Asset), `","id":`)
	w.text(it.Intent.ID)
	w.raw(`,"kind":`)
	w.text(string(it.Intent.Kind))
	w.raw(`,"recipient":"`, w.address(it.Intent.Recipient), `"},"nonce":"`)
	w.number(it.Nonce)
	w.raw(`","path":"`, w.path(it.Path), `"`)
	if len(it.Payments) > 0 {
		w.payments(it.Payments)
	}
	w.raw(`,"recipient_path":`)
	w.text(it.RecipientPath)
	if it.Replaces != (wallet.IntentName{}) {
		w.raw(`,"replaces":{"id":`)
		w.text(it.Replaces.ID)
		w.raw(`,"kind":`)
		w.text(string(it.Replaces.Kind))
		w.raw(`}`)
	}
	w.requesters(it.RequestedBy)
	w.raw(`,"requires":"`)
	w.integer(it.Requires)
	w.raw(`","rungs":[`)
	for i, f := range it.Rungs {
		w.comma(i)
		w.raw(`{"max_fee_per_gas":"`)
		w.amount(f.MaxFeePerGas)
		w.raw(`","max_priority_fee_per_gas":"`)
		w.amount(f.MaxPriorityFeePerGas)
		w.raw(`"}`)
	}
	w.raw(`],"to":"`, w.address(it.To), `","value":"`)
	w.amount(it.Value)
	w.raw(`"}`)
}

func (w *canonWriter) payments(list []Payment) {
	w.raw(`,"payments":[`)
	for i, p := range list {
		w.comma(i)
		w.raw(`{"amount":"`)
		w.amount(p.Amount)
		w.raw(`","id":`)
		w.text(p.ID)
		w.raw(`,"recipient":"`, w.address(p.Recipient), `"`)
		w.requesters(p.RequestedBy)
		w.raw(`}`)
	}
	w.raw(`]`)
}

func (w *canonWriter) requesters(list []wallet.Requester) {
	if len(list) == 0 {
		return
	}
	w.raw(`,"requested_by":[`)
	for i, r := range list {
		w.comma(i)
		w.raw(`{"requester":"`, w.address(r.Requester), `","signature":"`)
		w.hex(r.Signature)
		w.raw(`"}`)
	}
	w.raw(`]`)
}

func (w *canonWriter) raw(parts ...string) {
	for _, s := range parts {
		w.buf = append(w.buf, s...)
	}
}

func (w *canonWriter) comma(i int) {
	if i > 0 {
		w.buf = append(w.buf, ',')
	}
}

func (w *canonWriter) number(n uint64) { w.buf = strconv.AppendUint(w.buf, n, 10) }

func (w *canonWriter) integer(n int) { w.buf = strconv.AppendInt(w.buf, int64(n), 10) }

func (w *canonWriter) amount(a wallet.Amount) { w.buf, _ = a.AppendText(w.buf) }

func (w *canonWriter) hex(b []byte) {
	w.buf = append(w.buf, "0x"...)
	w.buf = hex.AppendEncode(w.buf, b)
}

// text writes a string with the fewest escapes (RFC 8785, section 3.2.2.2).
func (w *canonWriter) text(s string) {
	buf, err := jsontext.AppendQuote(w.buf, s)
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("batch: text %q: %w", s, err)
	}
	w.buf = buf
}

func (w *canonWriter) time(t time.Time) {
	if err := wholeSecond(t); err != nil && w.err == nil {
		w.err = fmt.Errorf("batch: %w", err)
	}
	w.buf = t.AppendFormat(w.buf, time.RFC3339)
}

func (w *canonWriter) address(a common.Address) string { return once(w.addresses, a, a.Hex) }
func (w *canonWriter) asset(a wallet.AssetID) string   { return once(w.assets, a, a.String) }
func (w *canonWriter) path(p wallet.Path) string       { return once(w.paths, p, p.String) }

// once writes a value that a batch repeats, and remembers what was written.
func once[K comparable](written map[K]string, k K, write func() string) string {
	s, ok := written[k]
	if !ok {
		s = write()
		written[k] = s
	}
	return s
}
