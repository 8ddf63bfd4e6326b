// Package ur carries bytes across a gap as a series of short texts, each small
// enough for a QR code, of which any sufficient number in any order gives the
// bytes back.
//
// It implements Uniform Resources (BCR-2020-005) with Bytewords in the minimal
// style (BCR-2020-012) and the fountain code of the bc-ur reference (multipart
// UR, Xoshiro256** and alias sampling), whose published vectors the tests hold
// it against. A message is the CBOR of its type (RFC 8949, deterministic). It
// is cut into fragments of equal length; part n shows fragment n while there
// are that many, and after them the exclusive or of fragments that its number
// and the message's checksum choose.
//
// Reading is strict: a part has one spelling, letter case aside. Nothing here
// is secret or signed. Checksums tell noise from parts; they do not tell a
// forger from a friend, and whoever takes in a message must prove what is in
// it.
package ur
