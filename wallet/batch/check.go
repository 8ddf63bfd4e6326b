package batch

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
)

// coinDecimals is how ether and every EVM chain's coin is divided.
const coinDecimals = 18

// Check refuses a batch that breaks a rule of the format, or one of whose
// transactions does something other than its intent. The error is a [*Error]
// of class [wallet.ErrRefused] that names the item, the field and the value.
//
// What needs a clock, a vault or a policy is not looked at.
func (b *Batch) Check() error {
	if err := b.checkHead(); err != nil {
		return err
	}
	assets, err := b.checkAssets()
	if err != nil {
		return err
	}
	var (
		nonces  = map[common.Address]uint64{} // last of each sender
		paths   = map[wallet.Path]common.Address{}
		intents = make(map[wallet.IntentName]int, len(b.Items))
		used    = map[wallet.AssetID]bool{wallet.Coin(b.ChainID): true}
		many    int // payments of all items
	)
	for i := range b.Items {
		it := &b.Items[i]
		if err := b.checkItem(i, assets); err != nil {
			return err
		}
		if last, seen := nonces[it.From]; seen && it.Nonce <= last {
			return itemFault(i, "nonce", it.Nonce, "nonces of a sender must rise, and one of %s before it is %d", it.From, last)
		}
		nonces[it.From] = it.Nonce
		if other, seen := paths[it.Path]; seen && other != it.From {
			return itemFault(i, "path", it.Path, "stands for %s here and for %s before", it.From, other)
		}
		paths[it.Path] = it.From
		if first, seen := intents[it.Intent.Name()]; seen {
			return itemFault(i, "intent/id", it.Intent.ID, "is the id of item %d too", first)
		}
		intents[it.Intent.Name()] = i
		for n, p := range it.Payments {
			if first, seen := intents[p.name()]; seen {
				return itemFault(i, paymentField(n, "id"), p.ID, "is the id of a withdrawal in item %d too", first)
			}
			intents[p.name()] = i
		}
		if many += len(it.Payments); many > MaxPayments {
			return itemFault(i, "payments", len(it.Payments), "is with the items before more than the %d payments that a batch has at most", MaxPayments)
		}
		used[it.Intent.Asset] = true
	}
	for i, a := range b.Assets {
		if !used[a.Asset] {
			return fault(fmt.Sprintf("assets/%d/asset", i), a.Asset, "no item moves this asset")
		}
	}
	return b.checkApprovals()
}

func (b *Batch) checkHead() error {
	switch {
	case b.Format != Format:
		return fault("format", b.Format, "want %s", Format)
	case b.Version != Version:
		return fault("version", b.Version, "want %d", Version)
	case !isHex(b.ID, 16):
		return fault("id", b.ID, "want 32 lower-case hex digits")
	case routes[b.Kind] == nil:
		return fault("kind", b.Kind, "want %s, %s or %s", Withdrawals, Sweep, Rebalance)
	case b.ChainID == 0:
		return fault("chain_id", b.ChainID, "no chain has this id")
	case !isHex(b.Vault, 32):
		return fault("vault", b.Vault, "want a fingerprint of 64 lower-case hex digits")
	case b.RecordHead != "" && !isHex(b.RecordHead, 32):
		return fault("record_head", b.RecordHead, "want 64 lower-case hex digits, or nothing")
	case len(b.Items) == 0:
		return fault("items", nil, "a batch has at least one item")
	case len(b.Items) > MaxItems:
		return fault("items", nil, "%d items, and a batch has at most %d", len(b.Items), MaxItems)
	}
	if err := checkTime("created_at", b.CreatedAt); err != nil {
		return err
	}
	if err := checkTime("expires_at", b.ExpiresAt); err != nil {
		return err
	}
	if !b.ExpiresAt.After(b.CreatedAt) {
		return fault("expires_at", b.ExpiresAt.Format(time.RFC3339), "is not after created_at")
	}
	return nil
}

func checkTime(field string, t time.Time) error {
	if t.Location() != time.UTC || t.Nanosecond() != 0 || t.Year() < 2000 || t.Year() > 9999 {
		return fault(field, t.Format(time.RFC3339Nano), "want a time in UTC and whole seconds")
	}
	return nil
}

