package slip39

// checksumWords is how many words at a share's end are its checksum: RS1024, a
// Reed-Solomon code over GF(1024) that finds any three wrong words.
const checksumWords = 3

var generator = [10]uint32{
	0xe0e040, 0x1c1c080, 0x3838100, 0x7070200, 0xe0e0009,
	0x1c0c2412, 0x38086c24, 0x3090fc48, 0x21b1f890, 0x3f3f120,
}

// polymod is the checksum of a share under the customization of its kind.
func polymod(extendable bool, numbers []uint16) uint32 {
	custom := "shamir"
	if extendable {
		custom = "shamir_extendable"
	}
	sum := uint32(1)
	add := func(n uint32) {
		top := sum >> 20
		sum = sum&0xfffff<<10 ^ n
		for i, g := range generator {
			if top>>i&1 == 1 {
				sum ^= g
			}
		}
	}
	for _, c := range []byte(custom) {
		add(uint32(c))
	}
	for _, n := range numbers {
		add(uint32(n))
	}
	return sum
}

// appendChecksum ends a share.
func appendChecksum(extendable bool, numbers []uint16) []uint16 {
	padded := append(numbers[:len(numbers):len(numbers)], 0, 0, 0)
	sum := polymod(extendable, padded) ^ 1
	clear(padded)
	return append(numbers, uint16(sum>>20&0x3ff), uint16(sum>>10&0x3ff), uint16(sum&0x3ff))
}
