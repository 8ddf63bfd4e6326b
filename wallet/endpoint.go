package wallet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Endpoint is who is told of events: a URL of the business's systems. Its
// secret is a record of its own, so that printing an endpoint cannot leak it.
type Endpoint struct {
	ID     string      `json:"id"` // EndpointID
	URL    string      `json:"url"`
	Format string      `json:"format"`           // how a request looks, such as "standard"
	Events []EventType `json:"events,omitempty"` // subscribed types; none means all
	// DisabledAt is when the endpoint was switched off, zero while it is on.
	// Nothing is queued for a disabled endpoint; the events it missed are those
	// after the sequence number Missed, and are queued when it is enabled again.
	DisabledAt     time.Time `json:"disabled_at,omitzero"`
	DisabledReason string    `json:"disabled_reason,omitzero"`
	Missed         uint64    `json:"missed,omitzero"`
	// PausedUntil is when the endpoint wants to hear from us again, as it said
	// with Retry-After; until then nothing is sent to it.
	PausedUntil time.Time `json:"paused_until,omitzero"`
	// Removed says that only the endpoint's records are left to be deleted.
	Removed   bool      `json:"removed,omitzero"`
	CreatedAt time.Time `json:"created_at"`
}

// Enabled reports whether events are queued for the endpoint and sent to it.
func (e *Endpoint) Enabled() bool { return e.DisabledAt.IsZero() && !e.Removed }

// Wants reports whether the endpoint subscribed to a type.
func (e *Endpoint) Wants(t EventType) bool {
	return len(e.Events) == 0 || slices.Contains(e.Events, t)
}

// EndpointID names the n-th endpoint of a home. Numbers are never used again.
func EndpointID(n uint64) string { return fmt.Sprintf("ep_%d", n) }

// ParseEndpointID reads exactly the form that EndpointID writes.
func ParseEndpointID(s string) (n uint64, err error) {
	digits, ok := strings.CutPrefix(s, "ep_")
	if ok {
		n, err = strconv.ParseUint(digits, 10, 64)
	}
	if !ok || err != nil || EndpointID(n) != s {
		return 0, fmt.Errorf("endpoint %.60q: want an id such as ep_1", s)
	}
	return n, nil
}

// DeliveryStatus is where the telling of one event to one endpoint is.
type DeliveryStatus string

// A delivery is pending until the endpoint accepts it, then delivered. It is
// dead once it was given up; it is kept, and can be tried again.
const (
	DeliveryPending   DeliveryStatus = "pending"
	DeliveryDelivered DeliveryStatus = "delivered"
	DeliveryDead      DeliveryStatus = "dead"
)

// DeliveryStatuses lists every status, in the order of a life.
func DeliveryStatuses() []DeliveryStatus {
	return []DeliveryStatus{DeliveryPending, DeliveryDelivered, DeliveryDead}
}

// Delivery is the telling of one event to one endpoint.
type Delivery struct {
	Endpoint string    `json:"endpoint"`
	Sequence uint64    `json:"sequence"` // of the event, in the order of the home
	Event    string    `json:"event"`    // the event's id
	Type     EventType `json:"type"`
	Subject  string    `json:"subject"`

	Status DeliveryStatus `json:"status"`
	// Held says that an earlier event of the same subject is not delivered to
	// this endpoint yet: this one waits behind it.
	Held bool `json:"held,omitzero"`
	// Next is when a pending delivery that is not held is due; zero is at once.
	Next time.Time `json:"next,omitzero"`
	// Lease says who is sending it right now, nil for nobody.
	Lease *Lease `json:"lease,omitzero"`

	Attempts    int       `json:"attempts"`         // requests that got an answer or failed, in all
	Tries       int       `json:"tries,omitzero"`   // those since Since
	Since       time.Time `json:"since,omitzero"`   // first try, or first one after it was revived
	LastAt      time.Time `json:"last_at,omitzero"` // of the last attempt
	Code        int       `json:"code,omitzero"`    // last HTTP status; 0 when there was no answer
	Answer      string    `json:"answer,omitzero"`  // why the last attempt failed
	DeliveredAt time.Time `json:"delivered_at,omitzero"`
}

// Lease keeps two processes from sending the same delivery at the same time.
// It is void after Until, or once the process that By names is known to be
// gone.
type Lease struct {
	By    string    `json:"by"`
	Until time.Time `json:"until"`
}

// ID names the delivery: its endpoint and the event's sequence number.
func (d *Delivery) ID() string { return fmt.Sprintf("%s.%d", d.Endpoint, d.Sequence) }

// ParseDeliveryID reads exactly the form that Delivery.ID writes.
func ParseDeliveryID(s string) (endpoint string, sequence uint64, err error) {
	endpoint, digits, ok := strings.Cut(s, ".")
	if ok {
		_, err = ParseEndpointID(endpoint)
	}
	if ok && err == nil {
		sequence, err = strconv.ParseUint(digits, 10, 64)
	}
	if d := (Delivery{Endpoint: endpoint, Sequence: sequence}); !ok || err != nil || d.ID() != s {
		return "", 0, fmt.Errorf("delivery %.60q: want an id such as ep_1.42", s)
	}
	return endpoint, sequence, nil
}
