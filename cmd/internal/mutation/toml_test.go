package mutation

import (
	"fmt"
	"iter"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

var (
	tomlPair   = regexp.MustCompile(`^(\s*)([A-Za-z_]+)(\s*=\s*)(.*)$`)
	tomlQuoted = regexp.MustCompile(`"[^"]*"`)
	tomlTable  = regexp.MustCompile(`^\[\[([a-z_]+)\]\]$`)
)

// tomlEdits is every change of one line, key or value of a policy. The place is
// the number of the line.
func tomlEdits(file []byte) iter.Seq[edit] {
	lines := strings.Split(strings.TrimSuffix(string(file), "\n"), "\n")
	return func(yield func(edit) bool) {
		for i, line := range lines {
			for _, s := range lineSpellings(lines, i) {
				changed := slices.Replace(slices.Clone(lines), i, i+1, s.text)
				if !yield(edit{s.how, strconv.Itoa(i + 1), []byte(strings.Join(changed, "\n") + "\n")}) {
					return
				}
			}
			if i == 0 {
				continue
			}
			swapped := slices.Clone(lines)
			swapped[i-1], swapped[i] = line, lines[i-1]
			if !yield(edit{"order changed", strconv.Itoa(i + 1), []byte(strings.Join(swapped, "\n") + "\n")}) {
				return
			}
		}
	}
}

// lineSpellings is what a line can be made.
func lineSpellings(lines []string, i int) []spelling {
	line := lines[i]
	list := []spelling{
		{"missing", ""},
		{"a comment", "# " + line},
		{"twice", line + "\n" + line},
		{"at the end again", line + "\n" + strings.Join(lines[i+1:], "\n") + "\n" + line},
		{"a comment behind", line + " # really"},
		{"a comment without a space", line + "#"},
		{"indented", "\t" + line},
		{"white space behind", line + " \t"},
		{"CR behind", line + "\r"},
		{"CR within", line + "\r# a line of its own, to some"},
		{"joined with the next", line + " "},
		{"a control character in a comment", line + " # \x1b[2J"},
		{"a stranger behind", line + "\nstranger = 1"},
		{"a strange table behind", line + "\n[stranger]"},
	}
	for _, o := range odd {
		list = append(list, spelling{o.how + " before", o.text + line}, spelling{o.how + " behind", line + o.text})
	}
	if m := tomlTable.FindStringSubmatch(line); m != nil {
		name := m[1]
		for _, s := range []spelling{
			{"one table", "[" + name + "]"},
			{"spaces in brackets", "[[ " + name + " ]]"},
			{"spaces between brackets", "[ [" + name + "] ]"},
			{"quoted", `[["` + name + `"]]`},
			{"quoted once", `[['` + name + `']]`},
			{"by escapes", fmt.Sprintf(`[["\u00%02x%s"]]`, name[0], name[1:])},
			{"upper case", "[[" + strings.ToUpper(name) + "]]"},
			{"title case", "[[" + strings.ToUpper(name[:1]) + name[1:] + "]]"},
			{"below another", "[[" + name + "." + name + "]]"},
			{"lookalikes", "[[" + lookalikes.Replace(name) + "]]"},
			{"without its end", "[[" + name[:len(name)-1] + "]]"},
			{"an empty one before", line + "\n" + line},
		} {
			list = append(list, spelling{"table: " + s.how, s.text})
		}
	}
	// Texts in lists of several lines.
	if at := tomlQuoted.FindStringIndex(line); at != nil && !tomlPair.MatchString(line) {
		for _, s := range tomlValues(line[at[0]:at[1]]) {
			list = append(list, spelling{s.how, line[:at[0]] + s.text + line[at[1]:]})
		}
	}
	m := tomlPair.FindStringSubmatch(line)
	if m == nil {
		return list
	}
	indent, key, equals, value := m[1], m[2], m[3], m[4]
	for _, s := range []spelling{
		{"upper case", strings.ToUpper(key)},
		{"title case", strings.ToUpper(key[:1]) + key[1:]},
		{"quoted", `"` + key + `"`},
		{"quoted once", `'` + key + `'`},
		{"by escapes", fmt.Sprintf(`"\u00%02x%s"`, key[0], key[1:])},
		{"dotted", key + "." + key},
		{"dashes", strings.ReplaceAll(key, "_", "-")},
		{"no underscores", strings.ReplaceAll(key, "_", "")},
		{"without its end", key[:len(key)-1]},
		{"lookalikes", lookalikes.Replace(key)},
		{"quoted space behind", `"` + key + ` "`},
		{"quoted zero width space", "\"" + key + "\u200b\""},
		{"empty", `""`},
	} {
		list = append(list, spelling{"key: " + s.how, indent + s.text + equals + value})
	}
	list = append(list,
		spelling{"also in upper case", line + "\n" + indent + strings.ToUpper(key) + equals + value},
		spelling{"also quoted", line + "\n" + indent + `"` + key + `"` + equals + value},
		spelling{"also by escapes", line + "\n" + indent + fmt.Sprintf(`"\u00%02x%s"`, key[0], key[1:]) + equals + value},
	)
	for _, s := range tomlValues(value) {
		list = append(list, spelling{s.how, indent + key + equals + s.text})
	}
	return list
}

// tomlValues is what a value can be made.
func tomlValues(value string) []spelling {
	list := []spelling{
		{"nothing", ""},
		{"true", "true"},
		{"false", "false"},
		{"zero", "0"},
		{"minus one", "-1"},
		{"a float", "1.5"},
		{"infinity", "inf"},
		{"not a number", "nan"},
		{"a date", "2026-01-01"},
		{"a time", "07:32:00"},
		{"empty text", `""`},
		{"empty list", "[]"},
		{"empty table", "{}"},
		{"in a list", "[" + value + "]"},
		{"in a table", "{ value = " + value + " }"},
		{"two values", value + ", " + value},
		{"deep", strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)},
	}
	if text, err := strconv.Unquote(value); err == nil && strings.HasPrefix(value, `"`) {
		list = append(list,
			spelling{"quoted once", "'" + text + "'"},
			spelling{"quoted by three", `"""` + text + `"""`},
			spelling{"quoted once by three", "'''\n" + text + "'''"},
			spelling{"unquoted", text},
			spelling{"unit less", strings.TrimRight(text, "hms")},
		)
		return append(list, texts(text)...)
	}
	for _, d := range digits(value) {
		list = append(list, spelling{"number of " + d.how, d.text}, spelling{"text of " + d.how, quote(d.text)})
	}
	return list
}

