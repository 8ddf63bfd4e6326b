package reconcile

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// settled is how far below the head of an endpoint its blocks are compared with
// those of another: nearer to the head honest ones may differ for a moment.
const settled = 8

// EndpointChain is what an examination asks of one endpoint.
type EndpointChain interface {
	HeaderByNumber(ctx context.Context, number *big.Int) (*types.Header, error)
	SafeHeader(ctx context.Context) (*types.Header, error)
	FinalizedHeader(ctx context.Context) (*types.Header, error)
	Close()
}

// An Endpoint is one to be examined. Dial connects to it alone and refuses one
// of another chain, by id or by genesis.
type Endpoint struct {
	Host string
	Dial func(ctx context.Context) (EndpointChain, error)
}

// EndpointReport is what one endpoint says.
type EndpointReport struct {
	Host      string       `json:"host"`
	Reachable bool         `json:"reachable"`
	Error     string       `json:"error,omitzero"` // why it says no more
	Head      uint64       `json:"head"`
	HeadTime  time.Time    `json:"head_time,omitzero"`
	Safe      *uint64      `json:"safe"`      // null where it knows no such block
	Finalized *uint64      `json:"finalized"` // null where it knows no such block
	Compared  uint64       `json:"compared_block"`
	Hash      *common.Hash `json:"hash"` // of the block that is compared

	safeTime, finalTime uint64       // of the blocks at the tags
	reference           *common.Hash // what the endpoint with the highest head has there
	final               *common.Hash // at the last block that scan knows to be final
	foreign             bool
}

// Examination is how the endpoints of a chain are, beside what the home knows.
type Examination struct {
	ChainID   uint64           `json:"chain_id"`
	Genesis   common.Hash      `json:"genesis_hash"`
	Reference string           `json:"reference"` // host with the highest head; empty if none answers
	Endpoints []EndpointReport `json:"endpoints"`
	Findings  []Finding        `json:"findings"`
}

// Finding is something that an operator should look at. A severe one keeps
// commands from working, or should.
type Finding struct {
	Severe bool `json:"severe"`
	Warning
}

// The codes of findings.
const (
	FindOneEndpoint = "one-endpoint"
	FindSilent      = "endpoint-unreachable"
	FindForeign     = "endpoint-of-another-chain"
	FindBehind      = "endpoint-behind"
	FindNoTag       = "tag-missing"
	FindDiffer      = "endpoints-differ"
	FindFinal       = "final-block-differs"
	FindNoAddress   = "address-missing"
	FindStalled     = string(wallet.AlarmStalled)
)

// Reachable reports whether any endpoint answers.
func (x *Examination) Reachable() bool { return x.Reference != "" }

// Examine asks every endpoint of a chain of its own, compares what they say with
// each other and with what the home knows, and looks whether the home has the
// addresses that every chain needs. Endpoints that do not answer are findings,
// not errors, and so are the alarms of scanning. limit is how far the block at a
// tag that the chain's settings use may lie below the head; below 0 any.
func Examine(ctx context.Context, db store.DB, c wallet.Chain, endpoints []Endpoint, limit time.Duration, now time.Time) (Examination, error) {
	x := Examination{ChainID: c.ID, Genesis: c.GenesisHash, Endpoints: make([]EndpointReport, len(endpoints)), Findings: []Finding{}}
	var cursor store.Cursor
	if err := db.View(ctx, func(tx store.Tx) (err error) {
		if cursor, _, err = store.ReadCursor(tx, c.ID); err != nil {
			return err
		}
		alarms, err := store.Alarms(tx, c.ID)
		if err != nil {
			return err
		}
		for _, a := range alarms {
			x.find(true, string(a.Code), a.Hint, "scan raised an alarm at %s: %s", a.Since.UTC().Format(time.RFC3339), a.Text)
		}
		for _, role := range []wallet.Role{wallet.PayoutRole, wallet.GasRole, wallet.TreasuryRole} {
			if _, ok, err := store.AddressAt(tx, role, 0); err != nil {
				return err
			} else if !ok {
				x.find(true, FindNoAddress, "airlock watch import makes it", "this home has no %s address", role)
			}
		}
		return nil
	}); err != nil {
		return x, err
	}
	nodes := make([]EndpointChain, len(endpoints))
	var wg sync.WaitGroup
	for i, ep := range endpoints {
		wg.Go(func() { nodes[i] = x.Endpoints[i].ask(ctx, ep, cursor) })
	}
	wg.Wait()
	x.compare(ctx, nodes)
	for _, node := range nodes {
		if node != nil {
			node.Close()
		}
	}
	if ctx.Err() != nil {
		return x, ctx.Err()
	}
	x.judge(c, cursor, limit, now)
	return x, nil
}

