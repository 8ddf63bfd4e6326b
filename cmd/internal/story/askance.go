package story

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

// deposit is one row of "airlock deposits list".
type deposit struct {
	ID, Account, Amount, Symbol string
	Kind                        wallet.DepositKind
	Status                      wallet.DepositStatus
	TxHash                      common.Hash `json:"tx_hash"`
	BlockHash                   common.Hash `json:"block_hash"`
}

// deposits is what the online station knows of deposits, newest first.
func (t *teller) deposits() (rows []deposit, err error) {
	return rows, t.online.ask(t.ctx, &rows, "deposits", "list")
}

// split has a contract pay ether to addresses of the home, in equal parts.
func (t *teller) split(ether int64, names ...string) (common.Hash, error) {
	to := make([]common.Address, len(names))
	for i, name := range names {
		to[i] = t.addresses[name]
	}
	data, err := chaintest.Forwarder.Call("split", to)
	if err != nil {
		return common.Hash{}, err
	}
	wei := new(big.Int).Mul(big.NewInt(ether), big.NewInt(1e18))
	return t.Network.Send(t.ctx, chaintest.Call{To: &t.forwarder, Wei: wei, Data: data})
}

// payInAskance has deposits arrive that neither a transaction's recipient nor a
// registered token tells of.
func (t *teller) payInAskance() error {
	t.say("One transaction pays a contract, which pays bob and dave. Only a trace shows it; balance proofs back it.")
	paid, err := t.split(1, "bob", "dave")
	if err := t.settle(paid, err); err != nil {
		return err
	}
	if err := t.settle(t.Network.TransferToken(t.ctx, t.late, t.addresses["dave"], big.NewInt(4200))); err != nil {
		return err
	}
	if err := t.Network.Mine(t.ctx, 2); err != nil {
		return err
	}
	for _, args := range [][]string{{"scan"}, {"deposits", "list", "--limit", "3"}, {"quarantine", "list", "--symbols"}} {
		if err := t.online.run(t.ctx, args...); err != nil {
			return err
		}
	}
	if err := t.inside(paid, "bob", "dave"); err != nil {
		return err
	}
	if err := t.quarantined(t.late); err != nil {
		return err
	}
	t.say("Nothing of an unknown token is credited until somebody registers it.")
	if err := t.online.run(t.ctx, "token", "add", t.late.Hex()); err != nil {
		return err
	}
	if err := t.online.say(t.ctx, "read 1 block again; 1 deposit seen, 1 confirmed", "scan"); err != nil {
		return err
	}
	for _, args := range [][]string{{"deposits", "list", "--account", "dave"}, {"notify"}} {
		if err := t.online.run(t.ctx, args...); err != nil {
			return err
		}
	}
	if err := t.quarantined(); err != nil {
		return err
	}
	rows, err := t.deposits()
	if err != nil {
		return err
	}
	if !has(rows, deposit{Account: "dave", Amount: "4200", Symbol: "LATE", Kind: wallet.KindToken, Status: wallet.DepositConfirmed}) {
		return fmt.Errorf("dave's tokens are not credited: %+v", rows)
	}
	return t.toldExactly(map[string]int{"deposit.detected": 10, "deposit.confirmed": 10})
}

// inside checks that a transaction paid half an ether to each account, inside
// calls, and that no other deposit came that way.
func (t *teller) inside(tx common.Hash, accounts ...string) error {
	rows, err := t.deposits()
	if err != nil {
		return err
	}
	n := 0
	for _, d := range rows {
		if d.Kind == wallet.KindInternal {
			n++
		}
	}
	for _, a := range accounts {
		if n != len(accounts) || !has(rows, deposit{
			Account: a, Amount: "500000000000000000", Symbol: "ETH", Kind: wallet.KindInternal, Status: wallet.DepositConfirmed, TxHash: tx,
		}) {
			return fmt.Errorf("transaction %s was to pay half an ether to each of %v: %+v", tx, accounts, rows)
		}
	}
	return nil
}

// has reports whether a deposit is listed with what of it is not zero in want.
func has(rows []deposit, want deposit) bool {
	for _, d := range rows {
		if want.TxHash == (common.Hash{}) {
			d.TxHash = common.Hash{}
		}
		d.ID, d.BlockHash = "", common.Hash{}
		if d == want {
			return true
		}
	}
	return false
}

// quarantined checks that these tokens, and nothing else, are in quarantine.
func (t *teller) quarantined(tokens ...common.Address) error {
	rows := []struct {
		Kind     string
		Contract common.Address
	}{}
	if err := t.online.ask(t.ctx, &rows, "quarantine", "list"); err != nil {
		return err
	}
	if len(rows) != len(tokens) {
		return fmt.Errorf("in quarantine is %+v, want %v", rows, tokens)
	}
	for i, r := range rows {
		if r.Kind != "token" || r.Contract != tokens[i] {
			return fmt.Errorf("in quarantine is %+v, want %v", rows, tokens)
		}
	}
	return nil
}
