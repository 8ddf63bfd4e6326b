package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
)

// program is a root command with a command that takes one argument, a flag
// that must be given, and ends with a given error.
func program(env *Env, err error) *cobra.Command {
	leaf := &cobra.Command{Use: "do THING", Args: cobra.ExactArgs(1), RunE: func(*cobra.Command, []string) error { return err }}
	leaf.Flags().Int("n", 0, "")
	must := &cobra.Command{Use: "must", RunE: func(*cobra.Command, []string) error { return err }}
	must.Flags().String("id", "", "")
	_ = must.MarkFlagRequired("id")
	root := &cobra.Command{Use: "prog"}
	env.AddFlags(root)
	root.AddCommand(leaf, must, Group("group", "a group", &cobra.Command{Use: "sub", RunE: func(*cobra.Command, []string) error { return err }}))
	return root
}

func TestExitCodes(t *testing.T) {
	plain := errors.New("plain")
	for _, c := range []struct {
		args string
		err  error
		code int
		told string
	}{
		{"do it", nil, 0, ""},
		{"do it", plain, 1, "prog: plain\n"},
		{"do it", wallet.As(wallet.ErrUsage, "bad"), 2, "prog: bad\n"},
		{"do it", wallet.As(wallet.ErrRefused, "no"), 3, "prog: no\n"},
		{"do it", fmt.Errorf("more: %w", wallet.As(wallet.ErrBusy, "busy")), 4, "prog: more: busy\n"},
		{"do it", wallet.As(wallet.ErrUnreachable, "gone"), 5, "prog: gone\n"},
		{"do it", wallet.As(wallet.ErrDiffer, "differ"), 6, "prog: differ\n"},
		{"do it", wallet.WithHint(plain, "do %s", "this"), 1, "prog: plain\nprog: do this\n"},
		{"do it", errors.New("one\ntwo \x1b[31m\u202e"), 1, "prog: one\nprog: two \\x1b[31m\\u202e\n"},
		{"do", nil, 2, "prog: accepts 1 arg(s), received 0\nprog: prog do --help shows how\n"},
		{"do a b", nil, 2, "prog: accepts 1 arg(s), received 2\nprog: prog do --help shows how\n"},
		{"do it --n x", nil, 2, "prog: invalid argument \"x\" for \"--n\" flag: strconv.ParseInt: parsing \"x\": invalid syntax\nprog: prog do --help shows how\n"},
		{"do it --m", nil, 2, "prog: unknown flag: --m\nprog: prog do --help shows how\n"},
		{"must", nil, 2, "prog: required flag(s) \"id\" not set\nprog: prog must --help shows how\n"},
		{"must --id x y", nil, 2, "prog: unknown command \"y\" for \"prog must\"\nprog: prog must --help shows how\n"},
		{"never", nil, 2, "prog: unknown command \"never\" for \"prog\"\nprog: prog --help shows how\n"},
		{"gruop", nil, 2, "prog: unknown command \"gruop\" for \"prog\"\nprog: Did you mean this?\nprog:   group\nprog: prog --help shows how\n"},
		{"group", nil, 2, "prog: prog group: name one of its commands: sub\nprog: prog group --help shows how\n"},
		{"group sup", nil, 2, "prog: unknown command \"sup\" for \"prog group\": want one of sub\nprog: prog group --help shows how\n"},
		{"group sub", plain, 1, "prog: plain\n"},
		{"group --help", plain, 0, ""},
		{"", plain, 0, ""},
	} {
		t.Run(c.args, func(t *testing.T) {
			env, _, stderr := Test(t.TempDir())
			if code := MainContext(t.Context(), program(env, c.err), env, strings.Fields(c.args)); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if stderr.String() != c.told {
				t.Errorf("said %q, want %q", stderr, c.told)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	env, _, stderr := Test(t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := MainContext(ctx, program(env, fmt.Errorf("scan: %w", context.Canceled)), env, []string{"do", "it"}); code != ExitFailed {
		t.Errorf("exit code %d, want %d", code, ExitFailed)
	}
	if !strings.HasPrefix(stderr.String(), "prog: interrupted") {
		t.Errorf("said %q", stderr)
	}
}

func TestPrintJSON(t *testing.T) {
	type row struct {
		Address common.Address  `json:"address"`
		Other   *common.Address `json:"other,omitzero"`
		Text    string          `json:"text"`
		List    []string        `json:"list"`
		Amount  wallet.Amount   `json:"amount"`
	}
	a := common.HexToAddress("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed")
	for _, c := range []struct {
		name string
		v    any
		want string
	}{
		{"a list without elements", []row(nil), "[]\n"},
		{"no HTML", "a<b>&c", "\"a<b>&c\"\n"},
		{"what cannot be seen", "\u202e\u009b\x7f\x1b\n\U000e0001ä", `"\u202e\u009b\u007f\u001b\n\udb40\udc01ä"` + "\n"},
		{"invalid text", "a\xffb", "\"a\ufffdb\"\n"},
		{"a row", row{Address: a, Other: &a, Amount: wallet.NewAmount(-5)}, `{"address":"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed","other":"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed","text":"","list":[],"amount":"-5"}` + "\n"},
		{"keys in order", map[common.Address]int{a: 1, {}: 2}, `{"0x0000000000000000000000000000000000000000":2,"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed":1}` + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env, out, _ := Test("")
			env.JSON = true
			if err := env.Print(c.v, func(w io.Writer) { fmt.Fprint(w, "for people") }); err != nil {
				t.Fatal(err)
			}
			if out.String() != c.want {
				t.Errorf("printed %s, want %s", out, c.want)
			}
		})
	}
}

// TestPrintJSONIsSafe tries to get something past Print that a terminal would
// obey, and to have it read back as something else.
func TestPrintJSONIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOf(rapid.String()).Draw(t, "list")
		list = append(list, strings.Repeat(rapid.String().Draw(t, "text"), 2000)) // written in several parts
		env, out, _ := Test("")
		env.JSON = true
		if err := env.Print(list, nil); err != nil {
			t.Fatal(err)
		}
		if line, _ := strings.CutSuffix(out.String(), "\n"); strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("printed %q", line)
		}
		var back []string
		if err := json.Unmarshal(out.Bytes(), &back); err != nil || !slices.Equal(back, list) {
			t.Errorf("read back %q, %v; want %q", back, err, list)
		}
	})
}

