package ur

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
)

func encoder(t testing.TB, message []byte, fragment int) *Encoder {
	t.Helper()
	e, err := NewEncoder(FileType, message, fragment)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func part(t testing.TB, text string) *Part {
	t.Helper()
	p, err := ParsePart(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Whatever is lost, doubled or comes late: the decoder has the message or asks
// for more, never other bytes; and it has it as soon as the parts determine it.
func TestAnyPartsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		message := rapid.SliceOfN(rapid.Byte(), 1, 2000).Draw(rt, "message")
		e := encoder(t, message, rapid.IntRange(max(1, len(message)/150), len(message)).Draw(rt, "fragment"))
		var texts []string
		for range rapid.IntRange(e.Count(), 4*e.Count()+20).Draw(rt, "shown") {
			if p := e.Next(); rapid.IntRange(0, 2).Draw(rt, "lost") > 0 {
				texts = append(texts, p.String())
			}
		}
		texts = append(texts, rapid.SliceOfN(rapid.SampledFrom(append(texts, e.Next().String())), 0, 20).Draw(rt, "again")...)
		texts = rapid.Permutation(texts).Draw(rt, "order")
		for range 20 * e.Count() {
			texts = append(texts, e.Next().String()) // until it must be complete
		}
		var d Decoder
		seen := map[string]bool{}
		for n, text := range texts {
			before, _ := d.Progress()
			fresh, err := d.Add(part(t, text))
			if err != nil {
				rt.Fatalf("part %d: %v", n, err)
			}
			have, want := d.Progress()
			if want != e.Count() || (have > before) != fresh || have > want || (fresh && seen[text]) {
				rt.Fatalf("part %d, new %v: %d, then %d of %d", n, fresh, before, have, want)
			}
			seen[text] = true
			if d.Done() {
				break
			}
			if _, got, err := d.Message(); err == nil {
				rt.Fatalf("after %d parts there is a message of %d bytes already", n+1, len(got))
			}
		}
		kind, got, err := d.Message()
		if err != nil || kind != FileType || !bytes.Equal(got, message) {
			rt.Fatalf("%s %x, %v; want %x", kind, got, err, message)
		}
	})
}

// Each fragment once is enough; so is one mixture in place of a lost one.
func TestNoPartIsWasted(t *testing.T) {
	e := encoder(t, message(1000), 50)
	var d Decoder
	for n := range e.Count() {
		if p := e.Next(); n != 7 {
			if fresh, err := d.Add(p); err != nil || !fresh {
				t.Fatalf("fragment %d: %v, %v", n, fresh, err)
			}
		}
	}
	for !d.Done() {
		p := e.Next()
		fresh, err := d.Add(p)
		if err != nil || fresh != slices.Contains(d.mixer.choose(p.Number), 7) {
			t.Fatalf("mixture %d of %v: %v, %v", p.Number, d.mixer.choose(p.Number), fresh, err)
		}
	}
	if _, got, err := d.Message(); err != nil || !bytes.Equal(got, message(1000)) {
		t.Errorf("%x, %v", got, err)
	}
}

func TestPartsOfAnotherMessage(t *testing.T) {
	here := message(500)
	longer, other := message(501), slices.Clone(here)
	other[3] ^= 1
	kind, err := NewEncoder("crypto-psbt", here, 100)
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]*Encoder{
		"length": encoder(t, longer, 100), "content": encoder(t, other, 100), "fragments": encoder(t, here, 90), "type": kind,
	} {
		var d Decoder
		mine := encoder(t, here, 100)
		if _, err := d.Add(mine.Next()); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Add(e.Next()); !errors.Is(err, wallet.ErrRefused) || !strings.Contains(err.Error(), "another message") {
			t.Errorf("another %s: %v", name, err)
		}
		for !d.Done() {
			if _, err := d.Add(mine.Next()); err != nil {
				t.Fatal(err)
			}
		}
		if _, got, err := d.Message(); err != nil || !bytes.Equal(got, here) {
			t.Errorf("after another %s: %x, %v", name, got, err)
		}
	}
}

