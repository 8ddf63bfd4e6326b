package formats

import (
	"strings"
	"testing"

	"github.com/airlock-wallet/airlock/wallet/ur"
)

// The parts on the page make the watch file on the page. They are not written
// again and compared, since compressors change.
func TestQR(t *testing.T) {
	if *update {
		message, err := ur.PackFile([]byte(example(t, "watch")))
		if err != nil {
			t.Fatal(err)
		}
		e, err := ur.NewEncoder(ur.FileType, message, 200)
		if err != nil {
			t.Fatal(err)
		}
		var texts strings.Builder
		for range e.Count() {
			texts.WriteString(e.Next().String() + "\n")
		}
		write(t, "qr", texts.String())
	}
	var d ur.Decoder
	for text := range strings.Lines(example(t, "qr")) {
		p, err := ur.ParsePart(strings.ToUpper(strings.TrimSuffix(text, "\n")))
		if err != nil {
			t.Fatal(err)
		}
		if fresh, err := d.Add(p); err != nil || !fresh {
			t.Fatalf("part %d: %v, %v", p.Number, fresh, err)
		}
	}
	kind, message, err := d.Message()
	if err != nil || kind != ur.FileType {
		t.Fatal(kind, err)
	}
	file, err := ur.UnpackFile(message)
	if err != nil || string(file) != example(t, "watch") {
		t.Errorf("%q, %v", file, err)
	}
}