// TestPrintFails guards against a full disk going unnoticed.
func TestPrintFails(t *testing.T) {
	full := errors.New("no space left")
	for _, asJSON := range []bool{false, true} {
		env, _, _ := Test("")
		env.Out, env.JSON = failing{full}, asJSON
		if err := env.Print("x", func(w io.Writer) { fmt.Fprint(w, "x") }); !errors.Is(err, full) {
			t.Errorf("Print = %v with JSON %v, want %v", err, asJSON, full)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestClean(t *testing.T) {
	for have, want := range map[string]string{
		"Tether USD₮ é 漢": "Tether USD₮ é 漢",
		"a\tb\nc\x00":     `a\tb\nc\x00`,
		"\u202egnp.exe":   `\u202egnp.exe`,
		"zero\u200bwidth": `zero\u200bwidth`,
		"bad\xff\xfe":     `bad\xff\xfe`,
		"genuine \ufffd":  "genuine \ufffd",
		"\x1b]0;title\a":  `\x1b]0;title\a`,
		"no\u00a0break":   `no\u00a0break`,
	} {
		if got := Clean(have); got != want {
			t.Errorf("Clean(%q) = %q, want %q", have, got, want)
		}
	}
}

// TestCleanIsSafe: nothing that Clean returns can move a cursor, change the
// direction of text, or hide.
func TestCleanIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) + rapid.String().Draw(t, "text")
		got := Clean(s)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("Clean(%q) = %q", s, got)
		}
		if again := Clean(got); again != got {
			t.Fatalf("Clean(Clean(%q)) = %q, not %q", s, again, got)
		}
	})
}