// tomlSays is what a policy says: the tree of its tables, read without the types
// of package policy, where what its formats let be spelled in several ways is
// spelled in one.
func tomlSays(file []byte) (string, error) {
	var tree map[string]any
	if err := toml.Unmarshal(file, &tree); err != nil {
		return "", err
	}
	var b strings.Builder
	sayTOML(&b, "", tree)
	return b.String(), nil
}

// unordered are lists whose order and repetitions say nothing.
var unordered = []string{"allow", "roles", "blocked", "recipients", "chain", "asset"}

func sayTOML(b *strings.Builder, key string, v any) {
	switch v := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		b.WriteByte('{')
		for _, name := range names {
			// What is false or an empty list says what its absence says, but for
			// the recipients, which then are nobody.
			if list, ok := v[name].([]any); v[name] == false || ok && len(list) == 0 && !slices.Contains([]string{"recipients", "allow", "roles"}, name) {
				continue
			}
			fmt.Fprintf(b, "%q=", name)
			sayTOML(b, name, v[name])
			b.WriteByte(';')
		}
		b.WriteByte('}')
	case []any:
		said := make([]string, len(v))
		for i, e := range v {
			var one strings.Builder
			sayTOML(&one, key, e)
			said[i] = one.String()
		}
		if slices.Contains(unordered, key) {
			slices.Sort(said)
			said = slices.Compact(said)
		}
		fmt.Fprintf(b, "%q", said)
	case string:
		fmt.Fprintf(b, "%q", sayText(key, v))
	default:
		fmt.Fprintf(b, "%T %v", v, v)
	}
}

// sayText spells decimals, times and addresses in one way.
func sayText(key, text string) string {
	switch {
	case strings.HasPrefix(key, "max_fee"), strings.HasPrefix(key, "max_per"), key == "above":
		if r, ok := new(big.Rat).SetString(text); ok && !strings.ContainsAny(text, "eE/") {
			return r.RatString()
		}
	case key == "max_age", strings.HasSuffix(key, "_delay"):
		if d, err := time.ParseDuration(text); err == nil {
			return d.String()
		}
	case strings.Contains(text, "0x"), strings.Contains(text, "0X"):
		// Addresses are read in any case, if their checksum is right.
		return strings.ToLower(text)
	}
	return text
}
