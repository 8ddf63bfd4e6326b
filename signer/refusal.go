package signer

import (
	"fmt"
	"strings"

	"github.com/airlock-wallet/airlock/wallet"
)

// The rules that refuse a batch, beside those of the format and the policy.
const (
	RuleExpired      = "expired"         // its time is over
	RuleVault        = "vault"           // it is another vault's
	RuleAddress      = "address"         // an address is not where its path leads
	RuleSlot         = "slot"            // another payload was signed for the nonce, and not the one to be replaced
	RuleWatermark    = "watermark"       // the nonce is below those that the record knows of
	RuleWithdrawal   = "withdrawal"      // the withdrawal was signed with another nonce, or is another
	RuleRecord       = "record"          // the signing record is older than the batch, knows nothing of a sender, or is another vault's
	RuleClock        = "clock"           // the clock is far ahead of the record
	RuleRequester    = "requester"       // a withdrawal carries a signature that is not its requester's
	RuleRequests     = "requests"        // a list that came another way does not have the withdrawal
	RuleDigest       = "digest"          // the digest is not the expected one
	RuleHalted       = "halted"          // the home is halted
	RulePolicy       = "policy"          // there is no policy
	RulePolicyPrefix = "policy "         // and the policy's key
	maxToldRefusals  = 10                // of one batch, in an error's text
	recordRestored   = "record-restored" // see Risks
	secondNonce      = "second-nonce"    // see Risks
)

// Refusal is one reason why a batch is not signed.
type Refusal struct {
	Rule  string // one of the rules above
	Item  int    // position from 0, or -1 for the whole batch
	Field string // JSON pointer into the batch, or empty
	Value string // what the batch has there
	Why   string // what is wrong with it, as a sentence's end
	Hint  string // the way out, or empty
}

func (r Refusal) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "[%s]", r.Rule)
	if r.Item >= 0 {
		fmt.Fprintf(&s, " item %d", r.Item)
	}
	if r.Field != "" {
		fmt.Fprintf(&s, " (%s)", r.Field)
	}
	fmt.Fprintf(&s, ": %s %s", r.Value, r.Why)
	return s.String()
}

// Refused is the error of a batch that is not signed. It is of class
// [wallet.ErrRefused].
type Refused struct {
	Refusals []Refusal // at least one, in the order of the batch
}

func (e *Refused) Error() string {
	var s strings.Builder
	s.WriteString("nothing was signed: ")
	if n := len(e.Refusals); n > 1 {
		fmt.Fprintf(&s, "%d refusals:\n", n)
	}
	for i, r := range e.Refusals {
		if i == maxToldRefusals {
			fmt.Fprintf(&s, "\nand %d more", len(e.Refusals)-i)
			break
		}
		if i > 0 {
			s.WriteByte('\n')
		}
		s.WriteString(r.String())
	}
	return s.String()
}

// Unwrap puts the error in the class of refusals.
func (e *Refused) Unwrap() error { return wallet.ErrRefused }

// refused makes the error, with the first way out there is.
func refused(list ...Refusal) error {
	if len(list) == 0 {
		return nil
	}
	var err error = &Refused{list}
	for _, r := range list {
		if r.Hint != "" {
			return wallet.WithHint(err, "%s", r.Hint)
		}
	}
	return err
}
