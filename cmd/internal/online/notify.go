package online

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/notifier"
	"github.com/airlock-wallet/airlock/wallet"
)

func newNotify(s *Station) *cobra.Command {
	follow := false
	c := &cobra.Command{
		Use:   "notify",
		Short: "Tell the endpoints what happened",
		Long: `Send what waits for the endpoints and is due, of all chains of the home. A
failed delivery is no error: it is tried again later, up to 24 h apart, and
given up after 12 tries and three days. The later events of its subject wait
for it; notify retry starts it over.

Run it from cron every minute, or once with --follow. Several at a time do not
send anything twice.`,
		Example: `  airlock notify
  airlock notify --follow`,
		RunE: func(c *cobra.Command, _ []string) error {
			return runNotify(c.Context(), s, follow)
		},
	}
	c.Flags().BoolVar(&follow, "follow", false, "go on until interrupted")
	c.AddCommand(newNotifyList(s), newNotifyRetry(s))
	return c
}

func runNotify(ctx context.Context, s *Station, follow bool) error {
	if follow {
		sum, err := followNotify(ctx, s)
		if err != nil {
			return err
		}
		return printNotify(s, sum)
	}
	notes := failureNotes{s: s, limit: 10}
	n := s.notifierWith(notes.options())
	sum, err := n.Pass(ctx)
	if err != nil {
		return err
	}
	notes.end()
	if err := noteEndpoints(ctx, s, n); err != nil {
		return err
	}
	return printNotify(s, sum)
}

// followNotify delivers until it is interrupted, and returns what was done in
// all. Endpoints that fail, and a store that is busy, are told and tried again.
func followNotify(ctx context.Context, s *Station) (notifier.Summary, error) {
	notes := failureNotes{s: s}
	n := s.notifierWith(notes.options())
	sum, err := n.Follow(ctx)
	if err == nil {
		err = noteEndpoints(ctx, s, n)
	}
	return sum, unlessEnded(ctx, err)
}

func printNotify(s *Station, sum notifier.Summary) error {
	return s.Print(sum, func(w io.Writer) { fmt.Fprintln(w, notifyLine(sum)) })
}

func notifyLine(sum notifier.Summary) string {
	return fmt.Sprintf("%d delivered, %d failed, %d pending, %d dead", sum.Delivered, sum.Failed, sum.Pending, sum.Dead)
}

// noteEndpoints says which endpoints wait for an operator.
func noteEndpoints(ctx context.Context, s *Station, n *notifier.Notifier) error {
	list, err := n.Endpoints(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	for _, e := range list {
		switch {
		case !e.Enabled():
			s.Note("endpoint %s is disabled (%s), %s for it: airlock endpoint enable %s", e.ID, e.DisabledReason, plural(e.Pending+e.Dead, "event waits", "events wait"), e.ID)
		case e.Dead > 0:
			s.Note("endpoint %s: %s given up: airlock notify list --status dead, then airlock notify retry", e.ID, plural(e.Dead, "delivery was", "deliveries were"))
		}
	}
	return nil
}

// failureNotes tells people of failed attempts, up to a limit. It is safe for
// concurrent use.
type failureNotes struct {
	s     *Station
	limit int // 0 for none

	mu     sync.Mutex
	failed int
}

func (f *failureNotes) options() notifier.Options {
	return notifier.Options{
		Observe: f.observe,
		Problem: func(err error) { f.note("%v; going on", err) },
	}
}

func (f *failureNotes) observe(d wallet.Delivery) {
	if d.Status == wallet.DeliveryDelivered {
		return
	}
	f.mu.Lock()
	f.failed++
	tell := f.limit == 0 || f.failed <= f.limit
	f.mu.Unlock()
	if tell {
		f.note("%s, %s of %s: %s", d.ID(), d.Type, d.Subject, d.Answer)
	}
}

func (f *failureNotes) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.s.Note(format, args...)
}

func (f *failureNotes) end() {
	if f.limit > 0 && f.failed > f.limit {
		f.s.Note("%d more failed: airlock notify list --status pending", f.failed-f.limit)
	}
}

