package signer

import (
	"context"
	"slices"
	"strings"

	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// Note is something that happened on the station and was not a signature.
// Texts may come from files: whoever shows them escapes them. No secret ever
// goes into one.
type Note struct {
	Kind  Kind
	Vault string       // fingerprint of the mnemonic concerned, in hex, or empty
	Batch *batch.Batch // the batch concerned, or nil
	What  string       // in words, such as "changed the passphrase"; at most 500 characters are kept
	Rules []string     // of a refusal
	Risks []string     // that were accepted by name
}

// maxWhat bounds what an entry says in words.
const maxWhat = 500 // characters

// Note writes something into the record's chain, where audit verify and audit
// export find it. Record and Now are all that it needs of the service; a
// policy is noted with it.
//
// It is called when the thing has been decided and before its result leaves the
// station: before a passphrase opens anything that is used, before a file is
// renamed into its place, before a page is shown. If it fails, so does the
// command: what cannot be noted does not happen. Commands call it through
// Station.note, which knows what to do where a home has no record.
func (s *Service) Note(ctx context.Context, n Note) error {
	e := Entry{Kind: n.Kind, Vault: n.Vault, What: shorten(n.What), Rules: n.Rules, Risks: n.Risks}
	if s.Policy != nil {
		e.PolicyHash = s.Policy.Hash
	}
	if b := n.Batch; b != nil {
		digest, err := b.HexDigest()
		if err != nil {
			return err
		}
		e.Vault, e.ChainID, e.Batch, e.Digest, e.Items = b.Vault, b.ChainID, b.ID, digest, len(b.Items)
	}
	return s.Record.Update(ctx, func(tx store.Tx) error {
		last, err := lastLink(tx)
		if err != nil {
			return err
		}
		momentOf(s.Now(), last, s.Date).stamp(&e)
		_, err = last.append(tx, &e, nil)
		return err
	})
}

// RefusalNote tells of an error of [wallet.ErrRefused]; b is nil where there is
// no readable batch.
func RefusalNote(b *batch.Batch, err error) Note {
	n := Note{Kind: KindRefusal, Batch: b, What: err.Error()}
	list, _ := IsRefused(err)
	for _, r := range list {
		if !slices.Contains(n.Rules, r.Rule) {
			n.Rules = append(n.Rules, r.Rule)
		}
	}
	return n
}

// shorten keeps of a text what fits an entry, as valid UTF-8.
func shorten(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if r := []rune(text); len(r) > maxWhat {
		return string(r[:maxWhat-1]) + "…"
	}
	return text
}
