package outgoing

import (
	"fmt"

	"github.com/airlock-wallet/airlock/wallet"
)

// NextStep says in words what a withdrawal waits for, or "" if it is settled. d
// is the dossier of its slot, nil while no batch holds it. met says whether its
// fees are what the next block may ask; it is nil where the market is not known.
func NextStep(w *wallet.Withdrawal, d *Dossier, met *bool) string {
	switch {
	case w.Status.Settled() && (d == nil || d.Vanished == nil):
		return ""
	case d == nil && w.Status == wallet.WithdrawalRequested:
		return "airlock withdraw approve " + w.ID
	case d == nil || d.Outgoing == nil:
		return "airlock build-withdrawals puts it into a batch"
	case d.Doubt != nil:
		return fmt.Sprintf("airlock resolve %s shows what is in doubt, and the safe ways on", w.ID)
	case d.Mined != nil && d.Final:
		return "airlock confirm settles it"
	case d.Mined != nil:
		return fmt.Sprintf("wait until block %d is final: airlock scan and airlock confirm settle it then", d.Mined.BlockNumber)
	}
	o := d.Outgoing
	canceling := o.Wish == wallet.WishCancel
	awaited := o.Awaited(canceling)
	switch {
	case canceling && o.Cancellation() != nil:
		return "airlock confirm sends its cancel until one of the two is mined"
	case awaited != nil && (canceling || o.Serving() == nil):
		return fmt.Sprintf("sign batch %s, then airlock broadcast the signed file", awaited.Batch)
	case canceling:
		return "airlock build-withdrawals makes its cancel"
	case o.Serving() == nil:
		return "airlock build-withdrawals builds it again, at its nonce"
	}
	return nextOffer(o, d.Before, met)
}

// nextOffer is what a signed transaction waits for that is not mined.
func nextOffer(o *wallet.Outgoing, before Queue, met *bool) string {
	a := o.Serving()
	switch {
	case before.Held != "":
		return "see to what is before it: airlock resolve shows what holds it up"
	case o.State == wallet.OutgoingSigned:
		return "airlock confirm sends it"
	case o.Wish == wallet.WishBump && a.Offered < len(a.Signed):
		return "airlock confirm sends its next rung"
	case o.Wish == wallet.WishBump && o.Awaited(false) != nil:
		return fmt.Sprintf("sign batch %s, then airlock broadcast the signed file", o.Awaited(false).Batch)
	case o.Wish == wallet.WishBump:
		return "airlock build-withdrawals builds it again with higher fees"
	case o.State == wallet.OutgoingOffered:
		return fmt.Sprintf("airlock confirm offers it again; airlock resolve %s shows what each endpoint says", o.Intent.ID)
	case met == nil || *met:
		return "wait: airlock scan finds it in a block"
	case a.Offered < len(a.Signed):
		return "airlock confirm offers its next rung when it is due"
	}
	return fmt.Sprintf("wait until fees fall, or airlock withdraw bump %s", o.Intent.ID)
}

// Why says why a slot's transaction is not further, as far as the store knows, or
// "".
func (d *Dossier) Why() string {
	switch {
	case d.Outgoing == nil || d.Mined != nil:
		return ""
	case d.Outgoing.Answer != "":
		return d.Outgoing.Answer
	case d.Before.Held != "":
		return d.Before.Held
	case d.Wait != "":
		return d.Wait
	case d.Outgoing.State == wallet.OutgoingOffered:
		return "no node shows it yet"
	}
	return ""
}