func (b *Batch) checkAssets() (map[wallet.AssetID]Asset, error) {
	if len(b.Assets) > len(b.Items)+1 {
		return nil, fault("assets", nil, "%d assets for %d items", len(b.Assets), len(b.Items))
	}
	assets := make(map[wallet.AssetID]Asset, len(b.Assets))
	for i, a := range b.Assets {
		field := func(name string) string { return fmt.Sprintf("assets/%d/%s", i, name) }
		_, twice := assets[a.Asset]
		switch {
		case a.Asset.ChainID != b.ChainID:
			return nil, fault(field("asset"), a.Asset, "is not of chain %d", b.ChainID)
		case twice:
			return nil, fault(field("asset"), a.Asset, "stands twice")
		case !isSymbol(a.Symbol):
			return nil, fault(field("symbol"), a.Symbol, "want 1 to %d printable characters without a space at either end", maxSymbol)
		case a.Decimals > wallet.MaxDecimals:
			return nil, fault(field("decimals"), a.Decimals, "want at most %d", wallet.MaxDecimals)
		case a.Asset.IsCoin() && a.Decimals != coinDecimals:
			return nil, fault(field("decimals"), a.Decimals, "a chain's coin has %d", coinDecimals)
		}
		assets[a.Asset] = a
	}
	return assets, nil
}

func (b *Batch) checkItem(i int, assets map[wallet.AssetID]Asset) error {
	it := &b.Items[i]
	in := &it.Intent
	if err := b.checkKind(i); err != nil {
		return err
	}
	if err := wallet.CheckID("id", in.ID); err != nil {
		return itemFault(i, "intent/id", in.ID, "%v", err)
	}
	switch {
	case it.From == common.Address{}:
		return itemFault(i, "from", it.From, "the zero address sends nothing")
	case it.Nonce > MaxNonce:
		return itemFault(i, "nonce", it.Nonce, "is above the highest nonce there is")
	case it.Gas < MinGas || it.Gas > MaxGas:
		return itemFault(i, "gas", it.Gas, "want a gas limit of %d to %d", MinGas, MaxGas)
	}
	if err := b.checkIntent(i, assets); err != nil {
		return err
	}
	if err := checkReplaces(i, it); err != nil {
		return err
	}
	if err := checkRequesters(i, it); err != nil {
		return err
	}
	if err := b.checkPayments(i, assets); err != nil {
		return err
	}
	if err := checkRungs(i, it.Rungs); err != nil {
		return err
	}
	if err := checkCancel(i, it); err != nil {
		return err
	}
	return checkPayload(i, it)
}

// A route is a way that an intent may take: who sends, and whom a path to the
// recipient must lead to. Where to is external, the recipient has no path.
type route struct {
	from, to wallet.Role
	pinned   bool // the policy may pin the recipient instead
}

// routes are those of the kinds that a batch is made of.
var routes = map[string]map[wallet.IntentKind][]route{
	Withdrawals: {
		wallet.IntentWithdrawal: {{wallet.PayoutRole, wallet.ExternalRole, true}},
		wallet.IntentPayments:   {{wallet.PayoutRole, wallet.ExternalRole, true}},
		wallet.IntentAllowance:  {{wallet.PayoutRole, wallet.ExternalRole, true}},
		wallet.IntentDeploy:     {{wallet.PayoutRole, wallet.ExternalRole, true}, {wallet.GasRole, wallet.ExternalRole, true}},
	},
	Sweep: {
		wallet.IntentSweep: {{wallet.DepositRole, wallet.TreasuryRole, true}},
		wallet.IntentTopUp: {{wallet.GasRole, wallet.DepositRole, false}},
	},
	Rebalance: {wallet.IntentRebalance: {
		{wallet.TreasuryRole, wallet.PayoutRole, true}, // pinned: the float, which is another vault's
		{wallet.TreasuryRole, wallet.GasRole, false},
		{wallet.PayoutRole, wallet.TreasuryRole, true},
		{wallet.GasRole, wallet.TreasuryRole, true},
	}},
}

