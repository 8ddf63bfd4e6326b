package slip39

import (
	"bytes"
	_ "embed" // the word list
	"fmt"
	"strings"
	"sync"
)

// The list of the standard: 1,024 words of four to eight letters in order,
// each known by its first four.
//
//go:embed words.txt
var wordFile string

var list = sync.OnceValues(func() (words []string, index map[string]uint16) {
	words = strings.Fields(wordFile)
	index = make(map[string]uint16, len(words))
	for i, word := range words {
		index[word] = uint16(i)
	}
	return words, index
})

// wordsOf spells numbers of ten bits.
func wordsOf(numbers []uint16) []byte {
	words, _ := list()
	var text []byte
	for i, n := range numbers {
		if i > 0 {
			text = append(text, ' ')
		}
		text = append(text, words[n]...)
	}
	return text
}

// numbersOf reads words in any case, with any white space between them.
func numbersOf(text []byte) ([]uint16, error) {
	_, index := list()
	fields := bytes.Fields(bytes.ToLower(text))
	numbers := make([]uint16, 0, len(fields))
	for i, word := range fields {
		n, ok := index[string(word)]
		if !ok {
			return nil, fmt.Errorf("word %d is not in the list of SLIP-39", i+1)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}
