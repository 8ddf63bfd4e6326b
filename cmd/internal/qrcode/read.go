package qrcode

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // photographs
	_ "image/png"  // screen shots

	"github.com/makiuchi-d/gozxing"
	decoder "github.com/makiuchi-d/gozxing/qrcode"
)

// Bounds of an image, so that a hostile one costs little.
const (
	MaxImageSize = 32 << 20 // bytes of the file
	maxPixels    = 32 << 20
	maxScans     = 100 // of a progressive JPEG; cameras and programs make some ten
)

// startOfScan is a marker that never stands in a scan itself (ISO/IEC 10918-1,
// B.1.1.5).
var startOfScan = []byte{0xff, 0xda}

// ErrNoCode says that there is no QR code in an image that can be read.
var ErrNoCode = errors.New("no QR code can be read in it")

// Read is the text of the QR code in a PNG or JPEG file, dark on light or the
// other way round. The error wraps ErrNoCode if the image has none.
func Read(file []byte) (text string, err error) {
	config, format, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return "", fmt.Errorf("not a PNG or JPEG image: %w", err)
	}
	if config.Width <= 0 || config.Height <= 0 || config.Width > maxPixels/config.Height {
		return "", fmt.Errorf("an image of %d by %d pixels is too big", config.Width, config.Height)
	}
	// Each scan goes through all pixels and can take as few bytes as fit on a
	// line: as many as fit in a file take hours.
	if n := bytes.Count(file, startOfScan); format == "jpeg" && n > maxScans {
		return "", fmt.Errorf("a JPEG image of %d scans is too complicated", n)
	}
	img, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return "", fmt.Errorf("damaged image: %w", err)
	}
	return Find(img)
}

// Find is Read for an image that is in memory.
func Find(img image.Image) (text string, err error) {
	// The decoder computes with what it measured in a hostile image; it is
	// nothing worse than an image that cannot be read if that goes wrong.
	defer func() {
		if r := recover(); r != nil {
			text, err = "", fmt.Errorf("%w: the decoder stumbled: %v", ErrNoCode, r)
		}
	}()
	source := gozxing.NewLuminanceSourceFromImage(img)
	for _, s := range []gozxing.LuminanceSource{source, source.Invert()} {
		for _, way := range ways {
			if text, err = find(s, way); err == nil {
				return text, nil
			}
		}
	}
	return "", ErrNoCode
}

// way is one of those in which a code can be found.
type way struct {
	binarizer func(gozxing.LuminanceSource) gozxing.Binarizer
	hint      gozxing.DecodeHintType
}

// ways finds codes in photographs first; the last finds one that nothing else
// is in the picture of, where the first stumble over one in a hundred.
var ways = []way{
	{gozxing.NewHybridBinarizer, gozxing.DecodeHintType_TRY_HARDER},
	{gozxing.NewGlobalHistgramBinarizer, gozxing.DecodeHintType_TRY_HARDER},
	{gozxing.NewGlobalHistgramBinarizer, gozxing.DecodeHintType_PURE_BARCODE},
}

func find(source gozxing.LuminanceSource, w way) (string, error) {
	bitmap, err := gozxing.NewBinaryBitmap(w.binarizer(source))
	if err != nil {
		return "", err
	}
	result, err := decoder.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{w.hint: true})
	if err != nil {
		return "", err
	}
	return result.GetText(), nil
}
