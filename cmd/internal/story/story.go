// Package story tells the whole loop with the real programs on a chain: two
// stations, deposits, withdrawals, a sweep, and books that balance. The demo
// tells it to people; the end-to-end tests tell it on every kind of chain. It
// checks what it shows and stops at the first thing that is not so.
package story

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

// Options say where the story happens.
type Options struct {
	Network chaintest.Network
	// Bin is the directory that holds airlock and airlock-signer.
	Bin string
	// Dir is an empty directory for the homes and for what crosses the gap.
	Dir string
	Out io.Writer
	// RequireIsolation fails the story where the signing station cannot be put
	// into a network namespace of its own; else it then signs with the risk named.
	RequireIsolation bool
	// Chaos, if set, has every command that may be repeated killed a few times
	// before it is run for good. The story must end the same.
	Chaos *rand.Rand
}

// words is a mnemonic that the whole world knows, from the vectors of BIP-39. It
// is not that of the accounts that development chains make rich.
const words = "legal winner thank year wave sausage worth useful legal winner thank yellow"

// teller holds what the chapters share.
type teller struct {
	Options
	ctx             context.Context
	online, signing *station
	hooks           *receiver
	isolated        bool
	confirmations   int
	token, usdt     common.Address
	late            common.Address            // a token that nobody registers at first
	forwarder       common.Address            // pays ether inside its calls
	addresses       map[string]common.Address // by account, or by role
	started         time.Time
}

// chapter is a part of a story.
type chapter struct {
	title string
	tell  func() error
}

// Run tells the whole loop. It returns the first thing that went another way
// than told.
func Run(ctx context.Context, o Options) error {
	return tell(ctx, o, 2, func(t *teller) []chapter {
		return []chapter{
			{"A vault is made where there is no network", t.makeVault},
			{"The online station learns addresses, not keys", t.openHome},
			{"Customers pay in, and the business is told", t.payIn},
			{"A contract pays two customers, and a token comes that nobody registered", t.payInAskance},
			{"Withdrawals are asked for, reviewed and put into a batch", t.askToPay},
			{"The batch crosses to the signing station", t.sign},
			{"The signed batch goes out and becomes final", t.payOut},
			{"What customers paid in is swept to the treasury", t.sweep},
			{"The books are compared with the chain, to the wei", t.balanceBooks},
		}
	})
}

// tell sets the stage and tells the chapters there, with a home that takes
// deposits after so many confirmations.
func tell(ctx context.Context, o Options, confirmations int, chapters func(*teller) []chapter) (err error) {
	t := &teller{Options: o, ctx: ctx, confirmations: confirmations, addresses: map[string]common.Address{}, started: time.Now()}
	if t.hooks, err = startReceiver(); err != nil {
		return err
	}
	defer t.hooks.close()
	if err := t.setTheStage(); err != nil {
		return err
	}
	for _, c := range chapters(t) {
		fmt.Fprintf(t.Out, "\n── %s ──\n", c.title)
		if err := c.tell(); err != nil {
			return fmt.Errorf("%s: %w", strings.ToLower(c.title[:1])+c.title[1:], err)
		}
	}
	fmt.Fprintf(t.Out, "\nThe whole loop took %s. Nothing was left on the table.\n", time.Since(t.started).Round(100*time.Millisecond))
	return nil
}

func (t *teller) say(format string, args ...any) {
	fmt.Fprintf(t.Out, "\n# "+format+"\n", args...)
}

func (t *teller) setTheStage() error {
	gap := filepath.Join(t.Dir, "usb-stick")
	if err := os.MkdirAll(gap, 0o700); err != nil {
		return err
	}
	place := func(name, program string) *station {
		return &station{
			name: name, program: filepath.Join(t.Bin, program), out: t.Out, chaos: t.Chaos,
			home: filepath.Join(t.Dir, name), dir: gap,
		}
	}
	t.online, t.signing = place("online", "airlock"), place("signing", "airlock-signer")
	for name, text := range map[string]string{
		"words": words, "passphrase": "correct horse battery staple", "hook-secret": t.hooks.secretText(),
	} {
		if err := os.WriteFile(filepath.Join(t.Dir, name), []byte(text+"\n"), 0o600); err != nil {
			return err
		}
	}
	// A namespace without interfaces is as offline as a process can be here.
	unshare := []string{"unshare", "--map-root-user", "--net"}
	if err := exec.CommandContext(t.ctx, unshare[0], append(unshare[1:], "true")...).Run(); err == nil {
		t.signing.wrap, t.isolated = unshare, true
	} else if t.RequireIsolation {
		return fmt.Errorf("no network namespace for the signing station: %w", err)
	}
	return nil
}

