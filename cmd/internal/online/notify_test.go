package online

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// notifyHome is a home with a store, a secret and a receiver that answers
// with *code.
type notifyHome struct {
	t      *testing.T
	dir    string
	secret string
	url    string
	code   *int
}

func newNotifyHome(t *testing.T) *notifyHome {
	t.Helper()
	h := &notifyHome{t: t, dir: t.TempDir(), code: new(int)}
	*h.code = http.StatusOK
	if _, err := bolt.Create(t.Context(), filepath.Join(h.dir, storeFile)); err != nil {
		t.Fatal(err)
	}
	h.secret = filepath.Join(h.dir, "hook.secret")
	h.run(cli.ExitDone, "endpoint", "secret", "-o", h.secret)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(*h.code) }))
	t.Cleanup(server.Close)
	h.url = server.URL + "/hooks?key=hidden"
	return h
}

// run runs a command and returns what it wrote.
func (h *notifyHome) run(exit int, args ...string) (out, notes string) {
	h.t.Helper()
	env, stdout, stderr := cli.Test(h.dir)
	if got := cli.MainContext(context.Background(), New(env), env, args); got != exit {
		h.t.Errorf("airlock %q: exit code %d, want %d: %s", args, got, exit, stderr)
	}
	return stdout.String(), stderr.String()
}

// json runs a command with --json and decodes what it wrote.
func (h *notifyHome) json(into any, args ...string) {
	h.t.Helper()
	out, _ := h.run(cli.ExitDone, append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		h.t.Fatalf("airlock %q wrote %q: %v", args, out, err)
	}
}

func (h *notifyHome) emit(subject string, n int) string {
	h.t.Helper()
	e := wallet.Event{
		ID: wallet.EventID(wallet.DepositDetectedEvent, subject, fmt.Sprint(n)), Type: wallet.DepositDetectedEvent,
		Subject: subject, Timestamp: time.Now(), Data: json.RawMessage(`{}`),
	}
	if err := bolt.Open(filepath.Join(h.dir, storeFile)).Update(h.t.Context(), func(tx store.Tx) error { return store.Emit(tx, e) }); err != nil {
		h.t.Fatal(err)
	}
	return e.ID
}

type jsonRow = map[string]any

func (h *notifyHome) wantNotify(want string) (notes string) {
	h.t.Helper()
	out, notes := h.run(cli.ExitDone, "notify", "--json")
	if got := strings.TrimSpace(out); got != want {
		h.t.Errorf("notify: %s, want %s", got, want)
	}
	return notes
}

func TestNotifyCommands(t *testing.T) {
	h := newNotifyHome(t)
	var added, again jsonRow
	h.json(&added, "endpoint", "add", h.url, "--secret-file", h.secret)
	h.json(&again, "endpoint", "add", h.url, "--secret-file", h.secret)
	if added["id"] != "ep_1" || added["url"] != h.url || added["format"] != "standard" || added["status"] != "enabled" || again["id"] != "ep_1" {
		t.Errorf("endpoint add: %v, then %v", added, again)
	}

	first := h.emit("a", 1)
	h.emit("b", 1)
	h.wantNotify(`{"delivered":2,"failed":0,"pending":0,"dead":0}`)
	h.wantNotify(`{"delivered":0,"failed":0,"pending":0,"dead":0}`)

	*h.code = http.StatusTeapot
	failing := h.emit("a", 2)
	h.emit("a", 3)
	notes := h.wantNotify(`{"delivered":0,"failed":1,"pending":2,"dead":0}`)
	if !strings.Contains(notes, "ep_1.3, deposit.detected of a: answered 418") || strings.Contains(notes, "hidden") {
		t.Errorf("notes: %s", notes)
	}

	var log []jsonRow
	h.json(&log, "notify", "list", "--status", "pending", "--endpoint", "ep_1")
	if len(log) != 2 || log[0]["held"] != true || log[1]["event"] != failing || log[1]["held"] != false || log[1]["attempts"] != 1.0 || log[1]["next_at"] == nil {
		t.Errorf("notify list: %v", log)
	}
	if out, _ := h.run(cli.ExitDone, "notify", "list"); strings.Count(out, "\n") != 4 || !strings.Contains(out, "ep_1.4\tpending\t0\theld\t") {
		t.Errorf("notify list: %s", out)
	}

	*h.code = http.StatusNoContent
	var retried jsonRow
	h.json(&retried, "notify", "retry", "ep_1.4")
	if retried["retried"] != 1.0 {
		t.Errorf("notify retry: %v", retried)
	}
	h.wantNotify(`{"delivered":2,"failed":0,"pending":0,"dead":0}`)
	if _, notes := h.run(cli.ExitFailed, "notify", "retry", first); !strings.Contains(notes, "delivered already") {
		t.Errorf("retry of what was delivered: %s", notes)
	}

	*h.code = http.StatusGone
	h.emit("c", 1)
	if notes := h.wantNotify(`{"delivered":0,"failed":1,"pending":1,"dead":0}`); !strings.Contains(notes, "disabled (it answered 410 Gone), 1 event waits for it: airlock endpoint enable ep_1") {
		t.Errorf("notes: %s", notes)
	}
	*h.code = http.StatusOK
	h.run(cli.ExitDone, "endpoint", "enable", "ep_1")
	h.run(cli.ExitDone, "notify", "retry")
	h.wantNotify(`{"delivered":1,"failed":0,"pending":0,"dead":0}`)

	h.run(cli.ExitDone, "endpoint", "disable", "ep_1")
	var list []jsonRow
	h.json(&list, "endpoint", "list")
	if len(list) != 1 || list[0]["status"] != "disabled" {
		t.Errorf("endpoint list: %v", list)
	}
	var removed jsonRow
	h.json(&removed, "endpoint", "remove", "ep_1")
	if removed["status"] != "removed" {
		t.Errorf("endpoint remove: %v", removed)
	}
	if out, _ := h.run(cli.ExitDone, "endpoint", "list", "--json"); out != "[]\n" {
		t.Errorf("endpoint list: %q", out)
	}
}