// checkKind holds the item's keys and order against what its intent is for.
func (b *Batch) checkKind(i int) error {
	it := &b.Items[i]
	kind := it.Intent.Kind
	if r := it.Requires; r != -1 {
		switch {
		case r < 0 || r >= i:
			return itemFault(i, "requires", r, "want the position of an item before this one, or -1")
		case !mayWait(it, &b.Items[r]):
			return itemFault(i, "requires", r, "only a sweep waits, for the top-up of its sender, and payments, for the allowance of their token")
		}
	}
	if it.Path.Imported {
		return itemFault(i, "path", it.Path, "imported keys send nothing")
	}
	if emptiesNonce(kind) {
		if it.RecipientPath != "" {
			return itemFault(i, "recipient_path", it.RecipientPath, "a %s goes to its sender", kind)
		}
		return nil
	}
	ways := routes[b.Kind][kind]
	if len(ways) == 0 {
		return itemFault(i, "intent/kind", string(kind), "has no place in a batch of kind %s", b.Kind)
	}
	senders, to := "", wallet.ExternalRole // which no path leads to
	if it.RecipientPath != "" {
		p, err := wallet.ParsePath(it.RecipientPath)
		if err != nil || p.Imported {
			return itemFault(i, "recipient_path", it.RecipientPath, "is no path that a %s may go to", kind)
		}
		to = p.Role
	}
	for _, way := range ways {
		if way.from == it.Path.Role && (to == way.to || to == wallet.ExternalRole && way.pinned) {
			return nil
		}
		senders += " or " + way.from.String()
	}
	if !slices.ContainsFunc(ways, func(w route) bool { return w.from == it.Path.Role }) {
		return itemFault(i, "path", it.Path, "a %s is sent from a %s address", kind, senders[len(" or "):])
	}
	return itemFault(i, "recipient_path", it.RecipientPath, "is no path that a %s from a %s address may go to", kind, it.Path.Role)
}

// emptiesNonce reports whether an intent only takes a nonce.
func emptiesNonce(kind wallet.IntentKind) bool {
	return kind == wallet.IntentCancel || kind == wallet.IntentNoOp
}

// checkIntent holds amount, asset and recipient against what the intent is for.
func (b *Batch) checkIntent(i int, assets map[wallet.AssetID]Asset) error {
	it := &b.Items[i]
	in := &it.Intent
	if _, ok := assets[in.Asset]; !ok {
		return itemFault(i, "intent/asset", in.Asset, "is not among the batch's assets")
	}
	if !in.Asset.IsCoin() && (in.Kind == wallet.IntentTopUp || emptiesNonce(in.Kind)) {
		return itemFault(i, "intent/asset", in.Asset, "a %s is in the chain's coin", in.Kind)
	}
	if usesContract(in.Kind) {
		return checkContractIntent(i, in)
	}
	if emptiesNonce(in.Kind) {
		switch {
		case !in.Amount.IsZero():
			return itemFault(i, "intent/amount", in.Amount, "a %s sends 0", in.Kind)
		case in.Recipient != it.From:
			return itemFault(i, "intent/recipient", in.Recipient, "a %s goes to its sender %s", in.Kind, it.From)
		}
		return nil
	}
	switch {
	case in.Amount.Sign() <= 0 || in.Amount.Big().BitLen() > 256:
		return itemFault(i, "intent/amount", in.Amount, "want an amount above zero of at most 256 bits")
	case in.Recipient == common.Address{}:
		return itemFault(i, "intent/recipient", in.Recipient, "what the zero address gets is lost")
	case in.Recipient == it.From:
		return itemFault(i, "intent/recipient", in.Recipient, "is the sender")
	}
	if _, token := assets[wallet.Token(b.ChainID, in.Recipient)]; token {
		return itemFault(i, "intent/recipient", in.Recipient, "is a token contract, and what it gets is lost")
	}
	return nil
}

