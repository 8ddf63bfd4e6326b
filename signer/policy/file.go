package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// The file, as TOML has it. Pointers tell what is not there.
type file struct {
	Version        int64           `toml:"version"`
	Open           bool            `toml:"open"`
	MaxAge         *string         `toml:"max_age"`
	MaxItems       *int            `toml:"max_items"`
	Allow          *[]string       `toml:"allow"`
	Roles          *[]string       `toml:"roles"`
	Blocked        []string        `toml:"blocked"`
	Approvals      *int            `toml:"approvals"`
	RequestsSigned bool            `toml:"requests_signed"`
	Approvers      []personTable   `toml:"approver"`
	Requesters     []personTable   `toml:"requester"`
	Chains         []chainTable    `toml:"chain"`
	Contracts      []contractTable `toml:"contract"`
	Assets         []assetTable    `toml:"asset"`
}

type personTable struct {
	Name    string `toml:"name"`
	Address string `toml:"address"`
}

type chainTable struct {
	ID                   uint64    `toml:"id"`
	MaxFeePerGas         *string   `toml:"max_fee_per_gas_gwei"`
	MaxFeePerTransaction *string   `toml:"max_fee_per_transaction"`
	MaxFeePerBatch       *string   `toml:"max_fee_per_batch"`
	Treasury             *string   `toml:"treasury"`
	Float                *string   `toml:"float"`
	AnyRecipient         bool      `toml:"any_recipient"`
	Recipients           *[]string `toml:"recipients"`
	RecipientsDelay      *string   `toml:"recipients_delay"`
	CoinPayments         bool      `toml:"coin_payments"`
}

type contractTable struct {
	Chain   uint64   `toml:"chain"`
	Address string   `toml:"address"`
	Methods []string `toml:"methods"`
}

type assetTable struct {
	Asset             string      `toml:"asset"`
	Symbol            string      `toml:"symbol"`
	Decimals          *int64      `toml:"decimals"`
	MaxPerTransaction *string     `toml:"max_per_transaction"`
	MaxPerBatch       *string     `toml:"max_per_batch"`
	MaxPerRecipient   *string     `toml:"max_per_recipient"`
	MaxPerDay         *string     `toml:"max_per_day"`
	MaxPerWeek        *string     `toml:"max_per_week"`
	Approvals         []tierTable `toml:"approvals"`
}

type tierTable struct {
	Above string `toml:"above"`
	Need  int    `toml:"need"`
}

// read takes the file over, in an order in which each part finds what it
// refers to.
func (p *Policy) read(f file) error {
	if err := p.readGeneral(f); err != nil {
		return err
	}
	if err := p.readPeople(f); err != nil {
		return err
	}
	for i, t := range f.Chains {
		if err := p.readChain(t); err != nil {
			return fmt.Errorf("[[chain]] number %d (id = %d): %w", i+1, t.ID, err)
		}
	}
	for i, t := range f.Contracts {
		if err := p.readContract(t); err != nil {
			return fmt.Errorf("[[contract]] number %d (address = %.100q): %w", i+1, t.Address, err)
		}
	}
	for i, t := range f.Assets {
		if err := p.readAsset(t); err != nil {
			return fmt.Errorf("[[asset]] number %d (asset = %.100q): %w", i+1, t.Asset, err)
		}
	}
	return nil
}

func (p *Policy) missing(key, what string) error {
	if p.Open {
		return nil
	}
	return fmt.Errorf("%s is missing: %s, or say open = true to limit nothing that is not written", key, what)
}

func (p *Policy) readGeneral(f file) (err error) {
	if p.MaxAge, err = p.duration("max_age", f.MaxAge, `say how old a batch may be, such as "48h"`); err != nil {
		return err
	}
	if f.MaxAge != nil && p.MaxAge == 0 {
		return fmt.Errorf("max_age = %q: no batch is that young", *f.MaxAge)
	}
	switch {
	case f.MaxItems == nil:
		err = p.missing("max_items", "say how many transactions a batch may have")
	case *f.MaxItems <= 0:
		err = fmt.Errorf("max_items = %d: want a number above zero", *f.MaxItems)
	default:
		p.MaxItems = *f.MaxItems
	}
	if err != nil {
		return err
	}
	p.Allow, err = list(p, "allow", f.Allow, "list what may be signed of "+strings.Join(kindNames(), ", "), parseKind)
	if err != nil {
		return err
	}
	if p.Roles, err = list(p, "roles", f.Roles, "list whose addresses may send, of "+strings.Join(roleNames(), ", "), parseRole); err != nil {
		return err
	}
	p.Blocked, err = set("blocked", f.Blocked, address)
	return err
}