// deliveryRow is a delivery as programs read it.
type deliveryRow struct {
	ID          string                `json:"id"`
	Endpoint    string                `json:"endpoint"`
	Event       string                `json:"event"`
	Type        wallet.EventType      `json:"type"`
	Subject     string                `json:"subject"`
	Status      wallet.DeliveryStatus `json:"status"`
	Held        bool                  `json:"held"` // waits for an earlier event of its subject
	Attempts    int                   `json:"attempts"`
	Code        int                   `json:"code"`   // last HTTP status, 0 without an answer
	Answer      string                `json:"answer"` // why the last attempt failed
	LastAt      time.Time             `json:"last_at,omitzero"`
	NextAt      time.Time             `json:"next_at,omitzero"` // when it is due; missing means at once, or never
	DeliveredAt time.Time             `json:"delivered_at,omitzero"`
}

func newDeliveryRow(d wallet.Delivery) deliveryRow {
	return deliveryRow{
		ID: d.ID(), Endpoint: d.Endpoint, Event: d.Event, Type: d.Type, Subject: d.Subject, Status: d.Status, Held: d.Held,
		Attempts: d.Attempts, Code: d.Code, Answer: d.Answer, LastAt: d.LastAt, NextAt: d.Next, DeliveredAt: d.DeliveredAt,
	}
}

// when says in a word or a time what a delivery waits for.
func (r deliveryRow) when() string {
	switch {
	case r.Status != wallet.DeliveryPending:
		return ""
	case r.Held:
		return "held"
	case r.NextAt.IsZero():
		return "now"
	}
	return r.NextAt.UTC().Format(time.RFC3339)
}

func newNotifyList(s *Station) *cobra.Command {
	var (
		f      = notifier.LogFilter{Limit: 1000}
		status string
	)
	c := &cobra.Command{
		Use:   "list",
		Short: "List deliveries, those of the newest events first",
		Long: `List deliveries, those of the newest events first. A pending one is due at its
time, now, or held by an earlier event of the same subject. Delivered ones are
forgotten after 30 days.`,
		Example: `  airlock notify list --status dead
  airlock notify list --endpoint ep_1 --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			if f.Limit < 0 {
				return wallet.As(wallet.ErrUsage, "--limit %d: want 0 or more", f.Limit)
			}
			f.Status = wallet.DeliveryStatus(status)
			return runNotifyList(c.Context(), s, f)
		},
	}
	c.Flags().StringVar(&status, "status", "", "only deliveries of a `status`: pending, delivered or dead")
	c.Flags().StringVar(&f.Endpoint, "endpoint", "", "only deliveries to an endpoint, by its `id`")
	c.Flags().IntVar(&f.Limit, "limit", f.Limit, "at most `N` rows; 0 for all")
	return c
}

func runNotifyList(ctx context.Context, s *Station, f notifier.LogFilter) error {
	list, err := s.notifier().Log(ctx, f)
	if err != nil {
		return err
	}
	rows := make([]deliveryRow, len(list))
	for i, d := range list {
		rows[i] = newDeliveryRow(d)
	}
	return s.Print(rows, func(w io.Writer) {
		t := s.Table(w, "ID", "STATUS", "ATTEMPTS", "NEXT", "TYPE", "SUBJECT", "CODE", "ANSWER")
		for _, r := range rows {
			t.Row(r.ID, r.Status, r.Attempts, r.when(), r.Type, r.Subject, r.Code, r.Answer)
		}
		t.Close()
	})
}

func newNotifyRetry(s *Station) *cobra.Command {
	endpoint := ""
	c := &cobra.Command{
		Use:   "retry [ID…]",
		Short: "Make deliveries due now, also those given up",
		Long: `Make deliveries due now: those given up start over with all their tries, and
those that wait for their time are hurried. The next notify sends them.

IDs are of deliveries (ep_1.42) or of events (evt_…). Where an earlier event of
the same subject holds one back, the earlier one is retried, so that the order
stays. Without IDs everything that is not delivered is retried.`,
		Example: `  airlock notify retry
  airlock notify retry --endpoint ep_1
  airlock notify retry ep_1.42`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			count, err := s.notifier().Retry(c.Context(), args, endpoint)
			if err != nil {
				return err
			}
			result := struct {
				Retried int `json:"retried"`
			}{count}
			return s.Print(result, func(w io.Writer) { fmt.Fprintln(w, plural(count, "delivery is", "deliveries are"), "due now") })
		},
	}
	c.Flags().StringVar(&endpoint, "endpoint", "", "only deliveries to an endpoint, by its `id`")
	return c
}
