package mutation

import (
	"fmt"
	"iter"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode/utf16"
)

// edit is a change of a file.
type edit struct {
	how   string // what was done
	where string // JSON pointer (RFC 6901) of what it was done to, or line of a policy
	file  []byte
}

// spelling is a text in the place of a value.
type spelling struct{ how, text string }

// digits is what a text of decimal digits can be made.
func digits(s string) []spelling {
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		return nil
	}
	plus := func(m *big.Int) string { return m.Add(m, n).String() }
	power := func(exponent uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), exponent) }
	other := func(zero rune) string {
		return strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return zero + r - '0'
			}
			return r
		}, s)
	}
	list := []spelling{
		{"leading zero", "0" + s},
		{"plus sign", "+" + s},
		{"minus sign", "-" + s},
		{"minus zero", "-0"},
		{"point", s + ".0"},
		{"point without digits", s + "."},
		{"exponent e0", s + "e0"},
		{"exponent E+0", s + "E+0"},
		{"1e0", "1e0"},
		{"1e18", "1e18"},
		{"hexadecimal", fmt.Sprintf("0x%x", n)},
		{"octal", fmt.Sprintf("0o%o", n)},
		{"underscore", s[:1] + "_" + s[1:]},
		{"thousands", s[:1] + "," + s[1:]},
		{"arabic digits", other('٠')},
		{"wide digits", other('０')},
		{"mathematical digits", other('𝟎')},
		{"one more", plus(big.NewInt(1))},
		{"one less", plus(big.NewInt(-1))},
		{"tenfold", s + "0"},
		{"wraps 8 bits", plus(power(8))},
		{"wraps 32 bits", plus(power(32))},
		{"wraps 64 bits", plus(power(64))},
		{"wraps 128 bits", plus(power(128))},
		{"wraps 256 bits", plus(power(256))},
		{"largest of 64 bits", "18446744073709551615"},
		{"smallest of 64 bits", "-9223372036854775808"},
		{"10^1000", "1" + strings.Repeat("0", 1000)},
		{"NaN", "NaN"},
		{"infinity", "Infinity"},
	}
	return list
}

// lookalikes are letters that look like others.
var lookalikes = strings.NewReplacer(
	"a", "а", "e", "е", "o", "о", "p", "р", "c", "с", "x", "х", "i", "і", "s", "ѕ", "y", "у", "d", "ԁ", "0", "О", "1", "l", "-", "‐", "/", "∕", "'", "’",
)

// odd are characters that are hard to see, or change what is seen around them.
var odd = []spelling{
	{"space", " "},
	{"tab", "\t"},
	{"line end", "\n"},
	{"NUL", "\x00"},
	{"escape", "\x1b[2J"},
	{"delete", "\x7f"},
	{"no-break space", "\u00a0"},
	{"soft hyphen", "\u00ad"},
	{"zero width space", "\u200b"},
	{"zero width joiner", "\u200d"},
	{"right-to-left override", "\u202e"},
	{"right-to-left isolate", "\u2067"},
	{"line separator", "\u2028"},
	{"byte order mark", "\ufeff"},
	{"combining accent", "\u0301"},
	{"variation selector", "\ufe0f"},
	{"tag", "\U000e0041"},
	{"accent composed (NFC)", "\u00e9"},
	{"accent apart (NFD)", "e\u0301"},
	{"replacement character", "\ufffd"},
	{"noncharacter", "\uffff"},
	{"letter", "a"},
	{"digit", "0"},
}

