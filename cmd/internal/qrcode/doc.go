// Package qrcode turns short texts into QR codes (ISO/IEC 18004), as modules,
// as lines for a terminal and as images, and reads them from images. Encoder
// and decoder are libraries of different origin, so that the tests hold each
// against the other.
package qrcode
