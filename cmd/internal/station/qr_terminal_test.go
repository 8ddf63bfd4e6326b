package station

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/airlock-wallet/airlock/cmd/internal/qrcode"
	"github.com/airlock-wallet/airlock/wallet/ur"
)

// screen is a program in a real terminal of 80 by 24, which tmux plays.
type screen struct {
	t      *testing.T
	socket string
}

func startScreen(t *testing.T, env, command string) *screen {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tmux is missing")
		}
		t.Skip("tmux is missing")
	}
	s := &screen{t, filepath.Join(t.TempDir(), "tmux")}
	s.tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "-e", env, "--", "sh", "-c", command+"; echo exit code $?; sleep 600")
	t.Cleanup(func() { s.tmux("kill-server") })
	return s
}

// tmux runs one of its commands, in an environment that is the same on every
// machine: another shell, language or wish for no colors would be the program's.
func (s *screen) tmux(args ...string) string {
	s.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "SHELL=/bin/sh", "LC_ALL=C.UTF-8"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

func (s *screen) text() string { return s.tmux("capture-pane", "-p") }

// eventually waits until the screen is as wanted.
func (s *screen) eventually(what string, ok func(text string) bool) {
	s.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(s.text()); {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s is not on the screen:\n%s", what, s.text())
		}
	}
}

// codeColumns are those of a code of version 6, the biggest at 80 by 24.
const codeColumns = 17 + 4*6 + 2*qrcode.Quiet

// picture draws the columns of the code as a camera sees them.
func picture(text string, ink, paper color.Gray) image.Image {
	const w, h = 4, 8
	img := image.NewGray(image.Rect(0, 0, codeColumns*w, 24*h))
	for y, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		cells := append([]rune(line), []rune(strings.Repeat(" ", codeColumns))...)
		for x, r := range cells[:codeColumns] {
			for i := range w * h {
				c := paper
				if r == '█' || (r == '▀' && i < w*h/2) || (r == '▄' && i >= w*h/2) {
					c = ink
				}
				img.SetGray(x*w+i%w, y*h+i/w, c)
			}
		}
	}
	return img
}

// film is a camera in front of the screen: it keeps an image of every code that
// it can read, until they make the message.
func (s *screen) film(dir string, ink, paper color.Gray) {
	s.t.Helper()
	var d ur.Decoder
	seen := map[string]bool{}
	for deadline := time.Now().Add(5 * time.Minute); !d.Done(); {
		if time.Now().After(deadline) {
			have, want := d.Progress()
			s.t.Fatalf("%d of %d parts were on the screen:\n%s", have, want, s.text())
		}
		img := picture(s.text(), ink, paper)
		text, err := qrcode.Find(img)
		if err != nil || seen[text] {
			continue
		}
		p, err := ur.ParsePart(text)
		if err != nil {
			continue // torn between two codes
		}
		seen[text] = true
		if _, err := d.Add(p); err != nil {
			s.t.Fatal(err)
		}
		var file bytes.Buffer
		if err := png.Encode(&file, img); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d.png", len(seen))), file.Bytes(), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
}

// A batch goes over, its signatures and a watch file come back, each from one
// program's screen through images into the other program's file.
func TestQRCrossesAtARealTerminal(t *testing.T) {
	online, signer := programs(t)
	b := ready(t)
	digest := b.batch("batch.json", 0, nil)
	b.ok(b.signArgs("batch.json", "signed.json", "--expect", digest)...)
	b.ok("vault", "export-watch", "-o", b.path("watch.json"), "--passphrase-file", b.path("pass"))
	black, white := color.Gray{0}, color.Gray{255}
	for _, test := range []struct {
		name, from, to, env string
		ink, paper          color.Gray
	}{
		{"batch.json", online, signer, "TERM=xterm-256color", black, white},
		{"signed.json", signer, online, "TERM=xterm-256color", black, white},
		{"watch.json", signer, online, "NO_COLOR=1", white, black}, // a dark terminal
	} {
		t.Run(test.name, func(t *testing.T) {
			s := startScreen(t, test.env, fmt.Sprintf("%s qr show %s --fps 12", test.from, b.path(test.name)))
			s.t = t
			// Whoever looks late sees no part before the mixtures.
			s.eventually("progress", regexp.MustCompile(`part \d+(, \d+ needed| of \d+)`).MatchString)
			s.eventually("a mixture", regexp.MustCompile(`part \d+, \d+ needed`).MatchString)
			// The margin is light: paper in color, ink on a dark terminal without.
			if margin := strings.Repeat("█", codeColumns); strings.HasPrefix(s.text(), margin) != (test.ink == white) {
				t.Errorf("the code is drawn the wrong way round:\n%s", s.text())
			}
			dir := t.TempDir()
			s.film(dir, test.ink, test.paper)
			s.tmux("send-keys", "C-c")
			s.eventually("the end", func(text string) bool {
				return strings.Contains(text, "exit code 0") && strings.Contains(text, "sha256  "+sum(b.read(test.name))[:40])
			})
			if modes := s.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}"); modes != "0 1\n" {
				t.Errorf("the terminal is left in the modes %q", modes)
			}
			back := b.path(test.name + ".back")
			out, err := exec.Command(test.to, "qr", "read", dir, "-o", back).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if b.read(test.name+".back") != b.read(test.name) {
				t.Error("another file came out")
			}
		})
	}
}