// file names a file that does not cross the gap, relative to it.
func (t *teller) file(name string) string { return filepath.Join("..", name) }

func (t *teller) makeVault() error {
	t.say("These twelve words are known to everybody; a real vault makes 24 of its own.")
	if err := t.signing.run(t.ctx, "vault", "create", "--mnemonic-file", t.file("words"), "--passphrase-file", t.file("passphrase")); err != nil {
		return err
	}
	t.say("Without a policy the station signs nothing. This one sets no limits, and says so.")
	if err := t.signing.run(t.ctx, "policy", "init", "--preset", "open"); err != nil {
		return err
	}
	t.say("The extended public keys are all that ever leaves.")
	return t.signing.run(t.ctx, "vault", "export-watch", "-o", "watch.json", "--passphrase-file", t.file("passphrase"))
}

func (t *teller) openHome() error {
	var err error
	if t.token, err = t.Network.Deploy(t.ctx, chaintest.Token, "Story Dollar", "SUSD", uint8(6), big.NewInt(1_000_000_000_000)); err != nil {
		return err
	}
	if t.usdt, err = t.Network.Deploy(t.ctx, chaintest.USDTLike, big.NewInt(1_000_000_000_000)); err != nil {
		return err
	}
	if t.late, err = t.Network.Deploy(t.ctx, chaintest.Token, "Late Coin", "LATE", uint8(2), big.NewInt(1_000_000)); err != nil {
		return err
	}
	if t.forwarder, err = t.Network.Deploy(t.ctx, chaintest.Forwarder); err != nil {
		return err
	}
	var vault struct{ Fingerprint string }
	if err := t.signing.ask(t.ctx, &vault, "vault", "accounts", "--passphrase-file", t.file("passphrase")); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"init", "--chain-id", strconv.FormatUint(t.Network.ChainID(), 10), "--rpc", t.Network.URL(), "--confirmations", strconv.Itoa(t.confirmations)},
		{"watch", "import", "watch.json", "--fingerprint", vault.Fingerprint},
		{"token", "add", t.token.Hex()},
		{"token", "add", t.usdt.Hex()},
		{"address", "new", "alice"},
		{"address", "new", "bob"},
		{"address", "new", "carol"},
		{"address", "new", "dave"},
		{"endpoint", "add", t.hooks.url, "--secret-file", t.file("hook-secret")},
	} {
		if err := t.online.run(t.ctx, args...); err != nil {
			return err
		}
	}
	var rows []struct {
		Account string
		Role    string
		Address common.Address
	}
	if err := t.online.ask(t.ctx, &rows, "address", "list"); err != nil {
		return err
	}
	for _, r := range rows {
		name := r.Role
		if r.Account != "" {
			name = r.Account
		}
		t.addresses[name] = r.Address
	}
	for _, name := range []string{"alice", "bob", "carol", "dave", "payout", "gas", "treasury"} {
		if (t.addresses[name] == common.Address{}) {
			return fmt.Errorf("there is no address of %s", name)
		}
	}
	t.say("What lies on an address before it is watched is read once, as an opening balance.")
	return t.online.run(t.ctx, "scan")
}

// payIn funds the house and lets three customers deposit. carol has no ether.
func (t *teller) payIn() error {
	t.say("The house funds its payout and gas addresses; its customers pay in ether and tokens.")
	for name, ether := range map[string]int64{"payout": 10, "gas": 1, "alice": 2, "bob": 1} {
		if err := t.fund(name, ether); err != nil {
			return err
		}
	}
	for _, p := range []struct {
		token common.Address
		to    string
		units int64
	}{
		{t.token, "payout", 5_000_000_000}, {t.token, "alice", 500_000_000}, {t.usdt, "carol", 250_000_000},
	} {
		if err := t.settle(t.Network.TransferToken(t.ctx, p.token, t.addresses[p.to], big.NewInt(p.units))); err != nil {
			return err
		}
	}
	if err := t.online.run(t.ctx, "scan"); err != nil {
		return err
	}
	if err := t.Network.Mine(t.ctx, 2); err != nil {
		return err
	}
	t.say("Two more blocks, and the deposits are credited.")
	for _, args := range [][]string{{"scan"}, {"deposits", "list"}, {"ledger", "balances"}, {"notify"}} {
		if err := t.online.run(t.ctx, args...); err != nil {
			return err
		}
	}
	return t.toldExactly(map[string]int{"deposit.detected": 7, "deposit.confirmed": 7})
}

