package station

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/cmd/internal/qrcode"
	"github.com/airlock-wallet/airlock/cmd/internal/tui"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/erc4527"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
	"github.com/airlock-wallet/airlock/wallet/ur"
)

func newQR(s *Station) *cobra.Command {
	return cli.Group("qr", "Carry a file across the gap as QR codes", newQRShow(s), newQRRead(s))
}

type showOptions struct {
	file        string
	size, fps   int
	once        bool
	frames      int
	invert      bool
	png         string
	erc4527     bool
	rung        int
	fingerprint string
}

// filePart is how many bytes of a message a part has where no terminal bounds
// it: a QR code of version 14, which a telephone reads from a screen.
const filePart = 200

// pixels is how many of them a module takes in an image.
const pixels = 8

func newQRShow(s *Station) *cobra.Command {
	o := showOptions{fps: 8, rung: 1}
	c := &cobra.Command{
		Use:   "show FILE",
		Short: "Show a file as a series of QR codes",
		Long: `Show a batch, a signed batch, a watch file or any other small file as a series
of QR codes, one after the other, until it is left. A camera that missed some
need not wait for them: after the first round the codes are mixtures, and any
few of these stand for whichever were missed ("qr read" on the other station).

On a terminal the codes fill it, at 80 by 24 too; a larger one shows larger
codes and fewer of them. In a pipe the texts of the codes are printed, one a
line, and --png writes images.

--erc4527 shows a batch of one withdrawal as a request for a QR hardware wallet
(ERC-4527), whose answer "qr read --batch" takes in. Each rung of the batch is a
request of its own. What such a wallet signs went through no policy of this
station and is in no signing record.`,
		Example: `  airlock qr show batch.json
  airlock-signer qr show signed.json --fps 4
  airlock qr show batch.json --png codes/
  airlock qr show batch.json --erc4527 --source-fingerprint 73c5da0a`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.file = args[0]
			return runShow(c.Context(), s, o)
		},
	}
	f := c.Flags()
	f.IntVar(&o.size, "size", 0, "`bytes` of the file in each code (else as many as the terminal shows)")
	f.IntVar(&o.fps, "fps", o.fps, "show this `number` of codes a second")
	f.BoolVar(&o.once, "once", false, "show each part once, and leave")
	f.IntVar(&o.frames, "frames", 0, "show this `number` of codes, and leave")
	f.BoolVar(&o.invert, "invert", false, "light on dark, for displays that show it the wrong way round")
	f.StringVar(&o.png, "png", "", "write images into this `directory` instead")
	f.BoolVar(&o.erc4527, "erc4527", false, "ask a QR hardware wallet to sign the withdrawal of a batch")
	f.IntVar(&o.rung, "rung", o.rung, "`number` of the rung to ask for, from 1")
	f.StringVar(&o.fingerprint, "source-fingerprint", "", "`fingerprint` of the wallet's master key, which some wallets want (8 hex digits)")
	c.MarkFlagsMutuallyExclusive("once", "frames")
	return c
}

// crossing is what is shown.
type crossing struct {
	kind    string // UR type
	message []byte
	bytes   int // of what the reader gets
	sum     string
	title   string
}

// shownRow tells what was shown.
type shownRow struct {
	Path    string   `json:"path"`
	Type    string   `json:"type"`
	Bytes   int      `json:"bytes"` // of the file, or of the request
	SHA256  string   `json:"sha256"`
	Message int      `json:"message_bytes"` // of what is cut into parts
	Needed  int      `json:"parts_needed"`
	Shown   int      `json:"parts_shown"`
	Texts   []string `json:"parts,omitzero"`  // with --json
	Images  string   `json:"images,omitzero"` // the directory
}

func runShow(ctx context.Context, s *Station, o showOptions) error {
	if o.fps < tui.MinFPS || o.fps > tui.MaxFPS || o.frames < 0 || o.size < 0 {
		return wallet.As(wallet.ErrUsage, "want --fps between %d and %d, and --frames and --size above zero", tui.MinFPS, tui.MaxFPS)
	}
	x, err := s.crossingOf(o)
	if err != nil {
		return err
	}
	page := s.OutTerminal && !s.JSON && o.png == ""
	e, version, err := s.cut(x, o.size, page)
	if err != nil {
		return err
	}
	row := shownRow{Path: o.file, Type: x.kind, Bytes: x.bytes, SHA256: x.sum, Message: len(x.message), Needed: e.Count()}
	count := o.frames
	if o.once || (count == 0 && !page) {
		count = e.Count()
	}
	switch {
	case page:
		if row.Shown, err = play(ctx, s, x, e, version, count, o); err != nil {
			return err
		}
	case o.png != "":
		if err := writeImages(o.png, e, version, count); err != nil {
			return err
		}
		row.Shown, row.Images = count, o.png
	case s.JSON:
		row.Shown = count
		for range count {
			row.Texts = append(row.Texts, e.Next().String())
		}
	default:
		s.Note("%s: %d bytes in %d parts, SHA-256 %s", o.file, x.bytes, e.Count(), x.sum)
		return s.Print(nil, func(w io.Writer) {
			for range count {
				fmt.Fprintln(w, e.Next())
			}
		})
	}
	return s.Print(row, func(w io.Writer) {
		fmt.Fprintf(w, "file    %s\nbytes   %d\nsha256  %s\nparts   %d shown, %d needed\n", cli.Clean(o.file), x.bytes, x.sum, row.Shown, row.Needed)
	})
}

