package online

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/notifier"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
)

func newEndpoint(s *Station) *cobra.Command {
	return cli.Group("endpoint", "Manage who is told of events",
		newEndpointAdd(s), newEndpointList(s), newEndpointRemove(s), newEndpointEnable(s), newEndpointDisable(s), newEndpointSecret(s))
}

// notifier delivers the outbox of the home.
func (s *Station) notifier() *notifier.Notifier { return s.notifierWith(notifier.Options{}) }

func (s *Station) notifierWith(o notifier.Options) *notifier.Notifier {
	o.Now = s.Now
	return notifier.New(s.Store(), o)
}

// endpointRow is an endpoint as programs read it. It has no chain: an endpoint
// is told of all chains of the home.
type endpointRow struct {
	ID        string             `json:"id"`
	URL       string             `json:"url"`
	Format    string             `json:"format"`
	Events    []wallet.EventType `json:"events"` // all that it is told of
	Status    string             `json:"status"`
	Reason    string             `json:"reason,omitzero"` // why it is disabled
	Paused    time.Time          `json:"paused_until,omitzero"`
	Pending   int                `json:"pending"`
	Dead      int                `json:"dead"`
	CreatedAt time.Time          `json:"created_at"`
}

func (s *Station) endpointRow(e notifier.EndpointState) endpointRow {
	row := endpointRow{
		ID: e.ID, URL: e.URL, Format: e.Format, Events: e.Events, Status: e.Status(s.Now()), Reason: e.DisabledReason,
		Pending: e.Pending, Dead: e.Dead, CreatedAt: e.CreatedAt,
	}
	if row.Status == "paused" {
		row.Paused = e.PausedUntil
	}
	if len(row.Events) == 0 {
		row.Events = wallet.EventTypes()
	}
	return row
}

func printEndpoints(s *Station, w io.Writer, rows []endpointRow) {
	t := s.Table(w, "ID", "STATUS", "PENDING", "DEAD", "FORMAT", "EVENTS", "URL")
	for _, r := range rows {
		events := "all"
		if len(r.Events) < len(wallet.EventTypes()) {
			var names []string
			for _, e := range r.Events {
				names = append(names, string(e))
			}
			events = strings.Join(names, ",")
		}
		t.Row(r.ID, r.Status, r.Pending, r.Dead, r.Format, events, r.URL)
	}
	t.Close()
}

func printEndpoint(s *Station, e notifier.EndpointState) error {
	row := s.endpointRow(e)
	return s.Print(row, func(w io.Writer) { printEndpoints(s, w, []endpointRow{row}) })
}

func newEndpointAdd(s *Station) *cobra.Command {
	var secretFile, format, events string
	c := &cobra.Command{
		Use:   "add URL --secret-file FILE",
		Short: "Tell a system of events from now on",
		Long: `Tell a system of events from now on. Each event is sent as an HTTP POST, signed
with the secret, until the system answers with a 2xx status; docs/formats.md
says what it receives and how it verifies that.

The secret is whsec_ and 24 to 64 bytes in base64, in a file that nobody else
can read; airlock endpoint secret makes one. URLs are printed by endpoint list.
Adding the same endpoint again changes nothing.

--events takes names such as deposit.confirmed, or withdrawal.* for a group.`,
		Example: `  airlock endpoint secret -o hook.secret
  airlock endpoint add https://shop.example/hooks --secret-file hook.secret
  airlock endpoint add https://desk.example/hooks --secret-file desk.secret --events deposit.confirmed,withdrawal.*`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return runEndpointAdd(c.Context(), s, args[0], secretFile, format, events)
		},
	}
	c.Flags().StringVar(&secretFile, "secret-file", "", "`file` with the secret that signs what is sent")
	c.Flags().StringVar(&format, "format", notifier.Formats()[0].Name(), "`format` of what is sent")
	c.Flags().StringVar(&events, "events", "", "`list` of event types, separated by commas (default all)")
	if err := c.MarkFlagRequired("secret-file"); err != nil {
		panic(err) // the flag is defined above
	}
	return c
}

func runEndpointAdd(ctx context.Context, s *Station, url, secretFile, format, events string) error {
	types, err := notifier.ParseEvents(events)
	if err != nil {
		return fmt.Errorf("--events: %w", err)
	}
	secret, err := secretfile.ReadSecret(secretFile)
	if err != nil {
		return err
	}
	defer clear(secret)
	ep, err := s.notifier().AddEndpoint(ctx, notifier.EndpointRequest{URL: url, Secret: string(secret), Format: format, Events: types})
	if err != nil {
		return err
	}
	return printEndpoint(s, notifier.EndpointState{Endpoint: ep})
}

func newEndpointList(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List who is told of events",
		Long: `List who is told of events, how many deliveries wait for each, and how many were
given up. Secrets are not shown.`,
		Example: "  airlock endpoint list --json",
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := s.notifier().Endpoints(c.Context())
			if err != nil {
				return err
			}
			rows := make([]endpointRow, len(list))
			for i, e := range list {
				rows[i] = s.endpointRow(e)
			}
			return s.Print(rows, func(w io.Writer) { printEndpoints(s, w, rows) })
		},
	}
}

func newEndpointRemove(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:   "remove ID",
		Short: "Tell a system no more, and forget what waits for it",
		Long: `Tell a system no more, and forget its secret and the log of its deliveries. What
is not delivered yet is never told; endpoint disable keeps it instead.`,
		Example: "  airlock endpoint remove ep_1",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			e, err := s.notifier().RemoveEndpoint(c.Context(), args[0])
			if err != nil {
				return err
			}
			if lost := e.Pending + e.Dead; lost > 0 {
				s.Note("%s that it did not accept yet will never be told to it", plural(lost, "event", "events"))
			}
			return printEndpoint(s, e)
		},
	}
}

func newEndpointEnable(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:   "enable ID",
		Short: "Go on telling a system that was disabled",
		Long: `Go on telling a system that was disabled, by an operator or by its answer 410
Gone. The events that it missed meanwhile are queued, in order.`,
		Example: "  airlock endpoint enable ep_1",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			e, err := s.notifier().EnableEndpoint(c.Context(), args[0])
			if err != nil {
				return err
			}
			return printEndpoint(s, e)
		},
	}
}

func newEndpointDisable(s *Station) *cobra.Command {
	return &cobra.Command{
		Use:     "disable ID",
		Short:   "Stop telling a system, and keep what waits for it",
		Long:    `Stop telling a system until endpoint enable. Nothing is lost by that.`,
		Example: "  airlock endpoint disable ep_1",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			e, err := s.notifier().DisableEndpoint(c.Context(), args[0], "an operator disabled it")
			if err != nil {
				return err
			}
			return printEndpoint(s, e)
		},
	}
}

func newEndpointSecret(s *Station) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "secret -o FILE",
		Short: "Make a new secret for an endpoint",
		Long: `Make a new random secret of 32 bytes and write it to a file of mode 0600, for
endpoint add and for the system that verifies with it. A file that is there is
not replaced. Nothing is written to the store.`,
		Example: "  airlock endpoint secret -o hook.secret",
		RunE: func(*cobra.Command, []string) error {
			if err := secretfile.Create(out, []byte(notifier.NewSecret()+"\n")); err != nil {
				return err
			}
			result := struct {
				File string `json:"file"`
			}{out}
			return s.Print(result, func(w io.Writer) { fmt.Fprintln(w, cli.Clean(out)) })
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "`file` to write")
	if err := c.MarkFlagRequired("output"); err != nil {
		panic(err) // the flag is defined above
	}
	return c
}