func TestPassphrase(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	if err := os.WriteFile(file, []byte("from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open")
	if err := errors.Join(os.WriteFile(open, []byte("secret\n"), 0o600), os.Chmod(open, 0o644)); err != nil { // whatever the umask
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		file   string
		repeat bool
		typed  []string
		want   string
		class  error
	}{
		{name: "a file", file: file, want: "from file"},
		{name: "a file that others can read", file: open, class: errAny},
		{name: "typed", typed: []string{"typed"}, want: "typed"},
		{name: "typed twice", repeat: true, typed: []string{"typed", "typed"}, want: "typed"},
		{name: "typed differently", repeat: true, typed: []string{"typed", "tipped"}, class: errAny},
		{name: "nothing", typed: []string{""}, class: wallet.ErrUsage},
		{name: "no terminal", class: wallet.ErrUsage},
	} {
		t.Run(c.name, func(t *testing.T) {
			env, _, stderr := Test("", c.typed...)
			got, err := env.Passphrase(c.file, "Passphrase", c.repeat)
			if !matches(err, c.class) || string(got) != c.want {
				t.Errorf("Passphrase = %q, %v; want %q, %v", got, err, c.want, c.class)
			}
			if strings.Contains(fmt.Sprint(err, stderr), "secret\n") {
				t.Error("the secret was told")
			}
		})
	}
}

// errAny stands for an error of no class.
var errAny = errors.New("any")

func matches(err, class error) bool {
	return errors.Is(err, class) || errors.Is(class, errAny) && err != nil
}

func TestConfirm(t *testing.T) {
	for _, c := range []struct {
		typed string
		class error
	}{
		{"abcd1234", nil},
		{"ABCD 1234 ", nil},
		{"abcd123", wallet.ErrRefused},
		{"", wallet.ErrRefused},
		{"yes", wallet.ErrRefused},
	} {
		t.Run(c.typed, func(t *testing.T) {
			env, out, _ := Test("", c.typed)
			if err := env.Confirm("Type abcd1234", "abcd1234"); !errors.Is(err, c.class) {
				t.Errorf("Confirm = %v, want %v", err, c.class)
			}
			if out.Len() > 0 {
				t.Errorf("wrote %q to standard output", out)
			}
		})
	}
	env, _, _ := Test("")
	if err := env.Confirm("Type x", "x"); !errors.Is(err, wallet.ErrUsage) {
		t.Errorf("Confirm without a terminal = %v, want %v", err, wallet.ErrUsage)
	}
}

func TestProgress(t *testing.T) {
	for _, c := range []struct {
		name     string
		terminal bool
		step     time.Duration
		want     string
	}{
		{"in a pipe", false, time.Second, ""},
		{"short work", true, 400 * time.Millisecond, ""},
		{"long work", true, time.Second, "\r\x1b[Kblocks: 20 of 40, 10/s, 2s left\r\x1b[Kblocks: 30 of 40, 10/s, 1s left\r\x1b[Kblocks: 40 of 40, 10/s, 0s left\r\x1b[K"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env, _, stderr := Test("")
			now := time.Unix(0, 0)
			env.ErrTerminal, env.Now = c.terminal, func() time.Time { return now }
			p := env.Progress("blocks", 40)
			for range 4 {
				now = now.Add(c.step)
				p.Add(10)
			}
			p.End()
			if stderr.String() != c.want {
				t.Errorf("showed %q, want %q", stderr, c.want)
			}
		})
	}
}

// TestProgressOfLate tells the rate of the last seconds, when work became
// slower than it began.
func TestProgressOfLate(t *testing.T) {
	env, _, stderr := Test("")
	now := time.Unix(0, 0)
	env.ErrTerminal, env.Now = true, func() time.Time { return now }
	p := env.Progress("blocks", 10_000)
	for i := range 60 {
		now = now.Add(time.Second)
		p.Add(map[bool]uint64{true: 100, false: 10}[i < 20])
	}
	_, last, _ := strings.Cut(stderr.String()[stderr.Len()-60:], "\r\x1b[K")
	if want := "blocks: 2400 of 10000, 10/s, 12m40s left"; last != want {
		t.Errorf("showed %q, want %q", last, want)
	}
	stderr.Reset()
	p.Set(1000) // something made it begin anew
	now = now.Add(time.Second)
	p.Add(0)
	if want := "\r\x1b[Kblocks: 1000 of 10000, 0/s"; stderr.String() != want {
		t.Errorf("showed %q, want %q", stderr, want)
	}
}