// checkReplaces looks at what an item says was signed at its nonce before.
func checkReplaces(i int, it *Item) error {
	old := it.Replaces
	if old == (wallet.IntentName{}) {
		if it.Intent.Kind == wallet.IntentCancel {
			return itemFault(i, "replaces", nil, "a cancel says what it cancels; a nonce at which nothing was signed takes a no-op")
		}
		return nil
	}
	if err := wallet.CheckID("id", old.ID); err != nil {
		return itemFault(i, "replaces/id", old.ID, "%v", err)
	}
	known := emptiesNonce(old.Kind)
	for _, kinds := range routes {
		known = known || kinds[old.Kind] != nil
	}
	switch {
	case !known:
		return itemFault(i, "replaces/kind", string(old.Kind), "is no kind of intent")
	case it.Intent.Kind == wallet.IntentNoOp:
		return itemFault(i, "replaces", old.ID, "a no-op replaces nothing; what takes the place of something signed is a cancel")
	case old == it.Intent.Name():
		return itemFault(i, "replaces/id", old.ID, "is the item's own intent")
	}
	return nil
}

func checkRequesters(i int, it *Item) error {
	if len(it.RequestedBy) > 0 && it.Intent.Kind != wallet.IntentWithdrawal {
		return itemFault(i, "requested_by", it.RequestedBy[0].Requester, "nobody asks for a %s", it.Intent.Kind)
	}
	return checkRequestersOf(i, "", it.RequestedBy)
}

// checkRequestersOf looks at the requesters of one withdrawal of an item, which is
// at a place in it.
func checkRequestersOf(i int, place string, list []wallet.Requester) error {
	if len(list) > MaxRequesters {
		return itemFault(i, place+"requested_by", len(list), "a withdrawal has at most %d", MaxRequesters)
	}
	if len(list) == 0 {
		return nil
	}
	seen := map[common.Address]bool{}
	for n, r := range list {
		switch {
		case len(r.Signature) != 65:
			return itemFault(i, fmt.Sprintf("%srequested_by/%d/signature", place, n), len(r.Signature), "want 65 bytes")
		case seen[r.Requester]:
			return itemFault(i, fmt.Sprintf("%srequested_by/%d/requester", place, n), r.Requester, "stands twice")
		}
		seen[r.Requester] = true
	}
	return nil
}

func checkRungs(i int, rungs []wallet.Fee) error {
	if len(rungs) == 0 || len(rungs) > MaxRungs {
		return itemFault(i, "rungs", len(rungs), "want 1 to %d rungs", MaxRungs)
	}
	for n, f := range rungs {
		field := func(name string) string { return fmt.Sprintf("rungs/%d/%s", n, name) }
		switch {
		case f.MaxFeePerGas.Sign() <= 0 || f.MaxFeePerGas.Big().BitLen() > 128:
			return itemFault(i, field("max_fee_per_gas"), f.MaxFeePerGas, "want a fee above zero of at most 128 bits")
		case f.MaxPriorityFeePerGas.Sign() < 0:
			return itemFault(i, field("max_priority_fee_per_gas"), f.MaxPriorityFeePerGas, "is negative")
		case f.MaxPriorityFeePerGas.Cmp(f.MaxFeePerGas) > 0:
			return itemFault(i, field("max_priority_fee_per_gas"), f.MaxPriorityFeePerGas, "is above max_fee_per_gas %s", f.MaxFeePerGas)
		}
		if n == 0 {
			continue
		}
		least := Bump(rungs[n-1])
		if f.MaxFeePerGas.Cmp(least.MaxFeePerGas) < 0 {
			return itemFault(i, field("max_fee_per_gas"), f.MaxFeePerGas, "want at least %s, one tenth above the rung before", least.MaxFeePerGas)
		}
		if f.MaxPriorityFeePerGas.Cmp(least.MaxPriorityFeePerGas) < 0 {
			return itemFault(i, field("max_priority_fee_per_gas"), f.MaxPriorityFeePerGas, "want at least %s, one tenth above the rung before", least.MaxPriorityFeePerGas)
		}
	}
	return nil
}

