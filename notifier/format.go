package notifier

import (
	"net/http"
	"strings"
	"time"

	"github.com/airlock-wallet/airlock/wallet"
)

// Format is how an event is put into an HTTP POST request, and which answer
// accepts it.
type Format interface {
	// Name is what endpoints record, and operators type.
	Name() string
	// CheckSecret refuses a secret that the format cannot use. The error must
	// not repeat the secret.
	CheckSecret(secret string) error
	// Message makes the request for an attempt at the given time. Whatever
	// the time, the body of an event is the same.
	Message(e wallet.Event, secret string, at time.Time) (Message, error)
	// Accepts judges an answer by its status code and the first part of its
	// body: nil is yes, an error says why not.
	Accepts(code int, body []byte) error
}

// Message is the part of a request that a format decides.
type Message struct {
	Header http.Header
	Body   []byte
}

// Formats lists the known formats; the first is the default.
func Formats() []Format { return []Format{Standard{}} }

// FormatOf finds a format by its name.
func FormatOf(name string) (Format, error) {
	var names []string
	for _, f := range Formats() {
		if f.Name() == name {
			return f, nil
		}
		names = append(names, f.Name())
	}
	return nil, wallet.As(wallet.ErrUsage, "format %.60q: want %s", name, strings.Join(names, " or "))
}