// kinds are what allow may list.
var kinds = []wallet.IntentKind{
	wallet.IntentWithdrawal, wallet.IntentSweep, wallet.IntentTopUp, wallet.IntentRebalance,
	wallet.IntentCancel, wallet.IntentNoOp, Replacement,
	wallet.IntentPayments, wallet.IntentAllowance, wallet.IntentDeploy,
}

func kindNames() (names []string) {
	for _, k := range kinds {
		names = append(names, string(k))
	}
	return names
}

func parseKind(s string) (wallet.IntentKind, error) {
	if !slices.Contains(kinds, wallet.IntentKind(s)) {
		return "", fmt.Errorf("%.40q: want some of %s", s, strings.Join(kindNames(), ", "))
	}
	return wallet.IntentKind(s), nil
}

func roleNames() (names []string) {
	for _, r := range wallet.Roles() {
		names = append(names, r.String())
	}
	return names
}

func parseRole(s string) (wallet.Role, error) {
	role, err := wallet.ParseRole(s)
	if err != nil || !slices.Contains(wallet.Roles(), role) {
		return 0, fmt.Errorf("%.40q: want some of %s", s, strings.Join(roleNames(), ", "))
	}
	return role, nil
}

func (p *Policy) readPeople(f file) (err error) {
	if p.Approvers, err = people("approver", f.Approvers); err != nil {
		return err
	}
	if p.Requesters, err = people("requester", f.Requesters); err != nil {
		return err
	}
	p.RequestsSigned = f.RequestsSigned
	if p.RequestsSigned && len(p.Requesters) == 0 {
		return errors.New("requests_signed = true, and there is no [[requester]]: no withdrawal could be signed")
	}
	if f.Approvals == nil {
		return p.missing("approvals", "say how many approvers must sign any batch, 0 for none")
	}
	p.Approvals = *f.Approvals
	return p.enough("approvals", p.Approvals)
}

// enough refuses a number of approvals that nobody could give.
func (p *Policy) enough(key string, n int) error {
	switch {
	case n < 0:
		return fmt.Errorf("%s = %d: want a number from zero on", key, n)
	case n > len(p.Approvers):
		return fmt.Errorf("%s = %d, and the number of [[approver]] is %d: no such batch could be signed", key, n, len(p.Approvers))
	case n > batch.MaxApprovals:
		return fmt.Errorf("%s = %d: a batch carries at most %d", key, n, batch.MaxApprovals)
	}
	return nil
}