// checkCancel holds the cancel that is signed with an item against its rungs.
func checkCancel(i int, it *Item) error {
	c := it.Cancel
	if c == nil {
		return nil
	}
	least := Bump(it.Rungs[len(it.Rungs)-1])
	switch {
	case emptiesNonce(it.Intent.Kind):
		return itemFault(i, "cancel", nil, "a %s pays nobody, so there is nothing to cancel", it.Intent.Kind)
	case c.Gas < MinGas || c.Gas > MaxCancelGas:
		return itemFault(i, "cancel/gas", c.Gas, "want a gas limit of %d to %d", MinGas, MaxCancelGas)
	case c.MaxFeePerGas.Big().BitLen() > 128:
		return itemFault(i, "cancel/max_fee_per_gas", c.MaxFeePerGas, "want a fee of at most 128 bits")
	case c.MaxFeePerGas.Cmp(least.MaxFeePerGas) < 0:
		return itemFault(i, "cancel/max_fee_per_gas", c.MaxFeePerGas, "want at least %s, one tenth above the top rung", least.MaxFeePerGas)
	case c.MaxPriorityFeePerGas.Cmp(least.MaxPriorityFeePerGas) < 0:
		return itemFault(i, "cancel/max_priority_fee_per_gas", c.MaxPriorityFeePerGas, "want at least %s, one tenth above the top rung", least.MaxPriorityFeePerGas)
	case c.MaxPriorityFeePerGas.Cmp(c.MaxFeePerGas) > 0:
		return itemFault(i, "cancel/max_priority_fee_per_gas", c.MaxPriorityFeePerGas, "is above max_fee_per_gas %s", c.MaxFeePerGas)
	}
	return nil
}

// checkPayload holds the bytes to be signed against the intent.
func checkPayload(i int, it *Item) error {
	in := &it.Intent
	if usesContract(in.Kind) {
		return checkContractPayload(i, it)
	}
	if in.Asset.IsCoin() {
		switch {
		case it.To != in.Recipient:
			return itemFault(i, "to", it.To, "the intent pays %s", in.Recipient)
		case it.Value.Cmp(in.Amount) != 0:
			return itemFault(i, "value", it.Value, "the intent pays %s", in.Amount)
		case len(it.Data) != 0:
			return itemFault(i, "data", it.Data, "a payment of the coin has none")
		}
		return nil
	}
	switch {
	case it.To != in.Asset.Contract:
		return itemFault(i, "to", it.To, "the intent pays with the token %s", in.Asset.Contract)
	case !it.Value.IsZero():
		return itemFault(i, "value", it.Value, "a payment of a token sends none of the coin")
	case !bytes.Equal(it.Data, TransferData(in.Recipient, in.Amount)):
		return payloadFault(i, it)
	}
	return nil
}

// payloadFault says what call data does that is not what its intent says.
func payloadFault(i int, it *Item) error {
	value := fmt.Sprintf("%#.80x", []byte(it.Data))
	to, amount, err := DecodeTransfer(it.Data)
	if err != nil {
		return itemFault(i, "data", nil, "%s: %v", value, err)
	}
	return itemFault(i, "data", nil, "%s: transfers %s to %s, and the intent pays %s to %s", value, amount, to, it.Intent.Amount, it.Intent.Recipient)
}

func (b *Batch) checkApprovals() error {
	if len(b.Approvals) > MaxApprovals {
		return fault("approvals", nil, "%d approvals, and a batch has at most %d", len(b.Approvals), MaxApprovals)
	}
	seen := map[common.Address]bool{}
	for i, a := range b.Approvals {
		switch {
		case len(a.Signature) != 65:
			return fault(fmt.Sprintf("approvals/%d/signature", i), len(a.Signature), "want 65 bytes")
		case seen[a.Approver]:
			return fault(fmt.Sprintf("approvals/%d/approver", i), a.Approver, "approves twice")
		}
		seen[a.Approver] = true
	}
	return nil
}

// isHex reports whether s is size bytes in lower-case hex.
func isHex(s string, size int) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == size && hex.EncodeToString(raw) == s
}

// isSymbol reports whether a symbol can be shown without harm.
func isSymbol(s string) bool {
	if s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxSymbol {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return false
		}
	}
	return s[0] != ' ' && s[len(s)-1] != ' '
}
