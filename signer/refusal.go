package signer

import (
	"fmt"
	"slices"
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

// policyWayOut tells what an operator can do about a key of the policy that
// forbids something.
func policyWayOut(key string) string {
	switch key {
	case "approvals":
		return "its approvers add theirs to the file (approve); policy check says whose are still missing"
	case "requests_signed":
		return "have its requester sign it (airlock withdraw typed-data, withdraw endorse), and build it again"
	case "recipients_delay":
		return "sign it when the recipient counts; until then somebody can read the policy again and take out whom nobody knows"
	case "max_age":
		return "check this station's clock; if it is right, discard the batch and build it again"
	case "max_per_recipient", "max_per_day", "max_per_week":
		return "policy check says what is left; sign it when enough of what was signed before is past that time, or discard it and build a smaller one"
	}
	return "policy check explains the policy; what it forbids is signed nowhere: discard the batch, and reject or build anew what is in it"
}

// refused makes the error, with every way out once, in the order of the
// refusals that are told.
func refused(list ...Refusal) error {
	if len(list) == 0 {
		return nil
	}
	var ways []string
	for _, r := range list[:min(len(list), maxToldRefusals)] {
		if r.Hint != "" && !slices.Contains(ways, r.Hint) {
			ways = append(ways, r.Hint)
		}
	}
	if len(ways) == 0 {
		return &Refused{list}
	}
	return wallet.WithHint(&Refused{list}, "%s", strings.Join(ways, "\n"))
}