func (t *teller) askToPay() error {
	t.say("bob's request comes alone, two more come as a list.")
	list := fmt.Sprintf("id,account,asset,amount,to,memo\n"+
		"w-2,alice,SUSD,120.5,%s,invoice 17\n"+
		"w-3,alice,ETH,0.1,%s,\n", someone(2), someone(3))
	if err := os.WriteFile(filepath.Join(t.online.dir, "payments.csv"), []byte(list), 0o600); err != nil {
		return err
	}
	if err := t.online.run(t.ctx, "withdraw", "request", "--id", "w-1", "--account", "bob",
		"--asset", "ETH", "--amount", "0.25", "--to", someone(1).Hex()); err != nil {
		return err
	}
	if err := t.online.run(t.ctx, "withdraw", "import", "payments.csv"); err != nil {
		return err
	}
	t.say("More than bob has is refused at once; nothing is booked.")
	if err := t.online.refuse(t.ctx, 1, "withdraw", "request", "--id", "w-4", "--account", "bob",
		"--asset", "ETH", "--amount", "100", "--to", someone(1).Hex()); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"withdraw", "approve", "w-1", "w-2"},
		{"withdraw", "reject", "w-3", "--reason", "the invoice is not due"},
		{"build-withdrawals", "-o", "batch.json"},
		{"review", "batch.json"},
	} {
		if err := t.online.run(t.ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

func (t *teller) sign() error {
	t.say("Somebody who controls the online station turns a digit of an amount.")
	clean, err := os.ReadFile(filepath.Join(t.signing.dir, "batch.json"))
	if err != nil {
		return err
	}
	forged := bytes.Replace(clean, []byte("250000000000000000"), []byte("950000000000000000"), 1)
	if bytes.Equal(clean, forged) {
		return fmt.Errorf("the batch does not hold the amount to forge")
	}
	if err := os.WriteFile(filepath.Join(t.signing.dir, "forged.json"), forged, 0o600); err != nil {
		return err
	}
	digest, err := t.digest("w-1")
	if err != nil {
		return err
	}
	if err := t.signing.refuse(t.ctx, 3, t.signArgs("forged.json", "forged-signed.json", digest)...); err != nil {
		return err
	}
	t.say("The batch as it was reviewed. The digest was compared on both screens.")
	return t.signing.run(t.ctx, t.signArgs("batch.json", "signed.json", digest)...)
}

// digest is what the batch of a withdrawal hashes to, as the online station
// says it.
func (t *teller) digest(withdrawal string) (string, error) {
	var w struct{ Batch string }
	if err := t.online.ask(t.ctx, &w, "withdraw", "show", withdrawal); err != nil {
		return "", err
	}
	var b struct{ Digest string }
	return b.Digest, t.online.ask(t.ctx, &b, "batch", "show", w.Batch)
}

func (t *teller) signArgs(file, signed, digest string) []string {
	args := []string{"sign", "--offline", file, "-o", signed, "--passphrase-file", t.file("passphrase"), "--expect", digest}
	if !t.isolated {
		args = append(args, "--accept-risk", "online-station")
	}
	return args
}

func (t *teller) payOut() error {
	if err := t.online.run(t.ctx, "broadcast", "signed.json"); err != nil {
		return err
	}
	t.say("The same file again changes nothing.")
	if err := t.online.run(t.ctx, "broadcast", "signed.json"); err != nil {
		return err
	}
	if err := t.finalize(); err != nil {
		return err
	}
	for _, args := range [][]string{{"scan"}, {"confirm"}, {"withdraw", "list"}, {"ledger", "balances"}, {"notify"}} {
		if err := t.online.run(t.ctx, args...); err != nil {
			return err
		}
	}
	if err := t.got(someone(1), "250000000000000000"); err != nil {
		return err
	}
	tokens, err := t.Network.TokenBalance(t.ctx, t.token, someone(2))
	if err != nil {
		return err
	}
	if tokens.String() != "120500000" {
		return fmt.Errorf("%s has %s base units of SUSD, want 120500000", someone(2), tokens)
	}
	return t.toldExactly(map[string]int{
		"deposit.detected": 10, "deposit.confirmed": 10,
		"withdrawal.broadcast": 2, "withdrawal.confirmed": 2, "withdrawal.rejected": 1,
	})
}

func (t *teller) sweep() error {
	t.say("carol's address holds tokens and no gas: its top-up and its sweep are signed in one trip.")
	var plan struct {
		Digest string
		Items  int
	}
	if err := t.online.run(t.ctx, "sweep", "--dry-run", "-o", "sweep.json"); err != nil {
		return err
	}
	if err := t.online.ask(t.ctx, &plan, "sweep", "-o", "sweep.json"); err != nil {
		return err
	}
	if plan.Items != 7 {
		return fmt.Errorf("the sweep has %d items, want ether and tokens three times each and a top-up", plan.Items)
	}
	if err := t.signing.run(t.ctx, t.signArgs("sweep.json", "sweep-signed.json", plan.Digest)...); err != nil {
		return err
	}
	if err := t.online.run(t.ctx, "broadcast", "sweep-signed.json"); err != nil {
		return err
	}
	t.say("A sweep waits until its top-up is mined; confirm sends it then.")
	for range 2 {
		if err := t.finalize(); err != nil {
			return err
		}
		for _, args := range [][]string{{"scan"}, {"confirm"}} {
			if err := t.online.run(t.ctx, args...); err != nil {
				return err
			}
		}
	}
	var left struct{ Pending int }
	if err := t.online.ask(t.ctx, &left, "confirm"); err != nil {
		return err
	}
	if left.Pending != 0 {
		return fmt.Errorf("%d transactions of the sweep are still on their way", left.Pending)
	}
	for token, want := range map[common.Address]string{t.token: "500000000", t.usdt: "250000000", t.late: "4200"} {
		have, err := t.Network.TokenBalance(t.ctx, token, t.addresses["treasury"])
		if err != nil {
			return err
		}
		if have.String() != want {
			return fmt.Errorf("the treasury has %s of token %s, want %s", have, token, want)
		}
	}
	return nil
}

func (t *teller) balanceBooks() error {
	for _, args := range [][]string{{"notify"}, {"ledger", "balances"}, {"reconcile"}, {"status"}} {
		if err := t.online.run(t.ctx, args...); err != nil {
			return err
		}
	}
	if err := t.reconciled(); err != nil {
		return err
	}
	return t.toldExactly(map[string]int{
		"deposit.detected": 10, "deposit.confirmed": 10,
		"withdrawal.broadcast": 2, "withdrawal.confirmed": 2, "withdrawal.rejected": 1,
		"sweep.confirmed": 6,
	})
}

// reconciled checks that no balance differs from the books.
func (t *teller) reconciled() error {
	var rows []struct {
		Address    common.Address
		Asset      string
		Difference string
	}
	if err := t.online.ask(t.ctx, &rows, "reconcile"); err != nil {
		return err
	}
	if len(rows) == 0 {
		return fmt.Errorf("reconcile compared nothing")
	}
	for _, r := range rows {
		if r.Difference != "0" {
			return fmt.Errorf("%s differs by %s of %s", r.Address, r.Difference, r.Asset)
		}
	}
	t.say("%d balances compared, no difference.", len(rows))
	return nil
}

// fund sends ether from the faucet to an address of the home.
func (t *teller) fund(name string, ether int64) error {
	wei := new(big.Int).Mul(big.NewInt(ether), big.NewInt(1e18))
	return t.settle(t.Network.Fund(t.ctx, t.addresses[name], wei))
}

// settle waits until a transaction of the faucet is mined.
func (t *teller) settle(tx common.Hash, err error) error {
	if err == nil {
		_, err = t.Network.Settle(t.ctx, tx)
	}
	return err
}

// finalize lets time pass until what is on its way is beyond reorg.
func (t *teller) finalize() error {
	if err := t.Network.Mine(t.ctx, 1); err != nil {
		return err
	}
	return t.Network.Finalize(t.ctx)
}

func (t *teller) got(who common.Address, wei string) error {
	have, err := t.Network.Client().BalanceAt(t.ctx, who, nil)
	if err != nil {
		return err
	}
	if wallet.AmountOf(have).String() != wei {
		return fmt.Errorf("%s has %s wei, want %s", who, have, wei)
	}
	return nil
}

func (t *teller) toldExactly(want map[string]int) error {
	have, err := t.hooks.counts()
	if err != nil {
		return err
	}
	fmt.Fprintf(t.Out, "\n(the receiver verified: %v)\n", have)
	if fmt.Sprint(have) != fmt.Sprint(want) {
		return fmt.Errorf("the receiver was told %v, want %v", have, want)
	}
	return nil
}

// someone is an address that nobody here has the key of.
func someone(n byte) common.Address {
	return common.BytesToAddress(bytes.Repeat([]byte{0xa0 + n}, common.AddressLength))
}