func TestNotifyRefusals(t *testing.T) {
	h := newNotifyHome(t)
	open := filepath.Join(h.dir, "open.secret")
	if err := os.WriteFile(open, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), 0o644); err != nil { //nolint:gosec // what is refused
		t.Fatal(err)
	}
	short := filepath.Join(h.dir, "short.secret")
	if err := os.WriteFile(short, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		exit  int
		words string
		args  []string
	}{
		"no secret":        {cli.ExitUsage, "secret-file", []string{"endpoint", "add", h.url}},
		"readable secret":  {cli.ExitFailed, "chmod 600", []string{"endpoint", "add", h.url, "--secret-file", open}},
		"no such file":     {cli.ExitFailed, "no such file", []string{"endpoint", "add", h.url, "--secret-file", short + "x"}},
		"malformed secret": {cli.ExitUsage, "endpoint secret -o FILE makes one", []string{"endpoint", "add", h.url, "--secret-file", short}},
		"user in URL":      {cli.ExitUsage, "user name or password", []string{"endpoint", "add", "https://u:p@example.com", "--secret-file", h.secret}},
		"scheme":           {cli.ExitUsage, "want https or http", []string{"endpoint", "add", "ftp://example.com", "--secret-file", h.secret}},
		"unknown format":   {cli.ExitUsage, "want standard", []string{"endpoint", "add", h.url, "--secret-file", h.secret, "--format", "md5"}},
		"unknown event":    {cli.ExitUsage, "--events: event type", []string{"endpoint", "add", h.url, "--secret-file", h.secret, "--events", "deposit"}},
		"secret is there":  {cli.ExitFailed, "already exists", []string{"endpoint", "secret", "-o", h.secret}},
		"no endpoint":      {cli.ExitFailed, "endpoint list shows", []string{"endpoint", "remove", "ep_7"}},
		"endpoint id":      {cli.ExitUsage, "want an id such as ep_1", []string{"endpoint", "remove", "7"}},
		"status":           {cli.ExitUsage, "want pending, delivered or dead", []string{"notify", "list", "--status", "failed"}},
		"limit":            {cli.ExitUsage, "--limit -1", []string{"notify", "list", "--limit", "-1"}},
		"delivery id":      {cli.ExitUsage, "want an id such as ep_1.42", []string{"notify", "retry", "42"}},
		"unknown command":  {cli.ExitUsage, "unknown command", []string{"notify", "again"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := &notifyHome{t: t, dir: h.dir}
			out, notes := h.run(test.exit, test.args...)
			if !strings.Contains(notes, test.words) || out != "" {
				t.Errorf("wrote %q and %q, want %q", out, notes, test.words)
			}
			if strings.Contains(notes, "hunter2") || strings.Contains(notes, "u:p") {
				t.Errorf("shows a secret: %s", notes)
			}
		})
	}
	if out, _ := h.run(cli.ExitDone, "endpoint", "list", "--json"); out != "[]\n" {
		t.Errorf("something was added: %s", out)
	}
}
