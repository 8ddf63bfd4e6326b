package reconcile

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
)

func (g *glance) warn(code, hint, text string, args ...any) {
	g.Warnings = append(g.Warnings, Warning{code, fmt.Sprintf(text, args...), hint})
}

// judge draws the warnings. It does no I/O.
func (g *glance) judge(marks Marks) {
	if g.Halted != nil {
		g.warn(WarnHalted, "airlock resume lets it go on, once the reason is gone",
			"the home is halted since %s: %s", g.Halted.Since.UTC().Format(time.RFC3339), g.Halted.Reason)
	}
	for _, a := range g.Alarms {
		g.warn(string(a.Code), a.Hint, "alarm since %s: %s", a.Since.UTC().Format(time.RFC3339), a.Text)
	}
	if !g.Chain.Reachable {
		g.warn(WarnUnreachable, "balances below are the ledger's; airlock chain list shows the endpoints",
			"the chain cannot be reached: %s", g.Chain.Error)
	}
	if g.Scan == nil {
		g.warn(WarnNotScanned, "airlock scan reads the chain", "nothing was scanned yet")
	} else if time.Duration(g.Chain.Behind)*time.Second > laggard {
		g.warn(WarnLagging, "airlock scan reads them; is the cron job or the follower running?",
			"%s not scanned yet", several(int(g.Chain.Lag), "block is", "blocks are"))
	}
	if g.Unopened > 0 {
		g.warn(WarnUnopened, "airlock scan reads them",
			"%s not read yet", several(g.Unopened, "opening balance was", "opening balances were"))
	}
	if g.Quarantine.Due > 0 {
		g.warn(WarnDue, "airlock scan reads them again and credits them",
			"%s registered after transfers in blocks that were read before", several(g.Quarantine.Due, "token was", "tokens were"))
	}
	if g.Unexplained > 0 {
		g.warn(WarnUnexplained, "airlock resolve shows and attributes them; nothing is built for their senders until then",
			"%s not made by airlock", several(g.Unexplained, "transaction of our addresses was", "transactions of our addresses were"))
	}
	for _, gap := range g.gaps {
		g.warn(WarnGap, gap.Advice, "nonce %d of %s holds up %s: %s",
			gap.Slot.Nonce, gap.Slot.Sender, several(gap.Behind, "transaction", "transactions"), gap.Why)
	}
	if g.Missing > 0 {
		g.warn(WarnMissing, "airlock confirm offers them again; airlock resolve shows what each endpoint says",
			"%s long ago, and no node shows it", several(g.Missing, "transaction was offered", "transactions were offered"))
	}
	if g.Vanished > 0 {
		g.warn(WarnVanished, "airlock resolve shows them; they keep their nonces, pay nothing in their place",
			"%s booked as final in a block that left the chain", several(g.Vanished, "transaction was", "transactions were"))
	}
	if g.Unsettled > 0 {
		g.warn(WarnUnsettled, "airlock confirm settles them",
			"%s final and not booked", several(g.Unsettled, "transaction is", "transactions are"))
	}
	g.judgeBatches()
	g.judgeFunds(marks)
	if g.Frozen > 0 {
		g.warn(WarnFrozen, "airlock ledger balances shows what they owe",
			"%s frozen after a credit was reversed", several(g.Frozen, "account is", "accounts are"))
	}
	if n := g.Outbox[wallet.DeliveryDead]; n > 0 {
		g.warn(WarnOutboxDead, "airlock notify list shows them; airlock notify retry sends them again",
			"%s given up", several(n, "delivery was", "deliveries were"))
	}
}

func (g *glance) judgeBatches() {
	for _, b := range g.Batches {
		switch {
		case b.Expired:
			g.warn(WarnExpired, "airlock batch discard "+b.ID+", then build again: every payment keeps its nonce",
				"batch %s expired at %s and was not signed", b.ID, b.ExpiresAt.Format(time.RFC3339))
		case b.Status == wallet.BatchBuilt:
			g.warn(WarnNotSigned, "sign it on the signing station, then airlock broadcast the signed file",
				"batch %s waits to be signed until %s", b.ID, b.ExpiresAt.Format(time.RFC3339))
		}
	}
	if g.refused > 0 {
		g.warn(WarnRefused, "airlock confirm offers them again; airlock batch show tells what was answered",
			"nodes refused %s", several(g.refused, "transaction", "transactions"))
	}
	if n := g.Outgoing[wallet.OutgoingSigned]; n > 0 {
		g.warn(WarnNotSent, "airlock confirm sends what is due; a sweep waits until its top-up is mined",
			"%s signed and not sent", several(n, "transaction is", "transactions are"))
	}
}

// judgeFunds compares what lies on the addresses that pay with what they need.
func (g *glance) judgeFunds(marks Marks) {
	price := g.Chain.BaseFee.Mul(2).Add(g.Chain.Tip)
	coin := wallet.Coin(g.ChainID)
	mark := func(set *wallet.Amount) wallet.Amount {
		if set != nil {
			return *set
		}
		return price.Mul(markCount * (tokenGas + coinGas))
	}
	fees := price.Mul((g.payments-g.tokenPays)*coinGas + g.tokenPays*tokenGas)
	for _, role := range []wallet.Role{wallet.PayoutRole, wallet.GasRole, wallet.FloatRole} {
		list := g.holders[role]
		if len(list) == 0 {
			continue
		}
		for id, asset := range g.assets {
			f := Fund{Role: role, Address: list[0].Address, Addresses: len(list), Asset: id, Symbol: asset.Symbol, Decimals: asset.Decimals}
			for _, a := range list {
				f.Balance = f.Balance.Add(g.balances[store.Place{Address: a.Address, Asset: id}])
			}
			switch {
			case role == wallet.GasRole && id != coin:
				continue
			case role == wallet.FloatRole: // needs what its marks say, which is an alarm of its own
			case role == wallet.GasRole:
				f.Needed = mark(marks.Gas)
			case id == coin:
				f.Needed = g.needs[id].Add(fees).Add(mark(marks.Payout))
			default:
				f.Needed = g.needs[id]
			}
			f.Low = f.Balance.Cmp(f.Needed) < 0
			g.Funds = append(g.Funds, f)
		}
	}
	slices.SortFunc(g.Funds, func(a, b Fund) int {
		if a.Role != b.Role {
			return int(a.Role) - int(b.Role)
		}
		return a.Asset.Contract.Cmp(b.Asset.Contract)
	})
	for _, f := range g.Funds {
		if !f.Low {
			continue
		}
		asset := g.assets[f.Asset]
		code, what := WarnLowPayout, "what withdrawals and their fees need"
		if f.Role == wallet.GasRole {
			code, what = WarnLowGas, "what sweeps of tokens need"
		}
		who := fmt.Sprintf("%s address %s has", f.Role, f.Address)
		if f.Addresses > 1 {
			who = fmt.Sprintf("%d %s addresses have together", f.Addresses, f.Role)
		}
		g.warn(code, "send "+asset.Format(f.Needed.Sub(f.Balance))+" or more to "+f.Address.Hex(),
			"%s %s, below %s: %s", who, asset.Format(f.Balance), asset.Format(f.Needed), what)
	}
}

// several writes a count of CountLimit as what it may be.
func several(n int, one, many string) string {
	switch {
	case n == 1:
		return "1 " + one
	case n >= CountLimit:
		return strconv.Itoa(n) + " or more " + many
	}
	return strconv.Itoa(n) + " " + many
}
