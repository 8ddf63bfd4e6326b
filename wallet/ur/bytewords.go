package ur

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// words are the 256 Bytewords of BCR-2020-012, four letters each, in the order
// of the bytes that they stand for. The first and the last letter of a word
// name it.
const words = "ableacidalsoapexaquaarchatomauntawayaxisbackbaldbarnbeltbetabias" +
	"bluebodybragbrewbulbbuzzcalmcashcatschefcityclawcodecolacookcost" +
	"cruxcurlcuspcyandarkdatadaysdelidicedietdoordowndrawdropdrumdull" +
	"dutyeacheasyechoedgeepicevenexamexiteyesfactfairfernfigsfilmfish" +
	"fizzflapflewfluxfoxyfreefrogfuelfundgalagamegeargemsgiftgirlglow" +
	"goodgraygrimgurugushgyrohalfhanghardhawkheathelphighhillholyhope" +
	"hornhutsicedideaidleinchinkyintoirisironitemjadejazzjoinjoltjowl" +
	"judojugsjumpjunkjurykeepkenokeptkeyskickkilnkingkitekiwiknoblamb" +
	"lavalazyleaflegsliarlimplionlistlogoloudloveluaulucklungmainmany" +
	"mathmazememomenumeowmildmintmissmonknailnavyneednewsnextnoonnote" +
	"numbobeyoboeomitonyxopenovalowlspaidpartpeckplaypluspoempoolpose" +
	"puffpumapurrquadquizraceramprealredorichroadrockroofrubyruinruns" +
	"rustsafesagascarsetssilkskewslotsoapsolosongstubsurfswantacotask" +
	"taxitenttiedtimetinytoiltombtoystriptunatwinuglyundouniturgeuser" +
	"vastveryvetovialvibeviewvisavoidvowswallwandwarmwaspwavewaxywebs" +
	"whatwhenwhizwolfworkyankyawnyellyogayurtzapszerozestzinczonezoom"

const wordLength = 4

// checksumLength is that of the CRC-32 that ends Bytewords.
const checksumLength = 4

// byLetters finds a byte by the first and the last letter of its word: its
// value plus 1, or 0 where no word has these letters.
var byLetters = func() (table [26][26]uint16) {
	for i := range 256 {
		word := words[i*wordLength : (i+1)*wordLength]
		table[word[0]-'a'][word[3]-'a'] = uint16(i + 1)
	}
	return table
}()

// encodeBytewords writes data and its CRC-32 (big endian) in the minimal
// style: two letters a byte.
func encodeBytewords(data []byte) string {
	out := make([]byte, 0, 2*(len(data)+checksumLength))
	add := func(list []byte) {
		for _, b := range list {
			out = append(out, words[int(b)*wordLength], words[int(b)*wordLength+3])
		}
	}
	add(data)
	add(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(data)))
	return string(out)
}

// decodeBytewords reads lower-case letters of the minimal style and checks the
// CRC-32.
func decodeBytewords(s string) ([]byte, error) {
	if len(s)%2 != 0 {
		return nil, errors.New("an odd number of letters is no Bytewords")
	}
	out := make([]byte, 0, len(s)/2)
	for i := 0; i < len(s); i += 2 {
		first, last := s[i]-'a', s[i+1]-'a' // what lies below 'a' wraps to far above 'z'
		if first >= 26 || last >= 26 || byLetters[first][last] == 0 {
			return nil, fmt.Errorf("%q at letter %d is no Byteword", s[i:i+2], i)
		}
		out = append(out, byte(byLetters[first][last]-1))
	}
	if len(out) <= checksumLength {
		return nil, errors.New("too short for Bytewords")
	}
	data, sum := out[:len(out)-checksumLength], out[len(out)-checksumLength:]
	if crc32.ChecksumIEEE(data) != binary.BigEndian.Uint32(sum) {
		return nil, errors.New("the checksum of the Bytewords is wrong: misread or cut short")
	}
	return data, nil
}