func TestProgressWithoutTotal(t *testing.T) {
	env, _, stderr := Test("")
	now := time.Unix(0, 0)
	env.ErrTerminal, env.Now = true, func() time.Time { return now }
	p := env.Progress("blocks", 0)
	now = now.Add(3 * time.Second)
	p.Set(30)
	if want := "\r\x1b[Kblocks: 30, 10/s"; stderr.String() != want {
		t.Errorf("showed %q, want %q", stderr, want)
	}
}

func TestHome(t *testing.T) {
	t.Setenv("HOME", "/home/x")
	t.Setenv("XDG_DATA_HOME", "")
	t.Setenv(HomeVariable, "")
	for _, c := range []struct{ variable, xdg, want string }{
		{"/srv/airlock", "/data", "/srv/airlock"},
		{"", "/data", "/data/airlock"},
	} {
		t.Setenv(HomeVariable, c.variable)
		t.Setenv("XDG_DATA_HOME", c.xdg)
		if got := System().Home; got != c.want {
			t.Errorf("with %+v the home is %s", c, got)
		}
	}
}

func TestCheckHome(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for home, want := range map[string]string{dir: "", file: "is not a directory", filepath.Join(dir, "no"): "there is no home at", "": "no home"} {
		env := &Env{Home: home}
		if got := fmt.Sprint(env.CheckHome("airlock init")); !strings.Contains(got, want) {
			t.Errorf("CheckHome of %q = %s, want %q", home, got, want)
		}
	}
}

func TestNote(t *testing.T) {
	env, out, stderr := Test("")
	env.Note("token %s", "\x1b[2J")
	if got := stderr.String(); got != "token \\x1b[2J\n" || out.Len() > 0 {
		t.Errorf("said %q, printed %q", got, out)
	}
}

var _ Terminal = (*scripted)(nil)

func TestShow(t *testing.T) {
	env, out, stderr := Test("", "unused")
	terminal, err := env.OpenTerminal()
	if err != nil {
		t.Fatal(err)
	}
	if err := env.Show("words"); err != nil {
		t.Fatal(err)
	}
	if shown := terminal.(*scripted).Buffer; !bytes.Equal(shown.Bytes(), []byte("words")) || out.Len()+stderr.Len() > 0 {
		t.Errorf("showed %q, printed %q and %q", shown.String(), out, stderr)
	}
}

// Text in columns takes one column a character, whatever it is.
func TestNarrow(t *testing.T) {
	for text, want := range map[string]string{
		"plain é":        "plain é",
		"e\u0301":        `e\u0301`,
		"订单":             `\u8ba2\u5355`,
		"a\u200db\u1160": `a\u200db\u1160`,
		"\u202e\x1b[2J":  `\u202e\x1b[2J`,
		"＄1":             `\uff041`,
		"👍":              `\U0001f44d`,
	} {
		if got := Narrow(text); got != want {
			t.Errorf("%q is written %s, want %s", text, got, want)
		}
	}
}

func TestDigestLines(t *testing.T) {
	digest := "0123456789abcdeffedcba98765432100f1e2d3c4b5a69788796a5b4c3d2e1f0"
	want := []string{"0123 4567 89ab cdef  fedc ba98 7654 3210", "0f1e 2d3c 4b5a 6978  8796 a5b4 c3d2 e1f0"}
	if got := DigestLines(digest); !slices.Equal(got, want) {
		t.Errorf("lines %q, want %q", got, want)
	}
}

// Work of which nobody knows the end shows that it goes on, on a terminal, and
// leaves nothing behind.
func TestBusy(t *testing.T) {
	env, _, stderr := Test("")
	now := time.Unix(0, 0)
	env.ErrTerminal, env.Now = true, func() time.Time { return now }
	tick := make(chan time.Time)
	done := env.busy("deriving", tick)
	for range 4 {
		now = now.Add(time.Second)
		tick <- now
	}
	done()
	if want := "\r\x1b[Kderiving: 2s\r\x1b[Kderiving: 3s\r\x1b[Kderiving: 4s\r\x1b[K"; stderr.String() != want {
		t.Errorf("showed %q, want %q", stderr, want)
	}
	stderr.Reset()
	env.busy("deriving", tick)()
	env.ErrTerminal = false
	env.Busy("deriving")()
	if stderr.Len() != 0 {
		t.Errorf("showed %q of short work, or in a pipe", stderr)
	}
}
