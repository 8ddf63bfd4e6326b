package payout

import (
	"fmt"
	"strings"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
)

// Choice is something safe to do about a slot: nothing that it leads to can pay
// twice, or give funds back that were paid.
type Choice struct {
	Args []string // of the airlock command
	Why  string
}

func choice(why string, args ...string) Choice { return Choice{args, why} }

// choose lists what is safe to do about a slot. What endpoints say only ever
// takes choices away: where they contradict each other or what scanning proved,
// or none answers, nothing is left but to look again.
func choose(d *outgoing.Dossier, v *verdict) []Choice {
	scan := choice("read the chain to its head", "scan")
	doctor := choice("ask each endpoint alone", "doctor")
	switch {
	case v.heard == 0:
		doctor.Why = "no endpoint answers: find out why"
		return []Choice{doctor}
	case len(v.clashes) > 0:
		doctor.Why = "what is said cannot all be true: find out which endpoint is wrong, and take it out of config.toml"
		return []Choice{doctor, scan}
	case d.Vanished != nil:
		return chooseVanished(d, scan)
	case d.Mined != nil:
		return chooseMined(d, v, scan)
	case len(v.used) > 0 || len(v.mined) > 0:
		scan.Why = "its nonce is used on chain: find by what"
		return []Choice{scan}
	case d.Doubt != nil && d.Doubt.Kind == outgoing.DoubtUnseen:
		return []Choice{scan}
	case d.Outgoing == nil && d.Past:
		return []Choice{build(d, "take the nonce with a no-op")}
	case d.Outgoing == nil:
		return nil
	}
	return chooseOpen(d, v)
}

func chooseVanished(d *outgoing.Dossier, scan Choice) []Choice {
	found := d.Vanished.Found
	switch {
	case found == nil:
		scan.Why = "find whether it was mined again; pay nothing in its place"
		return []Choice{scan}
	case d.Doubt != nil && d.Doubt.Mined != nil && d.Doubt.Final && outgoing.SameEffect(d.Mined, found):
		return []Choice{choice("bring the books in line with what was mined again", "confirm")}
	case outgoing.SameEffect(d.Mined, found):
		scan.Why = "wait until what was mined again is final"
		return []Choice{scan}
	}
	return []Choice{choice("stop building, signing and sending until the accounts are right", "halt", "--reason", "vanished "+d.Mined.TxHash.Hex())}
}

// chooseMined is about a slot at which scanning found a transaction.
func chooseMined(d *outgoing.Dossier, v *verdict, scan Choice) []Choice {
	confirm := choice("settle what is final", "confirm")
	switch {
	case d.Doubt == nil && d.Mined.Settled:
		return nil
	case !d.Final:
		scan.Why = fmt.Sprintf("wait until block %d is final", d.Mined.BlockNumber)
		return []Choice{scan, confirm}
	case d.Doubt == nil:
		return []Choice{confirm}
	case d.Outgoing != nil && d.Outgoing.State == wallet.OutgoingFinal:
		return []Choice{choice("find out which chain this node follows", "doctor")}
	case !d.Doubt.Acceptable:
		return []Choice{confirm}
	case len(v.backs) == 0:
		scan.Why = "no endpoint has it in the block where scan found it: wait until one does"
		return []Choice{scan}
	case len(v.lagging) > 0:
		scan.Why = fmt.Sprintf("%s does not hold it final yet: wait until all do", strings.Join(v.lagging, ", "))
		return []Choice{scan}
	}
	return accepts(d)
}

// accepts are the ways to accept what is in doubt.
func accepts(d *outgoing.Dossier) []Choice {
	at := fmt.Sprintf("%s:%d", d.Slot.Sender.Hex(), d.Slot.Nonce)
	switch doubt := d.Doubt; {
	case doubt.Kind == outgoing.DoubtAmount:
		return []Choice{choice("it counts as paid: what moved is booked, and the rest is given back", "resolve", "--accept", at)}
	case len(doubt.Pays) == 0:
		return []Choice{choice("it is booked as unknown, and paid no withdrawal", "resolve", "--accept", at)}
	case len(doubt.Paid) > 0:
		return []Choice{choice(fmt.Sprintf("%d withdrawals count as paid by it", len(doubt.Paid)), "resolve", "--accept", at)}
	case len(doubt.Pays) == 1:
		return []Choice{choice(fmt.Sprintf("withdrawal %s counts as paid by it", doubt.Pays[0]), "resolve", "--accept", at)}
	}
	var list []Choice
	for _, id := range d.Doubt.Free {
		list = append(list, choice(fmt.Sprintf("withdrawal %s counts as paid by it", id), "resolve", "--accept", at, "--withdrawal", id))
	}
	return list
}

// chooseOpen is about a slot that is bound, and used by nothing that anybody
// knows of.
func chooseOpen(d *outgoing.Dossier, v *verdict) (list []Choice) {
	o := d.Outgoing
	cancel, awaited := o.Wish == wallet.WishCancel, o.Awaited(o.Wish == wallet.WishCancel)
	switch {
	case cancel && o.Cancellation() != nil && !outgoing.WantsCancel(o, wallet.Amount{}):
		return []Choice{choice("send its cancel, or send it again", "confirm")}
	case cancel && awaited == nil:
		return []Choice{build(d, "make its cancel, to be signed and broadcast")}
	case awaited != nil && (cancel || o.Serving() == nil):
		list = append(list, choice("write the batch again that waits for its signatures: sign it, and broadcast what comes back",
			"batch", "show", awaited.Batch, "-o", "batch.json"))
		if cancel {
			return list
		}
	case o.Serving() == nil && o.Intent.Kind != wallet.IntentSweep && o.Intent.Kind != wallet.IntentTopUp && o.Intent.Kind != wallet.IntentRebalance:
		list = append(list, build(d, "build it again, at its nonce"))
	case o.Serving() == nil: // a sweep is not built again: its nonce is given up
	case len(v.pooled) > 0:
		list = append(list, choice("wait: a node has it, and it is looked after", "confirm"))
	default:
		list = append(list, choice("offer it again: the same transaction cannot be mined twice", "confirm"))
	}
	if o.Serving() != nil && o.Serving().Offered > 0 && o.Intent.Kind == wallet.IntentWithdrawal && o.Wish == "" {
		list = append(list, choice("the same payment with higher fees, at the same nonce", "withdraw", "bump", o.Intent.ID))
	}
	switch o.Intent.Kind {
	case wallet.IntentWithdrawal:
		list = append(list, choice("give it up: its funds come back when something else is final at its nonce", "withdraw", "cancel", o.Intent.ID))
	case wallet.IntentSweep, wallet.IntentTopUp, wallet.IntentRebalance, wallet.IntentPayments, wallet.IntentAllowance, wallet.IntentDeploy:
		list = append(list, choice("give it up: its nonce is taken by a cancel", "resolve", "--cancel", fmt.Sprintf("%s:%d", d.Slot.Sender.Hex(), d.Slot.Nonce)))
	case wallet.IntentCancel, wallet.IntentNoOp:
	}
	return list
}

// build is the command that makes the batches of a slot's sender.
func build(d *outgoing.Dossier, why string) Choice {
	args := []string{"build-withdrawals", "-o", "batch.json"}
	if d.Float {
		args = append(args, "--float")
	}
	return choice(why, args...)
}
