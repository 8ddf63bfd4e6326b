package slip39

// Arithmetic in GF(256) with the polynomial of AES, x⁸+x⁴+x³+x+1. Neither time
// nor places in memory depend on the values, which are secret.

func mul(a, b byte) (product byte) {
	for range 8 {
		product ^= a & -(b & 1)
		a = a<<1 ^ 0x1b&-(a>>7)
		b >>= 1
	}
	return product
}

// inverse is a to the power of 254; of zero it is zero.
func inverse(a byte) byte {
	result := byte(1)
	for range 7 { // 254 = 2 + 4 + … + 128
		a = mul(a, a)
		result = mul(result, a)
	}
	return result
}

// point is a place on the polynomials that share a secret, one for each of
// its bytes.
type point struct {
	x byte
	y []byte
}

// interpolate finds the polynomials through points with different x and equal
// lengths, and their values at x (Lagrange).
func interpolate(points []point, x byte) []byte {
	value := make([]byte, len(points[0].y))
	for i, p := range points {
		basis := byte(1)
		for j, q := range points {
			if i != j {
				basis = mul(basis, mul(x^q.x, inverse(p.x^q.x)))
			}
		}
		for k := range value {
			value[k] ^= mul(basis, p.y[k])
		}
	}
	return value
}