// people reads approvers or requesters. Nobody stands twice, so that nobody
// counts twice.
func people(key string, tables []personTable) ([]Person, error) {
	var out []Person
	for i, t := range tables {
		a, err := address(t.Address)
		if err == nil {
			err = wallet.CheckID("name", t.Name)
		}
		for _, other := range out {
			switch {
			case other.Address == a:
				err = fmt.Errorf("address %s is %q's too", a, other.Name)
			case strings.EqualFold(other.Name, t.Name):
				err = fmt.Errorf("name %q stands twice", t.Name)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("[[%s]] number %d: %w", key, i+1, err)
		}
		out = append(out, Person{t.Name, a})
	}
	return out, nil
}

func (p *Policy) readChain(t chainTable) error {
	if _, twice := p.Chains[t.ID]; twice {
		return errors.New("the chain stands twice")
	}
	if t.ID == 0 {
		return errors.New("id is missing: want the chain's EIP-155 id")
	}
	c := Chain{ID: t.ID, CoinPayments: t.CoinPayments}
	if err := p.readFees(&c, t); err != nil {
		return err
	}
	if t.Treasury != nil {
		var err error
		if c.Treasury, err = address(*t.Treasury); err != nil {
			return fmt.Errorf("treasury: %w", err)
		}
	}
	if t.Float != nil {
		var err error
		if c.Float, err = address(*t.Float); err != nil {
			return fmt.Errorf("float: %w", err)
		}
		if c.Float == c.Treasury {
			return fmt.Errorf("float = %q: is the treasury too, and what is kept apart cannot be one address", *t.Float)
		}
	}
	if err := p.readRecipients(&c, t); err != nil {
		return err
	}
	p.Chains[c.ID] = c
	p.chains = append(p.chains, c.ID)
	return nil
}

func (p *Policy) readFees(c *Chain, t chainTable) (err error) {
	if c.MaxFeePerGas, err = p.amount("max_fee_per_gas_gwei", t.MaxFeePerGas, gweiDecimals, "say what gas may cost"); err != nil {
		return err
	}
	if c.MaxFeePerTransaction, err = p.amount("max_fee_per_transaction", t.MaxFeePerTransaction, coinDecimals, "say what the gas of a transaction may cost"); err != nil {
		return err
	}
	if c.MaxFeePerBatch, err = p.amount("max_fee_per_batch", t.MaxFeePerBatch, coinDecimals, "say what the gas of a batch may cost"); err != nil {
		return err
	}
	// A limit that another one never lets anybody reach is mistyped, or in
	// another unit than its writer thought.
	var least *wallet.Amount
	if c.MaxFeePerGas != nil {
		n := c.MaxFeePerGas.Mul(batch.MinGas)
		least = &n
	}
	return rising(coinDecimals,
		limit{fmt.Sprintf("max_fee_per_gas_gwei × %d gas", batch.MinGas), least},
		limit{"max_fee_per_transaction", c.MaxFeePerTransaction},
		limit{"max_fee_per_batch", c.MaxFeePerBatch})
}

func (p *Policy) readRecipients(c *Chain, t chainTable) (err error) {
	switch {
	case t.AnyRecipient && t.Recipients != nil:
		return errors.New("any_recipient = true, and there is a list of recipients: want one of them")
	case t.AnyRecipient, t.Recipients == nil && p.Open:
		if t.RecipientsDelay != nil {
			return errors.New("recipients_delay: there is no list of recipients that could wait")
		}
		return nil
	case t.Recipients == nil:
		return p.missing("recipients", "list whom withdrawals may pay, or say any_recipient = true")
	}
	if c.Recipients, err = set("recipients", *t.Recipients, address); err != nil {
		return err
	}
	c.RecipientsDelay, err = p.duration("recipients_delay", t.RecipientsDelay, `say how long a new recipient waits, such as "48h", or "0s"`)
	return err
}

func (p *Policy) readContract(t contractTable) error {
	c, ok := p.Chains[t.Chain]
	if !ok {
		return fmt.Errorf("there is no [[chain]] with id = %d", t.Chain)
	}
	a, err := address(t.Address)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(c.Contracts, func(other Contract) bool { return other.Address == a }) {
		return errors.New("the contract stands twice on its chain")
	}
	methods, err := set("methods", t.Methods, parseMethod)
	if err != nil {
		return err
	}
	if len(methods) == 0 {
		return fmt.Errorf("methods is missing: want [%q]", TransferMethod)
	}
	c.Contracts = append(c.Contracts, Contract{a, t.Methods})
	p.Chains[t.Chain] = c
	return nil
}

// parseMethod takes what airlock decodes, since nothing else is ever signed.
func parseMethod(s string) (string, error) {
	if s != TransferMethod {
		return "", fmt.Errorf("%.100q: nothing but %s can be called", s, TransferMethod)
	}
	return s, nil
}

func (p *Policy) readAsset(t assetTable) error {
	id, err := wallet.ParseAssetID(t.Asset)
	if err != nil {
		return err
	}
	if _, twice := p.Assets[id]; twice {
		return errors.New("the asset stands twice")
	}
	if _, ok := p.Chains[id.ChainID]; !ok {
		return fmt.Errorf("there is no [[chain]] with id = %d", id.ChainID)
	}
	if t.Symbol == "" || t.Decimals == nil {
		return errors.New("symbol and decimals are needed, to compare with what a batch says of the asset")
	}
	for _, other := range p.assets {
		if other.ChainID == id.ChainID && !p.Open && strings.EqualFold(p.Assets[other].Symbol, t.Symbol) {
			return fmt.Errorf("symbol = %q: %s has it on this chain; a reviewer could not tell one from the other", t.Symbol, other)
		}
	}
	if *t.Decimals < 0 || *t.Decimals > wallet.MaxDecimals {
		return fmt.Errorf("decimals = %d: want 0 to %d", *t.Decimals, wallet.MaxDecimals)
	}
	if id.IsCoin() && *t.Decimals != coinDecimals {
		return fmt.Errorf("decimals = %d: a chain's coin has %d", *t.Decimals, coinDecimals)
	}
	a := Asset{ID: id, Symbol: t.Symbol, Decimals: uint8(*t.Decimals)}
	if err := p.readLimits(&a, t); err != nil {
		return err
	}
	if err := p.readTiers(&a, t.Approvals); err != nil {
		return err
	}
	p.Assets[id] = a
	p.assets = append(p.assets, id)
	return nil
}

func (p *Policy) readLimits(a *Asset, t assetTable) (err error) {
	for _, l := range []struct {
		to   **wallet.Amount
		key  string
		text *string
		what string
	}{
		{&a.MaxPerTransaction, "max_per_transaction", t.MaxPerTransaction, "say how much one withdrawal may pay"},
		{&a.MaxPerBatch, "max_per_batch", t.MaxPerBatch, "say how much the withdrawals of a batch may pay"},
		{&a.MaxPerRecipient, "max_per_recipient", t.MaxPerRecipient, "say how much one recipient may be paid within 24 hours"},
		{&a.MaxPerDay, "max_per_day", t.MaxPerDay, "say how much withdrawals may pay within 24 hours"},
		{&a.MaxPerWeek, "max_per_week", t.MaxPerWeek, "say how much withdrawals may pay within seven days"},
	} {
		if *l.to, err = p.amount(l.key, l.text, a.Decimals, l.what); err != nil {
			return err
		}
	}
	transaction := limit{"max_per_transaction", a.MaxPerTransaction}
	daily, weekly := limit{"max_per_day", a.MaxPerDay}, limit{"max_per_week", a.MaxPerWeek}
	if err := rising(a.Decimals, transaction, limit{"max_per_batch", a.MaxPerBatch}, daily, weekly); err != nil {
		return err
	}
	return rising(a.Decimals, transaction, limit{"max_per_recipient", a.MaxPerRecipient}, daily, weekly)
}

// readTiers wants each tier to ask for more than the one before, and for an
// amount that can be reached: one that cannot is mistyped, and would leave the
// batch to fewer people than its writer thought.
func (p *Policy) readTiers(a *Asset, tables []tierTable) error {
	need := p.Approvals
	for i, t := range tables {
		above, err := wallet.ParseDecimal(t.Above, a.Decimals)
		switch {
		case err != nil:
		case i > 0 && above.Cmp(a.Tiers[i-1].Above) <= 0:
			err = fmt.Errorf("above = %q: want more than in the one before", t.Above)
		case t.Need <= need:
			err = fmt.Errorf("need = %d: want more than the %d of a smaller amount", t.Need, need)
		case a.MaxPerDay != nil && above.Cmp(*a.MaxPerDay) >= 0:
			err = fmt.Errorf("above = %q: max_per_day is %s, so that is never reached", t.Above, a.MaxPerDay.Decimal(a.Decimals))
		default:
			err = p.enough("need", t.Need)
		}
		if err != nil {
			return fmt.Errorf("approvals, number %d: %w", i+1, err)
		}
		need = t.Need
		a.Tiers = append(a.Tiers, Tier{above, t.Need})
	}
	return nil
}

// limit is one of several that belong together; nil is none.
type limit struct {
	key string
	max *wallet.Amount
}

// rising refuses limits of which a narrower one is above a wider one.
func rising(decimals uint8, limits ...limit) error {
	var last *limit
	for _, l := range limits {
		if l.max == nil {
			continue
		}
		if last != nil && last.max.Cmp(*l.max) > 0 {
			return fmt.Errorf("%s = %s is more than %s = %s lets anybody use: correct the one that is mistyped",
				last.key, last.max.Decimal(decimals), l.key, l.max.Decimal(decimals))
		}
		last = &l
	}
	return nil
}

// amount reads a limit in whole units. It never rounds.
func (p *Policy) amount(key string, text *string, decimals uint8, what string) (*wallet.Amount, error) {
	if text == nil {
		return nil, p.missing(key, what)
	}
	a, err := wallet.ParseDecimal(*text, decimals)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return &a, nil
}

func (p *Policy) duration(key string, text *string, what string) (time.Duration, error) {
	if text == nil {
		return 0, p.missing(key, what)
	}
	d, err := time.ParseDuration(*text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%s = %.40q: want a time such as \"48h\"", key, *text)
	}
	return d, nil
}

// list reads a list that only an open policy may lack.
func list[T comparable](p *Policy, key string, texts *[]string, what string, parse func(string) (T, error)) (map[T]bool, error) {
	if texts == nil {
		return nil, p.missing(key, what)
	}
	return set(key, *texts, parse)
}

// set reads a list in which nothing stands twice.
func set[T comparable](key string, texts []string, parse func(string) (T, error)) (map[T]bool, error) {
	out := make(map[T]bool, len(texts))
	for i, s := range texts {
		v, err := parse(s)
		if err == nil && out[v] {
			err = fmt.Errorf("%s stands twice", s)
		}
		if err != nil {
			return nil, fmt.Errorf("%s, number %d: %w", key, i+1, err)
		}
		out[v] = true
	}
	return out, nil
}

func address(s string) (common.Address, error) {
	a, err := wallet.ParseAddress(s)
	if err == nil && a == (common.Address{}) {
		err = errors.New("the zero address")
	}
	return a, err
}