// crossingOf reads what is to be shown.
func (s *Station) crossingOf(o showOptions) (*crossing, error) {
	if o.erc4527 {
		return s.requestOf(o)
	}
	// What is shown here, every camera sees: a name on a foreign medium must not
	// lead to a file of this station.
	if info, err := os.Lstat(o.file); err == nil && info.Mode().Type() == fs.ModeSymlink {
		return nil, wallet.WithHint(wallet.As(wallet.ErrRefused, "%s is a link to another file, and everything that is shown can be filmed", cli.Clean(o.file)),
			"name the file itself, if you know what is in it")
	}
	file, err := readFile(o.file, ur.MaxFile)
	if err != nil {
		return nil, err
	}
	var head struct {
		Format string `json:"format"`
	}
	if json.Unmarshal(file, &head) == nil && head.Format == "airlock-vault" {
		return nil, wallet.As(wallet.ErrRefused, "%s is a vault: it holds keys and is shown to nobody", o.file)
	}
	message, err := ur.PackFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cli.Clean(o.file), err)
	}
	return newCrossing(ur.FileType, message, file, filepath.Base(o.file)), nil
}

func newCrossing(kind string, message, content []byte, title string) *crossing {
	sum := sha256.Sum256(content)
	return &crossing{kind: kind, message: message, bytes: len(content), sum: hex.EncodeToString(sum[:]), title: title}
}

// requestOf is the ERC-4527 request for a rung of a batch.
func (s *Station) requestOf(o showOptions) (*crossing, error) {
	b, err := readUnsigned(o.file)
	if err != nil {
		return nil, err
	}
	var fingerprint uint32
	if o.fingerprint != "" {
		if fingerprint, err = erc4527.ParseFingerprint(o.fingerprint); err != nil {
			return nil, err
		}
	}
	r, err := erc4527.NewRequest(b, o.rung-1, fingerprint)
	if err != nil {
		return nil, err
	}
	message, err := r.Encode()
	if err != nil {
		return nil, err
	}
	if n := b.Items[0].Signatures(); n > 1 {
		s.Note("rung %d of %d: the batch is signed once the wallet signed each of them", o.rung, n)
	}
	return newCrossing(erc4527.RequestType, message, message, fmt.Sprintf("request, rung %d of %d", o.rung, b.Items[0].Signatures())), nil
}

// cut chooses how much of a message each code shows, and the version of the
// codes. On a page it is as much as the terminal shows.
func (s *Station) cut(x *crossing, size int, page bool) (*ur.Encoder, int, error) {
	most := qrcode.MaxVersion
	if page {
		width, height := s.screenSize()
		fits, ok := tui.Fitting(width, height)
		if !ok {
			return nil, 0, wallet.WithHint(wallet.As(wallet.ErrUsage, "a terminal of %d by %d is too small for a QR code", width, height),
				"make it 80 by 24, or write images with --png")
		}
		most = fits
	}
	longest := ur.FragmentFor(x.kind, len(x.message), qrcode.Capacity(most))
	switch {
	case size == 0 && page:
		size = longest
	case size == 0:
		size = min(filePart, longest)
	case size > longest && len(x.message) > longest:
		return nil, 0, wallet.As(wallet.ErrUsage, "--size %d: %d bytes are the most that fit into a code here", size, longest)
	}
	if size == 0 {
		return nil, 0, wallet.WithHint(wallet.As(wallet.ErrUsage, "this terminal is too small for %d bytes of %s", len(x.message), x.kind),
			"make it larger, or carry the file on a medium")
	}
	e, err := ur.NewEncoder(x.kind, x.message, size)
	if err != nil {
		return nil, 0, err
	}
	version, ok := qrcode.VersionFor(e.Characters())
	if !ok {
		return nil, 0, fmt.Errorf("parts of %d characters fit into no QR code", e.Characters())
	}
	return e, version, nil
}

// screenSize is that of the terminal, else what every terminal has.
func (s *Station) screenSize() (width, height int) {
	if f, ok := s.Out.(*os.File); ok {
		if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 && height > 0 {
			return width, height
		}
	}
	return 80, 24
}

// play shows the codes on the terminal.
func play(ctx context.Context, s *Station, x *crossing, e *ur.Encoder, version, limit int, o showOptions) (int, error) {
	film := tui.Film{
		Title: x.title, Parts: e.Count(), FPS: o.fps, Limit: limit, Light: o.invert,
		Notes: []string{fmt.Sprintf("%d bytes", x.bytes), "sha256 " + x.sum[:4] + " " + x.sum[4:8] + " " + x.sum[8:12] + " " + x.sum[12:16]},
		Next: func() (tui.Frame, error) {
			p := e.Next()
			code, err := qrcode.Encode(p.String(), version)
			return tui.Frame{Number: int(p.Number), Code: code}, err
		},
	}
	return film.Show(ctx, s.In, s.Out)
}

// writeImages writes codes as frame-0001.png and so on. None is replaced.
func writeImages(dir string, e *ur.Encoder, version, count int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for n := range count {
		code, err := qrcode.Encode(e.Next().String(), version)
		if err != nil {
			return err
		}
		var file bytes.Buffer
		if err := png.Encode(&file, code.Image(pixels)); err != nil {
			return err
		}
		if err := secretfile.Create(filepath.Join(dir, fmt.Sprintf("frame-%04d.png", n+1)), file.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// shorten keeps a foreign text from filling the screen.
func shorten(text string) string {
	const most = 40
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
