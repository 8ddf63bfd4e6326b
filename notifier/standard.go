package notifier

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
)

// The headers of Standard Webhooks 1.0.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
)

// secretPrefix begins a symmetric secret in its text form.
const secretPrefix = "whsec_"

// The length of a secret, in bytes, that the specification allows.
const (
	minSecret = 24
	maxSecret = 64
)

// Standard is the format of Standard Webhooks 1.0
// (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md)
// with symmetric signatures, scheme v1: HMAC-SHA256 over
// id "." timestamp "." body.
type Standard struct{}

// Name implements Format.
func (Standard) Name() string { return "standard" }

// NewSecret makes a random secret of 32 bytes in its text form.
func NewSecret() string {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(key)
}

// CheckSecret implements Format: whsec_ and 24 to 64 bytes in base64.
func (Standard) CheckSecret(secret string) error {
	_, err := decodeSecret(secret)
	return err
}

func decodeSecret(secret string) ([]byte, error) {
	digits, ok := strings.CutPrefix(secret, secretPrefix)
	ok = ok && !strings.ContainsAny(digits, "\r\n") // which the decoder skips
	key, err := base64.StdEncoding.Strict().DecodeString(digits)
	switch {
	case !ok || err != nil:
		return nil, fmt.Errorf("secret: want %s followed by base64 with padding", secretPrefix)
	case len(key) < minSecret || len(key) > maxSecret:
		return nil, fmt.Errorf("secret: holds %d bytes, want %d to %d", len(key), minSecret, maxSecret)
	}
	return key, nil
}

// standardBody is what receivers parse; docs/formats.md specifies it.
type standardBody struct {
	ID        string           `json:"id"`
	Type      wallet.EventType `json:"type"`
	Timestamp time.Time        `json:"timestamp"` // of the event, not of the attempt
	Data      json.RawMessage  `json:"data"`
}

// Message implements Format.
func (Standard) Message(e wallet.Event, secret string, at time.Time) (Message, error) {
	key, err := decodeSecret(secret)
	if err != nil {
		return Message{}, err
	}
	body, err := json.Marshal(standardBody{e.ID, e.Type, e.Timestamp.UTC(), e.Data})
	if err != nil {
		return Message{}, fmt.Errorf("event %s: %w", e.ID, err)
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set(HeaderID, e.ID)
	h.Set(HeaderTimestamp, stamp)
	h.Set(HeaderSignature, "v1,"+base64.StdEncoding.EncodeToString(sign(key, e.ID, stamp, body)))
	return Message{h, body}, nil
}

func sign(key []byte, id, stamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
	return mac.Sum(nil)
}

// Accepts implements Format: any 2xx status.
func (Standard) Accepts(code int, _ []byte) error {
	if code >= 200 && code <= 299 {
		return nil
	}
	return fmt.Errorf("answered %d %s", code, http.StatusText(code))
}
