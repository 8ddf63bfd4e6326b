package notifier_test

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/airlock-wallet/airlock/notifier"
	"github.com/airlock-wallet/airlock/wallet"
)

func errorIs(err, class error) bool { return errors.Is(err, class) }

func TestCheckURL(t *testing.T) {
	for _, good := range []string{"https://example.com", "http://127.0.0.1:8080/hook?key=1", "https://[::1]/a"} {
		if err := notifier.CheckURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	tests := map[string]string{
		"":                           "scheme",
		"example.com/hook":           "scheme",
		"ftp://example.com":          "scheme",
		"file:///etc/passwd":         "scheme",
		"https://":                   "no host",
		"https:///path":              "no host",
		"https://user@example.com":   "user name",
		"https://u:word@example.com": "user name",
		"https://example.com/#top":   "fragment",
		"https://example.com/#":      "fragment",
		"https://exa mple.com":       "cannot be parsed",
		"https://example.com/\x1b":   "cannot be parsed",
		"https://example.com/" + strings.Repeat("x", 2048): "2068 bytes",
	}
	for bad, words := range tests {
		err := notifier.CheckURL(bad)
		wantError(t, err, wallet.ErrUsage, words)
		if strings.Contains(err.Error(), "word@") {
			t.Errorf("%v shows the password", err)
		}
	}
}

func TestCheckSecret(t *testing.T) {
	of := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for _, good := range []string{of(24), of(64), notifier.NewSecret()} {
		if err := (notifier.Standard{}).CheckSecret(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	tests := map[string]string{
		"":                                  "want whsec_",
		of(23):                              "23 bytes",
		of(65):                              "65 bytes",
		strings.TrimPrefix(of(32), "w"):     "want whsec_",
		"whsec_" + strings.Repeat("A", 42):  "want whsec_", // no padding
		"whsec_" + strings.Repeat("_-", 16): "want whsec_", // the URL alphabet
		of(32) + "\n":                       "want whsec_",
		"whsec_" + strings.Repeat("A", 42) + "B=":                      "want whsec_", // bits that no byte holds
		"WHSEC_" + base64.StdEncoding.EncodeToString(make([]byte, 32)): "want whsec_",
	}
	for bad, words := range tests {
		if err := (notifier.Standard{}).CheckSecret(bad); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v, want %q", bad, err, words)
		}
	}
	if a, b := notifier.NewSecret(), notifier.NewSecret(); a == b {
		t.Error("two secrets are the same")
	}
}

func TestParseEvents(t *testing.T) {
	tests := map[string][]wallet.EventType{
		"":                 nil,
		"deposit.detected": {wallet.DepositDetectedEvent},
		"sweep.*":          {wallet.SweepConfirmedEvent, wallet.SweepFailedEvent},
		"sweep.failed, deposit.confirmed,sweep.failed": {wallet.DepositConfirmedEvent, wallet.SweepFailedEvent},
	}
	for list, want := range tests {
		if got, err := notifier.ParseEvents(list); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", list, got, err)
		}
	}
	for _, bad := range []string{"deposit", "*", "deposit*", "deposit.detected,", "Deposit.detected", "de.*"} {
		_, err := notifier.ParseEvents(bad)
		wantError(t, err, wallet.ErrUsage, "want some of deposit.detected")
	}
}

func TestFormatOf(t *testing.T) {
	if f, err := notifier.FormatOf("standard"); err != nil || f.Name() != "standard" {
		t.Errorf("%v, %v", f, err)
	}
	_, err := notifier.FormatOf("md5")
	wantError(t, err, wallet.ErrUsage, "want standard")
}