// ask fills in what an endpoint says alone. It returns nil if that is nothing.
func (r *EndpointReport) ask(ctx context.Context, ep Endpoint, cursor store.Cursor) EndpointChain {
	r.Host = ep.Host
	node, err := ep.Dial(ctx)
	if err != nil {
		r.Error, r.foreign = err.Error(), errors.Is(err, wallet.ErrRefused)
		return nil
	}
	head, err := node.HeaderByNumber(ctx, nil)
	if err != nil {
		r.Error = err.Error()
		node.Close()
		return nil
	}
	r.Reachable, r.Head = true, head.Number.Uint64()
	r.HeadTime = time.Unix(int64(head.Time), 0).UTC()
	r.Compared = r.Head - min(settled, r.Head)
	if h, err := node.SafeHeader(ctx); err == nil {
		r.Safe, r.safeTime = number(h), h.Time
	}
	if h, err := node.FinalizedHeader(ctx); err == nil {
		r.Finalized, r.finalTime = number(h), h.Time
	}
	r.Hash = r.hash(ctx, node, r.Compared)
	if cursor.FinalHash != (common.Hash{}) && cursor.Final <= r.Head {
		r.final = r.hash(ctx, node, cursor.Final)
	}
	return node
}

func number(h *types.Header) *uint64 {
	n := h.Number.Uint64()
	return &n
}

// hash is the hash that a node has at a height, or nil, which it notes.
func (r *EndpointReport) hash(ctx context.Context, node EndpointChain, height uint64) *common.Hash {
	h, err := node.HeaderByNumber(ctx, new(big.Int).SetUint64(height))
	if err != nil {
		r.Error = err.Error()
		return nil
	}
	hash := h.Hash()
	return &hash
}

// compare asks the endpoint with the highest head what it has where each of the
// others was asked.
func (x *Examination) compare(ctx context.Context, nodes []EndpointChain) {
	best := -1
	for i, r := range x.Endpoints {
		if r.Reachable && (best < 0 || r.Head > x.Endpoints[best].Head) {
			best = i
		}
	}
	if best < 0 {
		return
	}
	reference := &x.Endpoints[best]
	x.Reference = reference.Host
	for i := range x.Endpoints {
		if r := &x.Endpoints[i]; r.Reachable && i != best {
			r.reference = reference.hash(ctx, nodes[best], r.Compared)
		}
	}
}

func (x *Examination) find(severe bool, code, hint, text string, args ...any) {
	x.Findings = append(x.Findings, Finding{severe, Warning{code, fmt.Sprintf(text, args...), hint}})
}

// judge draws the findings. It does no I/O.
func (x *Examination) judge(c wallet.Chain, cursor store.Cursor, limit time.Duration, now time.Time) {
	if len(x.Endpoints) == 1 {
		x.find(false, FindOneEndpoint, "add one that other people run, to config.toml or the file that it names",
			"%s is the only endpoint: it alone says which chain is the right one", x.Endpoints[0].Host)
	}
	for _, r := range x.Endpoints {
		switch {
		case r.foreign:
			x.find(true, FindForeign, "correct or remove its URL in config.toml or the file that it names", "%s", r.Error)
			continue
		case r.Error != "":
			x.find(false, FindSilent, "check its URL and that this machine reaches it", "%s", r.Error)
		}
		if !r.Reachable {
			continue
		}
		if age := now.Sub(r.HeadTime); age > laggard {
			x.find(false, FindBehind, "it may still be reading the chain, or the chain stands still",
				"the newest block of %s is %d, %s old", r.Host, r.Head, age.Round(time.Second))
		}
		if c.Finality.Tag == "safe" && r.Safe == nil || c.Finality.Tag == "finalized" && r.Finalized == nil {
			x.find(false, FindNoTag, "where no endpoint has one, nothing is credited",
				"%s knows no %s block, and deposits are credited at that", r.Host, c.Finality.Tag)
		}
		x.judgeTags(c, &r, limit)
		if r.Hash != nil && r.reference != nil && *r.Hash != *r.reference {
			x.find(true, FindDiffer, "airlock halt stops building and sending; find out, from a block explorer or a third endpoint, which of them is right, and remove the other",
				"at block %d %s says %s, and %s says %s", r.Compared, r.Host, r.Hash, x.Reference, r.reference)
		}
		if r.final != nil && *r.final != cursor.FinalHash {
			x.find(true, FindFinal, "airlock halt stops building and sending; a final block does not change, so somebody is wrong: the endpoint now, or one that scan asked before",
				"at block %d %s says %s, and scan took %s for final", cursor.Final, r.Host, r.final, cursor.FinalHash)
		}
	}
}

// judgeTags finds tags that stand too far below an endpoint's head.
func (x *Examination) judgeTags(c wallet.Chain, r *EndpointReport, limit time.Duration) {
	for _, tag := range []struct {
		name   string
		number *uint64
		time   uint64
		used   bool
	}{
		{"safe", r.Safe, r.safeTime, c.Finality.Tag == "safe"},
		{"finalized", r.Finalized, r.finalTime, true},
	} {
		if !tag.used || tag.number == nil || *tag.number == 0 || limit < 0 {
			continue
		}
		if age := wallet.BlocksApart(tag.time, uint64(max(r.HeadTime.Unix(), 0))); age > limit { //nolint:gosec // not negative
			x.find(true, FindStalled, "find out whether the chain's finality stopped or this node lost its consensus client; finality_alarm in config.toml sets the limit",
				"the %s block of %s is %d, %s before its head", tag.name, r.Host, *tag.number, age)
		}
	}
}