// texts is what a text can be made, spelled in JSON.
func texts(s string) []spelling {
	var list []spelling
	add := func(how, text string) { list = append(list, spelling{how, quote(text)}) }
	for _, d := range digits(s) {
		list = append(list, spelling{"text of " + d.how, quote(d.text)}, spelling{"number of " + d.how, d.text})
	}
	if s != "" {
		last := len(s) - 1
		add("upper case", strings.ToUpper(s))
		add("lower case", strings.ToLower(s))
		add("title case", strings.ToUpper(s[:1])+s[1:])
		add("without its end", s[:last])
		add("without its beginning", s[1:])
		add("backwards", reverse(s))
		add("twice", s+s)
		add("last one higher", s[:last]+string(rune(s[last]+1)))
		add("first one higher", string(rune(s[0]+1))+s[1:])
		add("lookalikes", lookalikes.Replace(s))
		add("one lookalike", s[:last]+lookalikes.Replace(s[last:]))
		add("wide form", string(rune(s[0])-'!'+'！')+s[1:])
	}
	add("long", strings.Repeat(s+"x", 1+100_000/(len(s)+1)))
	for _, o := range odd {
		add(o.how+" before", o.text+s)
		add(o.how+" behind", s+o.text)
		if half := len(s) / 2; half > 0 {
			add(o.how+" within", s[:half]+o.text+s[half:])
		}
	}
	raw := quote(s)
	inside := raw[1 : len(raw)-1]
	var escaped strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		fmt.Fprintf(&escaped, `\u%04X`, u)
	}
	list = append(list,
		spelling{"escapes", `"` + escaped.String() + `"`},
		spelling{"lower-case escapes", `"` + strings.ReplaceAll(strings.ToLower(escaped.String()), `\U`, `\u`) + `"`},
		spelling{"escaped solidus", `"` + strings.ReplaceAll(inside, "/", `\/`) + `"`},
		spelling{"half a surrogate pair", `"` + inside + `\ud800"`},
		spelling{"surrogates in the wrong order", `"` + inside + `\udc00\ud800"`},
		spelling{"escape that JSON does not have", `"` + inside + `\x41"`},
		spelling{"quotes of another kind", `'` + inside + `'`},
		spelling{"raw line end", `"` + inside + "\n\""},
		spelling{"raw NUL", `"` + inside + "\x00\""},
		spelling{"not UTF-8", `"` + inside + "\xff\""},
		spelling{"overlong UTF-8", `"` + inside + "\xc0\xaf\""},
		spelling{"overlong NUL", `"` + inside + "\xc0\x80\""},
		spelling{"surrogate in UTF-8", `"` + inside + "\xed\xa0\x80\""},
		spelling{"open", `"` + inside},
	)
	return list
}

func reverse(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

// spellings is what any value can be made.
func spellings(n *node) []spelling {
	self := string(n.file())
	list := []spelling{
		{"null", "null"},
		{"true", "true"},
		{"false", "false"},
		{"zero", "0"},
		{"one", "1"},
		{"minus one", "-1"},
		{"a float", "0.1"},
		{"a float without digits before", ".1"},
		{"a huge number", "1e999"},
		{"empty text", `""`},
		{"empty list", "[]"},
		{"empty object", "{}"},
		{"within a list", "[" + self + "]"},
		{"within an object", `{"value":` + self + "}"},
		{"list of two", "[" + self + "," + self + "]"},
		{"as text", quote(self)},
		{"with a comment", "/* */" + self},
		{"twice without a comma", self + " " + self},
		{"comma behind", self + ","},
		{"deep", strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)},
	}
	switch n.kind {
	case '"':
		list = append(list, texts(unquote(n.raw))...)
	case '{', '[':
	default:
		for _, d := range digits(n.raw) {
			list = append(list, spelling{"number of " + d.how, d.text}, spelling{"text of " + d.how, quote(d.text)})
		}
	}
	return list
}

// names is what a member can be called instead, spelled in JSON.
func names(key string) []spelling {
	list := texts(unquote(key))
	return append(list, spelling{"no text", "1"}, spelling{"without quotes", unquote(key)})
}

// jsonEdits is every change of one value, member or element, at every place.
func jsonEdits(root *node) iter.Seq[edit] {
	return func(yield func(edit) bool) { walk(root, root, "", yield) }
}

