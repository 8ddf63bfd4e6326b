package reconcile

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// DefaultPage is how many addresses are compared between two looks at the
// store.
const DefaultPage = 1000

// Chain is what comparing asks of a chain. All of it is about one block, named
// by its hash, so that no answer can be about another.
type Chain interface {
	BalancesAt(ctx context.Context, accounts []common.Address, block common.Hash) ([]*big.Int, error)
	TokenBalances(ctx context.Context, token common.Address, owners []common.Address, block common.Hash) ([]*big.Int, error)
}

// Checker compares one chain of a home.
type Checker struct {
	DB      store.DB
	Chain   Chain
	ChainID uint64
	Page    int // addresses between two looks at the store; 0 is DefaultPage
}

// Options say what is compared, and who hears of it.
type Options struct {
	// Address limits the comparison to one address of ours. The books are then
	// not compared with themselves.
	Address *common.Address
	// Each is called for each row that differs or on which something lies. Rows
	// are not kept, because there may be millions.
	Each func(Row) error
	// Progress, if set, hears how many addresses are done of how many.
	Progress func(done, total uint64)
}

// Row is one asset on one address.
type Row struct {
	Block      uint64
	Address    common.Address
	Role       wallet.Role
	Asset      wallet.Asset
	Ledger     wallet.Amount // what the books say lay there at the block
	Chain      wallet.Amount // what lay there
	Difference wallet.Amount // Chain − Ledger
	Note       string        // what else is wrong, or ""
}

// Differs reports whether the row is not as it must be.
func (r *Row) Differs() bool { return !r.Difference.IsZero() || r.Note != "" }

// Total sums the rows of an asset.
type Total struct {
	Asset         wallet.Asset
	Ledger, Chain wallet.Amount
}

// BookTotal is what all owners have of an asset beside what lies on all
// addresses, both by the ledger as it is now.
type BookTotal struct {
	Asset             wallet.AssetID
	Owners, Locations wallet.Amount
}

// Unread is a token that a node could not be asked about at the block.
type Unread struct {
	Asset  wallet.Asset
	Reason string
}

// Result is what came of a comparison.
type Result struct {
	Block     uint64
	BlockHash common.Hash
	Addresses uint64
	Compared  uint64 // rows, those on which nothing lies included
	Differing uint64 // rows
	// Unopened counts what could not be compared because its opening balance
	// was not read by Block.
	Unopened uint64
	Unread   []Unread
	Totals   []Total     // in the order of assets
	Books    []BookTotal // assets whose books do not agree with themselves
}

// Err is an error of class wallet.ErrDiffer if anything differs.
func (r *Result) Err() error {
	if r.Differing == 0 && len(r.Books) == 0 {
		return nil
	}
	what := fmt.Sprintf("%d of %d balances differ from the chain at block %d", r.Differing, r.Compared, r.Block)
	if len(r.Books) > 0 {
		what += fmt.Sprintf(", and owners' books differ from what lies on addresses for %d assets", len(r.Books))
	}
	return wallet.WithHint(wallet.As(wallet.ErrDiffer, "%s", what),
		"airlock scan --from N reads old blocks again; docs/operations.md says how to follow a difference")
}

// Run compares. It fails only where it could not compare; whether anything
// differs is in the result.
func (c *Checker) Run(ctx context.Context, o Options) (Result, error) {
	run := comparison{Checker: c, o: o}
	if err := c.DB.View(ctx, run.begin); err != nil {
		return run.res, err
	}
	if o.Address != nil {
		return run.res, run.one(ctx, *o.Address)
	}
	for _, role := range wallet.AddressRoles() {
		for from, more := uint64(0), true; more; {
			var page page
			err := c.DB.View(ctx, func(tx store.Tx) (err error) {
				page, err = run.read(tx, role, uint32(from))
				return err
			})
			if err != nil {
				return run.res, err
			}
			if err := run.compare(ctx, page); err != nil {
				return run.res, err
			}
			from, more = page.next, page.more
		}
	}
	return run.res, c.DB.View(ctx, run.checkBooks)
}

// comparison is one Run.
type comparison struct {
	*Checker
	o      Options
	res    Result
	assets []wallet.Asset // the coin and the registered tokens
	total  uint64         // addresses, about
}

