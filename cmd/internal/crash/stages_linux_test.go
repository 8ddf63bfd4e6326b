package crash

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
)

// A payment is a withdrawal that the stages pay, or cancel.
type payment struct {
	id, account, asset string
	decimal, units     string
	recipient          byte
	canceled           bool // after it was sent
}

// to is an address that nobody has the key of, of this payment alone.
func (p payment) to() common.Address {
	return common.BytesToAddress([]byte(strings.Repeat(string([]byte{0x50 + p.recipient}), common.AddressLength)))
}

// payments are requested and approved before the stages begin, but for the last
// one: a payout run of the first stage makes it of what alice has left. Those of
// tokens are paid together, by the contract.
var payments = []payment{
	{id: "w-1", account: "alice", asset: "ETH", decimal: "0.1", units: "100000000000000000", recipient: 1},
	{id: "w-2", account: "alice", asset: "ETH", decimal: "0.3", units: "300000000000000000", recipient: 2, canceled: true},
	{id: "w-3", asset: "ETH", decimal: "0.02", units: "20000000000000000", recipient: 3}, // of the house
	{id: "w-4", account: "carol", asset: "CUSD", decimal: "12.5", units: "12500000", recipient: 4},
	{id: "w-5", asset: "CUSD", decimal: "3", units: "3000000", recipient: 5},
	{id: "payout:payday:alice", account: "alice", asset: "ETH", decimal: "0.6", units: "600000000000000000", recipient: 6},
}

// A stage is a command on the way from approved withdrawals to books that balance.
type stage struct {
	name string
	// world is what happens before the command, or nil.
	world func(w *world, ctx context.Context) error
	// command is what an operator types.
	command func(w *world) (program, error)
	// again is what the operator does after the command was killed, if it is more
	// than to type the same again.
	again func(w *world, p program) error
	// sends says that transactions reach the chain by it: what was sent may be mined
	// before the command runs again.
	sends bool
}

// stages are in the order of a day. The second scan and confirm are of what waits for
// another transaction: the sweep for its top-up, the contract for its allowance.
var stages = []stage{
	// The chain of a long matrix has an old head.
	{name: "payouts", command: typed("payouts", "build", "--asset", "ETH", "--threshold", "0.5", "--approve", "--id", "payday", "--max-age", "0")},
	{name: "build", command: writes("pay.json", "build-withdrawals", "--senders", "2", "--rungs", "3", "--budget", "6x", "--batch-contract"), again: lookFor(batch.Withdrawals, "pay.json")},
	{name: "sweep", command: writes("sweep.json", "sweep"), again: lookFor(batch.Sweep, "sweep.json")},
	{name: "sign", command: signs("pay.json")},
	{name: "sign-sweep", command: signs("sweep.json")},
	{name: "broadcast", command: reads("broadcast", "pay.json.signed"), sends: true},
	{name: "cancel", command: typed("withdraw", "cancel", "w-2")},
	{name: "broadcast-sweep", command: reads("broadcast", "sweep.json.signed"), sends: true},
	// The first of each line climbs, and the cancel takes the place of its payment.
	{name: "climb", world: (*world).crowd, command: typed("confirm", "--climb-after", "0s", "--climb-blocks", "0"), sends: true},
	{name: "scan", world: (*world).finalize, command: typed("scan")},
	{name: "confirm", command: typed("confirm"), sends: true},
	{name: "scan-2", world: (*world).finalize, command: typed("scan")},
	{name: "confirm-2", command: typed("confirm")},
	{name: "notify", command: typed("notify")},
}

// typed is an online command.
func typed(args ...string) func(*world) (program, error) {
	return func(w *world) (program, error) { return w.online(args...), nil }
}

// reads is an online command that takes a file which crossed the gap.
func reads(name, file string) func(*world) (program, error) {
	return func(w *world) (program, error) { return w.online(name, w.gap(file)), nil }
}

func writes(file string, args ...string) func(*world) (program, error) {
	return func(w *world) (program, error) { return w.online(append(args, "-o", w.gap(file))...), nil }
}

func (w *world) gap(file string) string { return w.path("gap") + "/" + file }

// signs signs a batch by the digest that the online station shows.
func signs(file string) func(*world) (program, error) {
	return func(w *world) (program, error) {
		b, err := w.readBatch(file)
		if err != nil {
			return program{}, err
		}
		digest, err := b.HexDigest()
		return w.signing("sign", w.gap(file), "-o", w.gap(file+".signed"), "--expect", digest,
			"--passphrase-file", w.secret("passphrase"), "--accept-risk", "online-station"), err
	}
}

func (w *world) readBatch(file string) (*batch.Batch, error) {
	data, err := os.ReadFile(w.gap(file))
	if err != nil {
		return nil, err
	}
	return batch.Parse(data)
}

// lookFor returns what an operator does for the file of a batch: takes it if it is
// there, else builds again, and has the file of a batch that was built before
// written again, as the command tells.
func lookFor(kind, file string) func(*world, program) error {
	return func(w *world, p program) error {
		if _, err := os.Stat(w.gap(file)); !errors.Is(err, fs.ErrNotExist) {
			return err // stages to come read it
		}
		r, err := w.start(p, func(*os.Process) {})
		if err != nil {
			return err
		}
		if _, err := os.Stat(w.gap(file)); r.status == 0 && err == nil {
			return nil
		}
		if !strings.Contains(r.out+r.errors, "airlock batch show") {
			return fmt.Errorf("%s wrote no file, and does not tell the way on: %s%s", commandLine(p), r.out, r.errors)
		}
		var list []struct {
			Batch, Kind string
			Status      wallet.BatchStatus
		}
		if err := w.ask(&list, w.online("batch", "list")); err != nil {
			return err
		}
		for _, b := range list {
			if b.Kind == kind && b.Status == wallet.BatchBuilt {
				return w.all(w.online("batch", "show", b.Batch, "-o", w.gap(file)))
			}
		}
		return fmt.Errorf("no batch of kind %s is built: %v", kind, list)
	}
}
