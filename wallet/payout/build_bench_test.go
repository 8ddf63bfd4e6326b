package payout

import "testing"

// BenchmarkBuild10k plans a batch of 10,000 withdrawals with the default ladder and
// cancels, and makes it, but writes nothing. The allocations are also those of the
// node, which is in the same process and estimates gas; cmd/airlock's ToFinality
// measures the memory of the program alone.
func BenchmarkBuild10k(b *testing.B) {
	const many = 10_000
	w := newNetwork(b).newWorld(b, b.TempDir())
	w.several(many)
	b.ReportAllocs()
	for b.Loop() {
		plan, err := w.s.Estimate(w.ctx, w.client, BuildOptions{Expiry: testExpiry, Cancel: true})
		if err != nil || len(plan.Batch.Items) != many {
			b.Fatalf("%d left out, %v", len(plan.LeftOut), err)
		}
	}
}
