package formats

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the examples of the page anew")

// page is the document, seen from here.
const page = "../../../docs/formats.md"

// required are the examples that the page must have, in its order: it may have
// no others, since each is read by a test.
var required = []string{
	"mnemonic", "passphrase", "values", "limits",
	"watch", "fingerprint", "addresses",
	"batch", "digest", "sweep-batch", "sweep-digest",
	"approval", "approved", "request", "requested", "signed-batch", "qr",
	"vault", "share", "second-share", "audit-export", "keystore",
	"policy", "policy-check", "review", "config", "quarantine", "csv", "payee-csv", "transfer-csv", "token-list",
	"webhook-secret", "webhook", "verify",
	"deposit-event", "withdrawal-event", "sweep-event",
}

// fence is a block with an example: its language, name and text.
var fence = regexp.MustCompile("(?ms)^```([a-z]+) example=([a-z-]+)\n(.*?)^```$")

func readPage(t *testing.T) []byte {
	t.Helper()
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// example is the text of an example. It ends in a newline.
func example(t *testing.T, name string) string {
	t.Helper()
	for _, m := range fence.FindAllSubmatch(readPage(t), -1) {
		if string(m[2]) == name {
			return string(m[3])
		}
	}
	t.Fatalf("%s has no example %s", page, name)
	return ""
}

// line is an example of one line, without the newline.
func line(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSuffix(example(t, name), "\n")
}

// same fails unless an example is what the code produces. With -update it
// becomes that.
func same(t *testing.T, name, produced string) {
	t.Helper()
	have := example(t, name)
	if have == produced {
		return
	}
	if !*update {
		t.Errorf("example %s:\n%s\nthe code produces:\n%s", name, have, produced)
		return
	}
	write(t, name, produced)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	raw := readPage(t)
	head := fmt.Appendf(nil, " example=%s\n", name)
	start := bytes.Index(raw, head) + len(head)
	end := start + bytes.Index(raw[start:], []byte("```"))
	raw = slices.Concat(raw[:start], []byte(text), raw[end:])
	if err := os.WriteFile(page, raw, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestExamples guards against an example that is lost, or that nobody reads.
func TestExamples(t *testing.T) {
	var have []string
	for _, m := range fence.FindAllSubmatch(readPage(t), -1) {
		have = append(have, string(m[2]))
	}
	if !slices.Equal(have, required) {
		t.Errorf("the page has the examples\n%q\nwant\n%q", have, required)
	}
	if n := bytes.Count(readPage(t), []byte("example=")); n != len(required) {
		t.Errorf("%d blocks call themselves examples, and %d can be read", n, len(required))
	}
}