// Each thing that parts have in common is compared, also by parts that nobody
// but a forger makes.
func TestForgedParts(t *testing.T) {
	for name, forge := range map[string]func(*Part){
		"type":     func(p *Part) { p.Type = "byte" },
		"count":    func(p *Part) { p.Count++ },
		"length":   func(p *Part) { p.MessageLen-- },
		"checksum": func(p *Part) { p.Checksum++ },
		"fragment": func(p *Part) { p.Data = append(p.Data, 0) },
	} {
		e := encoder(t, message(500), 100)
		var d Decoder
		if _, err := d.Add(e.Next()); err != nil {
			t.Fatal(err)
		}
		p := e.Next()
		forge(p)
		if _, err := d.Add(p); !errors.Is(err, wallet.ErrRefused) || !strings.Contains(err.Error(), "another message") {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

// A forger who knows length and checksum can spoil a message, but not change
// it: what does not fit is noticed.
func TestContradiction(t *testing.T) {
	forge := func(p *Part) *Part {
		forged := *p
		forged.Data = slices.Clone(p.Data)
		forged.Data[0] ^= 1
		return &forged
	}
	e := encoder(t, message(500), 100)
	var parts []*Part
	for range e.Count() {
		parts = append(parts, e.Next())
	}
	var d Decoder
	for _, p := range append([]*Part{forge(parts[0])}, parts[1:]...) {
		if _, err := d.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Add(parts[0]); !errors.Is(err, ErrContradiction) || !errors.Is(err, wallet.ErrRefused) {
		t.Errorf("the same part with other content: %v", err)
	}
	if _, got, err := d.Message(); !errors.Is(err, ErrContradiction) {
		t.Errorf("a forged fragment makes %x, %v", got, err)
	}
	padded := encoder(t, message(499), 100)
	d = Decoder{}
	for range padded.Count() {
		p := padded.Next()
		if p.Number == 5 {
			p.Data[99] = 1
		}
		if _, err := d.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	if _, got, err := d.Message(); !errors.Is(err, ErrContradiction) {
		t.Errorf("bytes after the message: %x, %v", got, err)
	}
}

func TestForeignTexts(t *testing.T) {
	good := encoder(t, message(500), 100).Next()
	bad := func(change func(*wire)) string {
		w := wire{Number: 1, Count: 5, MessageLen: 500, Checksum: good.Checksum, Data: good.Data}
		change(&w)
		data, err := MarshalCBOR(w)
		if err != nil {
			t.Fatal(err)
		}
		return "ur:bytes/1-5/" + encodeBytewords(data)
	}
	upper := strings.ToUpper(good.String())
	if !strings.Contains(upper, "K") {
		t.Fatal("want a part with a K")
	}
	long := encodeBytewords(append([]byte{0x98, 5, 1, 5, 0x19, 1, 0xf4, 0x1a, 1, 2, 3, 4, 0x58, 100}, make([]byte, 100)...)) // 5 in two bytes
	tests := map[string]struct {
		text    string
		refused bool
	}{
		"empty":            {"", false},
		"a web page":       {"https://example.com/1-5/lpad", false},
		"no data":          {"ur:bytes", false},
		"no type":          {"ur:/1-5/lpad", false},
		"a bad type":       {"ur:by_tes/aeadaolazmjendeoti", false},
		"too many fields":  {good.String() + "/x", false},
		"cut short":        {good.String()[:80], false},
		"another number":   {strings.Replace(good.String(), "1-5", "2-5", 1), false},
		"a leading zero":   {strings.Replace(good.String(), "1-5", "01-5", 1), false},
		"no number":        {strings.Replace(good.String(), "1-5/", "/", 1), false},
		"a Kelvin sign":    {strings.Replace(upper, "K", "\u212a", 1), false},
		"a space":          {good.String() + " ", false},
		"part 0":           {strings.Replace(bad(func(w *wire) { w.Number = 0 }), "1-5", "0-5", 1), false},
		"of 0 parts":       {strings.Replace(bad(func(w *wire) { w.Count = 0 }), "1-5", "1-0", 1), false},
		"nothing in it":    {bad(func(w *wire) { w.Data = nil }), false},
		"too few bytes":    {bad(func(w *wire) { w.Data = w.Data[:99] }), false},
		"too many bytes":   {bad(func(w *wire) { w.Data = append(w.Data, make([]byte, 25)...) }), false},
		"of no message":    {bad(func(w *wire) { w.MessageLen = 0 }), false},
		"not the shortest": {"ur:bytes/1-5/" + long, false},
		"long":             {"ur:bytes/" + strings.Repeat("ae", MaxText), false},
		"a huge message":   {bad(func(w *wire) { w.MessageLen = MaxMessage + 1 }), true},
		"many parts":       {strings.Replace(bad(func(w *wire) { w.Count = MaxParts + 1 }), "1-5", "1-8193", 1), true},
	}
	if _, err := ParsePart(bad(func(*wire) {})); err != nil {
		t.Fatalf("unchanged: %v", err)
	}
	for name, test := range tests {
		p, err := ParsePart(test.text)
		if err == nil {
			t.Errorf("%s is read as part %d of %d", name, p.Number, p.Count)
		}
		if errors.Is(err, ErrForeign) == test.refused || errors.Is(err, wallet.ErrRefused) != test.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEncoderBounds(t *testing.T) {
	for name, test := range map[string]struct {
		kind     string
		size     int
		fragment int
	}{
		"empty": {FileType, 0, 10}, "too big": {FileType, MaxMessage + 1, 1000}, "too many parts": {FileType, MaxParts + 1, 1},
		"no fragments": {FileType, 10, 0}, "type": {"By/tes", 10, 10},
	} {
		if _, err := NewEncoder(test.kind, make([]byte, test.size), test.fragment); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	e := encoder(t, message(MaxParts), 1)
	e.part.Number = MaxNumber
	if p := e.Next(); p.Number != 1 {
		t.Errorf("after part %d comes part %d", MaxNumber, p.Number)
	}
}

func TestFragmentFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 20_000).Draw(t, "message")
		room := rapid.IntRange(70, 1000).Draw(t, "characters")
		f := FragmentFor(FileType, size, room)
		if f == 0 {
			t.Skip("no room")
		}
		e, err := NewEncoder(FileType, message(size), f)
		if err != nil {
			t.Fatal(err)
		}
		if e.part.Number = MaxNumber - 1; len(e.Next().String()) > room {
			t.Errorf("fragments of %d bytes take %d characters", f, len(e.Next().String()))
		}
	})
}

func TestFiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		file := rapid.SliceOf(rapid.Byte()).Draw(t, "file")
		message, err := PackFile(file)
		if err != nil {
			t.Fatal(err)
		}
		back, err := UnpackFile(message)
		if err != nil || !bytes.Equal(back, file) {
			t.Fatalf("%x, %v; want %x", back, err, file)
		}
		at := rapid.IntRange(0, len(message)-1).Draw(t, "at")
		message[at] ^= rapid.ByteRange(1, 255).Draw(t, "flip")
		if back, err := UnpackFile(message); err == nil && !bytes.Equal(back, file) {
			t.Fatalf("a changed message holds %x", back)
		}
	})
}

func TestFilesRefused(t *testing.T) {
	pack := func(file []byte, change func([]byte) []byte) []byte {
		sum := sha256.Sum256(file)
		b := bytes.NewBuffer(append([]byte{packedVersion}, sum[:]...))
		w, err := flate.NewWriter(b, flate.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(file); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		message, err := MarshalCBOR(change(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		return message
	}
	same := func(b []byte) []byte { return b }
	file := []byte("a file")
	if got, err := UnpackFile(pack(file, same)); err != nil || !bytes.Equal(got, file) {
		t.Fatalf("unchanged: %q, %v", got, err)
	}
	for name, test := range map[string]struct {
		message []byte
		say     string
	}{
		"a bomb":          {pack(make([]byte, MaxFile+1), same), "once decompressed"},
		"another version": {pack(file, func(b []byte) []byte { b[0] = 2; return b }), "version 2"},
		"another file":    {pack(file, func(b []byte) []byte { b[1] ^= 1; return b }), "SHA-256"},
		"more":            {pack(file, func(b []byte) []byte { return append(b, 0) }), "more after"},
		"cut short":       {pack(file, func(b []byte) []byte { return b[:len(b)-3] }), "decompressed"},
		"only a head":     {pack(file, func(b []byte) []byte { return b[:20] }), "too few"},
		"text":            {[]byte{0x63, 'a', 'b', 'c'}, "CBOR"},
		"nothing":         {[]byte{0xf6}, "too few"},
	} {
		if got, err := UnpackFile(test.message); !errors.Is(err, wallet.ErrRefused) || !strings.Contains(err.Error(), test.say) {
			t.Errorf("%s: %d bytes, %v; want %q", name, len(got), err, test.say)
		}
	}
	if _, err := PackFile(make([]byte, MaxFile+1)); !errors.Is(err, wallet.ErrRefused) {
		t.Errorf("a huge file: %v", err)
	}
	if _, err := PackFile(message(MaxMessage + 1)); !errors.Is(err, wallet.ErrRefused) {
		t.Errorf("a file that does not compress: %v", err)
	}
}

// harmless gives a text to a decoder that has some of a message. What is
// accepted makes the message, or an error; never other bytes.
func harmless(t *testing.T, message []byte, text string) (accepted bool) {
	t.Helper()
	p, err := ParsePart(text)
	if err != nil {
		return false
	}
	if again, err := ParsePart(strings.ToUpper(p.String())); err != nil || (p.Count > 1 && p.String() != lower(text)) || !bytes.Equal(again.Data, p.Data) {
		t.Fatalf("%q is read as %q, %v", text, p, err)
	}
	var d Decoder
	e := encoder(t, message, 40)
	if _, err := d.Add(e.Next()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Add(p); errors.Is(err, wallet.ErrRefused) {
		return false
	} else if err != nil {
		t.Fatal(err)
	}
	for !d.Done() {
		if _, err := d.Add(e.Next()); err != nil {
			return false
		}
	}
	kind, got, err := d.Message()
	if err == nil && (kind != FileType || !bytes.Equal(got, message)) {
		t.Fatalf("%q turns the message into %s %x", text, kind, got)
	}
	return err == nil
}

// Twenty thousand changes of parts: bytes, pieces left out, doubled, exchanged
// or taken from other parts, and forged ones whose checksum was made right.
func TestMutatedParts(t *testing.T) {
	message, random := message(300), rand.New(rand.NewPCG(5, 6))
	e := encoder(t, message, 40)
	var texts []string
	for range 3 * e.Count() {
		texts = append(texts, e.Next().String())
	}
	other := func() string { return texts[random.IntN(len(texts))] }
	piece := func(s string) (from, to int) {
		from = random.IntN(len(s))
		return from, from + random.IntN(len(s)-from)
	}
	for range 20_000 {
		text := other()
		from, to := piece(text)
		changed := map[int]string{
			0: text[:from] + string(rune(random.IntN(0x2200))) + text[from+1:],
			1: text[:from] + text[to:],
			2: text[:to] + text[from:],
			3: text[:from] + other()[min(from, 60):],
			4: strings.ToUpper(text[:from]) + text[from:],
			5: text[:from] + string("0123456789-/"[random.IntN(12)]) + text[from:],
		}[random.IntN(8)]
		if changed == "" { // the CBOR in it, with a right checksum
			slash := strings.LastIndexByte(text, '/') + 1
			data, err := decodeBytewords(text[slash:])
			if err != nil {
				t.Fatal(err)
			}
			data[random.IntN(len(data))] ^= byte(1 << random.IntN(8))
			changed = text[:slash] + encodeBytewords(data)
		}
		// Parts of other parts can be a part again: it must be one of ours.
		if harmless(t, message, changed) && !slices.Contains(texts, lower(changed)) {
			t.Errorf("%q was accepted in place of %q", changed, text)
		}
	}
}

func FuzzParts(f *testing.F) {
	message := message(300)
	e := encoder(f, message, 40)
	for range 3 * e.Count() {
		f.Add(e.Next().String())
	}
	f.Add("UR:BYTES/1-9/LPADASCFADAXCYWENBPLJKHDCAHKADAEMEJTSWHHYLKEPMYKHHTSYTSNOYOYAXAEDSUTTYDMMHHPKTPMSRJTDKGSLPGH")
	f.Add("ur:eth-signature/oeadtpdagdndcawmgtfrkigrpmndutdnbtkgfssbjnaohdfptywtosrftahprdctrkbegylogdghjkbafhflamfwlohghtpsseaozorsimnybbtnnbiynlckenbtfmeeamsabnaeoxasjkwswfkekiieckhpecckssptndzelnwfecylbwdlsgvazt")
	f.Fuzz(func(t *testing.T, text string) { harmless(t, message, text) })
}
