package notifier_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/airlock-wallet/airlock/notifier"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// BenchmarkPass delivers events of different subjects to one quick endpoint.
func BenchmarkPass(b *testing.B) {
	db, err := bolt.Create(b.Context(), b.TempDir()+"/airlock.db")
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	n := notifier.New(db, notifier.Options{})
	if _, err := n.AddEndpoint(b.Context(), notifier.EndpointRequest{URL: server.URL, Secret: notifier.NewSecret(), Format: "standard"}); err != nil {
		b.Fatal(err)
	}
	if err := db.Update(b.Context(), func(tx store.Tx) error {
		for i := range b.N {
			if err := store.Emit(tx, event(wallet.DepositDetectedEvent, fmt.Sprint(i), 1)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	if s, err := n.Pass(b.Context()); err != nil || s.Delivered != b.N {
		b.Fatal(s, err)
	}
}