func (c *comparison) begin(tx store.Tx) error {
	chain, err := store.Chain(tx, c.ChainID)
	if err != nil {
		return err
	}
	cursor, ok, err := store.ReadCursor(tx, c.ChainID)
	if err != nil {
		return err
	}
	if !ok || cursor.FinalHash == (common.Hash{}) {
		return wallet.WithHint(fmt.Errorf("chain %d: no block is known to be final yet, so there is none to compare at", c.ChainID),
			"airlock scan reads the chain; a young chain may need some more blocks")
	}
	c.res.Block, c.res.BlockHash = cursor.Final, cursor.FinalHash
	tokens, err := store.Tokens(tx, c.ChainID)
	if err != nil {
		return err
	}
	c.assets = append([]wallet.Asset{chain.Coin}, tokens...)
	for _, a := range c.assets {
		c.res.Totals = append(c.res.Totals, Total{Asset: a})
	}
	for _, role := range wallet.AddressRoles() {
		n, err := store.CountAddresses(tx, role)
		if err != nil {
			return err
		}
		c.total += n
	}
	return nil
}

// page is what one look at the store gave: for each address and asset the
// ledger's balance at the block, or nothing if it cannot be compared.
type page struct {
	addresses []wallet.Address
	ledger    [][]*wallet.Amount // by address and asset; nil where it is unopened
	next      uint64             // index
	more      bool
}

func (c *comparison) read(tx store.Tx, role wallet.Role, from uint32) (p page, err error) {
	size := c.Page
	if size <= 0 {
		size = DefaultPage
	}
	if err := store.EachAddress(tx, role, from, func(a wallet.Address) error {
		if len(p.addresses) == size {
			p.more, p.next = true, uint64(a.Path.Index)
			return store.Stop
		}
		p.addresses = append(p.addresses, a)
		return nil
	}); err != nil || len(p.addresses) == 0 {
		return p, err
	}
	return p, c.readLedger(tx, &p)
}

// readLedger fills in the ledger's balances of a page's addresses.
func (c *comparison) readLedger(tx store.Tx, p *page) error {
	adj, err := adjust(tx, c.ChainID, c.res.Block)
	if err != nil {
		return err
	}
	for _, a := range p.addresses {
		row := make([]*wallet.Amount, len(c.assets))
		for i, asset := range c.assets {
			if row[i], err = ledgerAt(tx, adj, a.Address, asset.ID); err != nil {
				return err
			}
		}
		p.ledger = append(p.ledger, row)
	}
	return nil
}

func (c *comparison) one(ctx context.Context, address common.Address) error {
	var p page
	if err := c.DB.View(ctx, func(tx store.Tx) error {
		a, ok, err := store.OurAddress(tx, address)
		if err != nil {
			return err
		}
		if !ok {
			return wallet.WithHint(wallet.As(wallet.ErrUsage, "address %s is not of this home", address), "airlock address list shows which are")
		}
		p.addresses = []wallet.Address{a}
		return c.readLedger(tx, &p)
	}); err != nil {
		return err
	}
	c.total = 1
	return c.compare(ctx, p)
}

// compare asks the chain about a page and hands out its rows, address by
// address.
func (c *comparison) compare(ctx context.Context, p page) error {
	if len(p.addresses) == 0 {
		return nil
	}
	accounts := make([]common.Address, len(p.addresses))
	for i, a := range p.addresses {
		accounts[i] = a.Address
	}
	onChain := make([][]*big.Int, len(c.assets)) // by asset and address; nil if it could not be read
	notes := make([]string, len(c.assets))
	for i, asset := range c.assets {
		var err error
		if asset.ID.IsCoin() {
			onChain[i], err = c.Chain.BalancesAt(ctx, accounts, c.res.BlockHash)
		} else {
			onChain[i], err = c.Chain.TokenBalances(ctx, asset.ID.Contract, accounts, c.res.BlockHash)
		}
		if err == nil {
			continue
		}
		if asset.ID.IsCoin() || c.notAnswered(ctx, err) {
			return wallet.WithHint(fmt.Errorf("balances at block %d: %w", c.res.Block, err),
				"nodes keep the balances of a limited number of past blocks: airlock scan moves the comparison to a newer one")
		}
		onChain[i], notes[i] = nil, "the token could not be asked: "+err.Error()
		c.unread(asset, err.Error())
	}
	for i, a := range p.addresses {
		for j, asset := range c.assets {
			row := Row{Block: c.res.Block, Address: a.Address, Role: a.Role, Asset: asset, Note: notes[j]}
			if err := c.row(row, p.ledger[i][j], onChain[j], i); err != nil {
				return err
			}
		}
	}
	c.res.Addresses += uint64(len(p.addresses))
	if c.o.Progress != nil {
		c.o.Progress(c.res.Addresses, max(c.total, c.res.Addresses))
	}
	return nil
}

