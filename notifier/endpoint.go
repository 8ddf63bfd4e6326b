package notifier

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/airlock-wallet/airlock/wallet"
)

const maxURL = 2048

// CheckURL refuses what cannot be an endpoint: it must be an absolute http or
// https URL of at most 2048 bytes, without user name and password (which would
// be printed with it) and without fragment.
func CheckURL(s string) error {
	u, err := url.Parse(s)
	bad := func(why string) error { return wallet.As(wallet.ErrUsage, "endpoint URL: %s", why) }
	switch {
	case err != nil:
		return bad("it cannot be parsed") // the parser's words repeat the URL
	case len(s) > maxURL:
		return bad(fmt.Sprintf("it has %d bytes, at most %d are allowed", len(s), maxURL))
	case u.User != nil:
		return wallet.WithHint(bad("it holds a user name or password"), "receivers check the signature instead; leave them out")
	case u.Scheme != "http" && u.Scheme != "https":
		return bad(fmt.Sprintf("scheme %q: want https or http", u.Scheme))
	case u.Hostname() == "":
		return bad("it names no host")
	case u.Fragment != "" || strings.HasSuffix(s, "#"):
		return bad("it has a fragment (#…), which is never sent")
	}
	return nil
}

// Host is the part of an endpoint's URL that may stand in logs: paths and
// queries may hold keys.
func Host(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return "unknown host"
	}
	return u.Host
}

// ParseEvents reads a comma-separated list of event types, in which
// "withdrawal.*" means all types that begin so as of now. The empty list means
// all types, also later ones.
func ParseEvents(list string) ([]wallet.EventType, error) {
	if list == "" {
		return nil, nil
	}
	var want []wallet.EventType
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		group, isGroup := strings.CutSuffix(name, "*")
		known := false
		for _, t := range wallet.EventTypes() {
			if string(t) == name || (isGroup && strings.HasSuffix(group, ".") && strings.HasPrefix(string(t), group)) {
				known = true
				want = append(want, t)
			}
		}
		if !known {
			return nil, wallet.As(wallet.ErrUsage, "event type %.60q: want some of %s", name, typeNames())
		}
	}
	// In the order of a life, each once.
	var sorted []wallet.EventType
	for _, t := range wallet.EventTypes() {
		if slices.Contains(want, t) {
			sorted = append(sorted, t)
		}
	}
	return sorted, nil
}

func typeNames() string {
	var names []string
	for _, t := range wallet.EventTypes() {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}