func walk(root, n *node, where string, yield func(edit) bool) bool {
	emit := func(how string) bool { return yield(edit{how, where, root.file()}) }
	for _, s := range spellings(n) {
		n.instead = s.text
		more := emit(s.how)
		n.instead = ""
		if !more {
			return false
		}
	}
	change := func(how string, keys []string, kids []*node) bool {
		was := *n
		n.keys, n.kids = keys, kids
		more := emit(how)
		*n = was
		return more
	}
	if n.kind != '{' && n.kind != '[' {
		return true
	}
	object := n.kind == '{'
	keys := func(change func([]string) []string) []string {
		if !object {
			return nil
		}
		return change(slices.Clone(n.keys))
	}
	stranger := &node{kind: '"', raw: `"0"`}
	if !change("one more", keys(func(k []string) []string { return append(k, `"stranger"`) }), append(slices.Clone(n.kids), stranger)) {
		return false
	}
	if !change("backwards", keys(func(k []string) []string { slices.Reverse(k); return k }), reversed(n.kids)) {
		return false
	}
	for i, kid := range n.kids {
		below := fmt.Sprintf("%s/%d", where, i)
		if object {
			below = where + "/" + pointerToken(unquote(n.keys[i]))
		}
		at := func(how string, keys []string, kids []*node) bool {
			was := *n
			n.keys, n.kids = keys, kids
			more := yield(edit{how, below, root.file()})
			*n = was
			return more
		}
		insert := func(at int, value *node) []*node { return slices.Insert(slices.Clone(n.kids), at, value) }
		insertKey := func(at int, key string) []string {
			return keys(func(k []string) []string { return slices.Insert(k, at, key) })
		}
		key := ""
		if object {
			key = n.keys[i]
		}
		other := &node{kind: '"', raw: quote("9" + unquote(kid.raw))}
		if !at("missing", keys(func(k []string) []string { return slices.Delete(k, i, i+1) }), slices.Delete(slices.Clone(n.kids), i, i+1)) ||
			!at("stands twice", insertKey(i, key), insert(i, kid)) ||
			!at("stands twice, at the end again", insertKey(len(n.kids), key), insert(len(n.kids), kid)) ||
			!at("stands twice, another first", insertKey(0, key), insert(0, other)) ||
			!at("stands twice, another last", insertKey(len(n.kids), key), insert(len(n.kids), other)) {
			return false
		}
		if i > 0 {
			swapped := slices.Clone(n.kids)
			swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
			if !at("values swapped", n.keys, swapped) ||
				!at("order changed", keys(func(k []string) []string { k[i-1], k[i] = k[i], k[i-1]; return k }), swapped) {
				return false
			}
		}
		if object {
			renamed := func(how, key string) bool {
				k := slices.Clone(n.keys)
				k[i] = key
				return at(how, k, n.kids)
			}
			for _, s := range names(key) {
				if !renamed("name: "+s.how, s.text) {
					return false
				}
			}
			// A member beside it whose name differs by case only.
			for _, s := range []spelling{
				{"also in upper case", quote(strings.ToUpper(unquote(key)))},
				{"also in title case", quote(strings.ToUpper(unquote(key)[:1]) + unquote(key)[1:])},
				{"also by escapes", `"\u00` + fmt.Sprintf("%02x", unquote(key)[0]) + unquote(key)[1:] + `"`},
			} {
				if !at(s.how, insertKey(i+1, s.text), insert(i+1, other)) {
					return false
				}
			}
		}
		if !walk(root, kid, below, yield) {
			return false
		}
	}
	return true
}

func reversed(kids []*node) []*node {
	kids = slices.Clone(kids)
	slices.Reverse(kids)
	return kids
}

func pointerToken(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// randomJSON changes one to three values at random.
func randomJSON(rng *rand.Rand, root *node) edit {
	var nodes []*node
	var places []string
	var visit func(n *node, where string)
	visit = func(n *node, where string) {
		nodes, places = append(nodes, n), append(places, where)
		for i, kid := range n.kids {
			if n.kind == '{' {
				visit(kid, where+"/"+pointerToken(unquote(n.keys[i])))
			} else {
				visit(kid, fmt.Sprintf("%s/%d", where, i))
			}
		}
	}
	visit(root, "")
	var how, where []string
	var undo []func()
	for range 1 + rng.IntN(3) {
		i := rng.IntN(len(nodes))
		n := nodes[i]
		was := *n
		undo = append(undo, func() { *n = was })
		where = append(where, places[i])
		if len(n.kids) > 1 && rng.IntN(2) == 0 {
			n.keys, n.kids = slices.Clone(n.keys), slices.Clone(n.kids)
			a, b := rng.IntN(len(n.kids)), rng.IntN(len(n.kids))
			switch rng.IntN(4) {
			case 0:
				n.kids[a], n.kids[b] = n.kids[b], n.kids[a]
				how = append(how, "values swapped")
			case 1:
				n.kids[a] = n.kids[b]
				how = append(how, "the value of another")
			case 2:
				n.kids = slices.Delete(n.kids, a, a+1)
				if n.kind == '{' {
					n.keys = slices.Delete(n.keys, a, a+1)
				}
				how = append(how, "missing")
			default:
				n.kids = slices.Insert(n.kids, b, n.kids[a])
				if n.kind == '{' {
					n.keys = slices.Insert(n.keys, b, n.keys[a])
				}
				how = append(how, "stands twice")
			}
			continue
		}
		list := spellings(n)
		s := list[rng.IntN(len(list))]
		n.instead = s.text
		how = append(how, s.how)
	}
	e := edit{strings.Join(how, ", "), strings.Join(where, ", "), root.file()}
	slices.Reverse(undo)
	for _, u := range undo {
		u()
	}
	return e
}