// notAnswered tells a chain that cannot be asked now from a token that answers
// with nonsense.
func (c *comparison) notAnswered(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, wallet.ErrUnreachable)
}

func (c *comparison) unread(asset wallet.Asset, reason string) {
	if !slices.ContainsFunc(c.res.Unread, func(u Unread) bool { return u.Asset.ID == asset.ID }) {
		c.res.Unread = append(c.res.Unread, Unread{asset, reason})
	}
}

func (c *comparison) row(r Row, ledger *wallet.Amount, onChain []*big.Int, i int) error {
	if ledger == nil {
		c.res.Unopened++
		return nil
	}
	r.Ledger = *ledger
	switch {
	case onChain != nil:
		r.Chain = wallet.AmountOf(onChain[i])
		r.Difference = r.Chain.Sub(r.Ledger)
	case r.Ledger.IsZero():
		return nil // a token that did not exist at the block has nothing to compare
	default:
		r.Difference = r.Ledger.Neg()
	}
	c.res.Compared++
	for t := range c.res.Totals {
		if total := &c.res.Totals[t]; total.Asset.ID == r.Asset.ID {
			total.Ledger, total.Chain = total.Ledger.Add(r.Ledger), total.Chain.Add(r.Chain)
		}
	}
	if r.Differs() {
		c.res.Differing++
	} else if r.Ledger.IsZero() {
		return nil
	}
	if c.o.Each == nil {
		return nil
	}
	return c.o.Each(r)
}

// checkBooks compares the books with themselves. Every entry sums to zero, so
// what owners have and what lies on addresses part only by a bug or by damage.
func (c *comparison) checkBooks(tx store.Tx) error {
	owners, locations := map[wallet.AssetID]wallet.Amount{}, map[wallet.AssetID]wallet.Amount{}
	if err := store.Balances(tx, "", func(b store.OwnerBalance) error {
		if b.Asset.ChainID == c.ChainID {
			owners[b.Asset] = owners[b.Asset].Add(b.Balance[wallet.Available]).Add(b.Balance[wallet.Pending]).Add(b.Balance[wallet.Dust])
		}
		return nil
	}); err != nil {
		return err
	}
	var strangers []store.Location
	if err := store.Locations(tx, c.ChainID, func(l store.Location) error {
		locations[l.Asset] = locations[l.Asset].Add(l.Amount)
		ours, err := store.IsOurs(tx, l.Address)
		if err == nil && !ours {
			strangers = append(strangers, l)
		}
		return err
	}); err != nil {
		return err
	}
	for _, l := range strangers {
		asset, err := store.Asset(tx, l.Asset)
		if err != nil {
			asset = wallet.Asset{ID: l.Asset}
		}
		r := Row{
			Block: c.res.Block, Address: l.Address, Role: wallet.ExternalRole, Asset: asset, Ledger: l.Amount,
			Difference: l.Amount.Neg(), Note: "the ledger has it on an address that is not of this home",
		}
		c.res.Compared++
		c.res.Differing++
		if c.o.Each != nil {
			if err := c.o.Each(r); err != nil {
				return err
			}
		}
	}
	for asset := range locations {
		owners[asset] = owners[asset].Add(wallet.Amount{}) // also what no owner has
	}
	for asset, have := range owners {
		if lies := locations[asset]; have.Cmp(lies) != 0 {
			c.res.Books = append(c.res.Books, BookTotal{asset, have, lies})
		}
	}
	slices.SortFunc(c.res.Books, func(a, b BookTotal) int { return a.Asset.Contract.Cmp(b.Asset.Contract) })
	return nil
}
