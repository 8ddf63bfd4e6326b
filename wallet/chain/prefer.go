package chain

import "context"

type preferLast struct{}

// PreferLast has a Client's calls ask the endpoints in the reverse of their
// order of preference, so that what is read a second time comes from another
// one than before, where there is one that answers.
func PreferLast(ctx context.Context) context.Context {
	return context.WithValue(ctx, preferLast{}, true)
}

func prefersLast(ctx context.Context) bool { return ctx.Value(preferLast{}) != nil }
