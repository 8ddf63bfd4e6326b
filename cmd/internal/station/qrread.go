package station

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/cmd/internal/qrcode"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/erc4527"
	"github.com/airlock-wallet/airlock/wallet/secretfile"
	"github.com/airlock-wallet/airlock/wallet/ur"
)

func newQRRead(s *Station) *cobra.Command {
	var out, batchFile string
	c := &cobra.Command{
		Use:   "read IMAGE|DIRECTORY|-…",
		Short: "Read a file from QR codes",
		Long: `Put a file together from QR codes: from images (PNG or JPEG), from all images
of a directory, or from texts that come in a pipe, one a line, as "zbarcam --raw"
prints them. They may come in any order, doubled, and with some missing, as
long as enough are there; reading ends as soon as they are. Other codes are
passed over and counted. A part of another message is refused.

The file is the one that was shown, byte for byte: compare its SHA-256 with what
the other station shows. Nobody signed for it; review, sign, broadcast and watch
import check what is in it.

With --batch the answers of a QR hardware wallet (ERC-4527) are read, one for
each rung of the batch, and a signed batch is written. It is marked as signed
outside of airlock: no policy held the wallet back, and no signing record knows
of it.`,
		Example: `  zbarcam --raw | airlock-signer qr read - -o batch.json
  airlock qr read codes/ -o signed.json
  airlock qr read answer.png --batch batch.json -o signed.json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" && (s.OutTerminal || s.JSON) {
				return wallet.WithHint(wallet.As(wallet.ErrUsage, "no file to write to"), "name one with -o FILE, or write into a pipe")
			}
			r := &qrReader{station: s}
			if batchFile != "" {
				if err := r.expectAnswers(batchFile); err != nil {
					return err
				}
			}
			if err := r.readAll(c.Context(), args); err != nil {
				return err
			}
			return r.finish(out)
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "`file` to write (else standard output)")
	c.Flags().StringVar(&batchFile, "batch", "", "read a hardware wallet's signatures of this batch `file`")
	return c
}

// qrReader puts messages together from the texts of QR codes.
type qrReader struct {
	station *Station
	decoder ur.Decoder
	parts   int    // taken in, doubled ones too
	foreign int    // texts and images that are no parts
	example string // of a foreign one
	file    []byte // once it is complete
	answers *erc4527.Answers
	origin  string // what the wallet calls itself
}

// readRow tells what was read.
type readRow struct {
	Path    string `json:"path,omitzero"`
	Bytes   int    `json:"bytes"`
	SHA256  string `json:"sha256"`
	Parts   int    `json:"parts"`
	Foreign int    `json:"foreign"`
}

// expectAnswers makes the reader wait for signatures of a batch.
func (r *qrReader) expectAnswers(path string) error {
	b, err := readUnsigned(path)
	if err != nil {
		return err
	}
	r.answers, err = erc4527.NewAnswers(b)
	return err
}

// readAll reads the sources in order, until the message is complete.
func (r *qrReader) readAll(ctx context.Context, sources []string) error {
	for _, source := range sources {
		if err := r.readSource(ctx, source); err != nil || r.complete() {
			return err
		}
	}
	return nil
}

func (r *qrReader) complete() bool { return r.file != nil }

func (r *qrReader) readSource(ctx context.Context, source string) error {
	if source == "-" {
		return r.readLines(ctx, r.station.In)
	}
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return r.readImage(source)
	}
	entries, err := os.ReadDir(source) // by name
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := errors.Join(ctx.Err(), r.readImage(filepath.Join(source, e.Name()))); err != nil || r.complete() {
			return err
		}
	}
	return nil
}

func (r *qrReader) readImage(path string) error {
	file, err := readFile(path, qrcode.MaxImageSize)
	if err != nil {
		return err
	}
	text, err := qrcode.Read(file)
	if err != nil {
		r.pass(fmt.Sprintf("%s: %v", filepath.Base(path), err))
		return nil
	}
	return r.take(text)
}

// readLines reads texts until the message is complete or nothing more comes.
// Whoever scans may never end the pipe, so the context ends it too.
func (r *qrReader) readLines(ctx context.Context, in io.Reader) error {
	lines := make(chan string)
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		ended <- eachLine(in, ur.MaxText, func(line string) bool {
			select {
			case lines <- line:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	for {
		select {
		case line := <-lines:
			// zbarcam says what kind of code it saw, unless it is told not to.
			if line = strings.TrimPrefix(line, "QR-Code:"); line == "" {
				continue
			}
			if err := r.take(line); err != nil || r.complete() {
				return err
			}
		case err := <-ended:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// eachLine hands over lines without the white space around them. A line beyond
// the limit is handed over as far as the limit and a character, so that it can be
// counted.
func eachLine(in io.Reader, limit int, fn func(string) bool) error {
	buffered := bufio.NewReaderSize(in, limit+1)
	for {
		line, err := buffered.ReadSlice('\n')
		if len(line) > 0 && !fn(strings.TrimSpace(string(line))) {
			return nil
		}
		for errors.Is(err, bufio.ErrBufferFull) { // the rest of it
			_, err = buffered.ReadSlice('\n')
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// pass counts what is no part.
func (r *qrReader) pass(what string) {
	if r.foreign++; r.foreign == 1 {
		r.example = shorten(what)
	}
}

// take takes in the text of a code.
func (r *qrReader) take(text string) error {
	p, err := ur.ParsePart(text)
	if errors.Is(err, ur.ErrForeign) {
		r.pass(text)
		return nil
	}
	if err != nil {
		return err
	}
	if r.answers != nil && p.Type != erc4527.SignatureType {
		return wallet.WithHint(wallet.As(wallet.ErrRefused, "the code holds %s, and the answer of a hardware wallet is %s", p.Type, erc4527.SignatureType),
			"leave out --batch to read a file")
	}
	fresh, err := r.decoder.Add(p)
	if err != nil {
		return err
	}
	r.parts++
	have, want := r.decoder.Progress()
	if s := r.station; fresh && s.ErrTerminal {
		fmt.Fprintf(s.Err, "\r\x1b[K%d of %d parts", have, want)
		if have == want {
			fmt.Fprintln(s.Err)
		}
	}
	if !r.decoder.Done() {
		return nil
	}
	kind, message, err := r.decoder.Message()
	if err != nil {
		return err
	}
	r.decoder = ur.Decoder{} // for the next answer
	return r.open(kind, message)
}

// open takes a complete message.
func (r *qrReader) open(kind string, message []byte) (err error) {
	switch {
	case r.answers != nil:
		return r.answer(message)
	case kind == ur.FileType:
		r.file, err = ur.UnpackFile(message)
		return err
	case kind == erc4527.SignatureType:
		return wallet.WithHint(wallet.As(wallet.ErrUsage, "this is the answer of a hardware wallet"), "say which batch it signed with --batch FILE")
	}
	return wallet.As(wallet.ErrRefused, "the codes hold %s, which is no file of airlock", kind)
}

// answer takes in a hardware wallet's signature.
func (r *qrReader) answer(message []byte) error {
	s, err := erc4527.ParseSignature(message)
	if err != nil {
		return err
	}
	if _, err := r.answers.Add(s); err != nil {
		return err
	}
	r.origin = s.Origin
	if len(r.answers.Missing()) > 0 {
		return nil
	}
	signed, err := r.answers.Signed(r.station.Now())
	if err != nil {
		return err
	}
	r.file, err = signed.Encode()
	return err
}

// finish writes the file, or says what is missing.
func (r *qrReader) finish(out string) error {
	s := r.station
	if r.foreign > 0 {
		s.Note("passed over %d that are no parts, such as %s", r.foreign, r.example)
	}
	if !r.complete() {
		return r.incomplete()
	}
	if r.answers != nil {
		s.Note("signed outside airlock by %q: no policy, no signing record", shorten(r.origin))
	}
	sum := sha256.Sum256(r.file)
	row := readRow{Path: out, Bytes: len(r.file), SHA256: hex.EncodeToString(sum[:]), Parts: r.parts, Foreign: r.foreign}
	if out == "" {
		s.Note("%d bytes, SHA-256 %s", row.Bytes, row.SHA256)
		_, err := s.Out.Write(r.file)
		return err
	}
	if err := secretfile.Create(out, r.file); err != nil && (!errors.Is(err, fs.ErrExist) || !sameFile(out, r.file)) {
		return err
	}
	return s.Print(row, func(w io.Writer) {
		fmt.Fprintf(w, "file    %s\nbytes   %d\nsha256  %s\nparts   %d read\n", cli.Clean(out), row.Bytes, row.SHA256, row.Parts)
	})
}

func (r *qrReader) incomplete() error {
	have, want := r.decoder.Progress()
	switch {
	case r.answers != nil && have == 0:
		var rungs []string
		for _, n := range r.answers.Missing() {
			rungs = append(rungs, fmt.Sprint(n+1))
		}
		return wallet.WithHint(fmt.Errorf("no signature came for rung %s", strings.Join(rungs, ", ")),
			"show each with qr show --erc4527 --rung N, and read the answers together")
	case have == 0:
		return wallet.WithHint(errors.New("there is no part of a file in it"), "qr show of the other station shows one")
	}
	return wallet.WithHint(fmt.Errorf("%d of %d parts: %d more are needed, whichever", have, want, want-have),
		"read the codes again together with those that you have; what was read is not kept")
}
