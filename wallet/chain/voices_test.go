package chain

import (
	"slices"
	"testing"
	"time"
)

// TestVoices keeps one provider from making a quorum with itself.
func TestVoices(t *testing.T) {
	for name, c := range map[string]struct {
		urls []string
		want []int // endpoints of each voice
	}{
		"one":                             {[]string{"http://a/1"}, []int{1}},
		"two hosts":                       {[]string{"http://a/1", "http://b/1"}, []int{1, 1}},
		"both protocols of one provider":  {[]string{"https://a/1", "wss://a/1", "https://b/1"}, []int{2, 1}},
		"two keys of one provider":        {[]string{"https://a/1", "https://b/1", "https://a/2"}, []int{2, 1}},
		"two nodes behind a common host":  {[]string{"https://a/1", "https://a/2"}, []int{1, 1}},
		"the same URL twice":              {[]string{"https://a/1", "https://a/1"}, []int{2}},
		"two ports are two hosts":         {[]string{"http://a:1", "http://a:2"}, []int{1, 1}},
		"the same URL twice and one more": {[]string{"https://a/1", "https://a/1", "https://a/2"}, []int{2, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			client := &Client{}
			for _, u := range c.urls {
				ep, err := newEndpoint(u, time.Second)
				if err != nil {
					t.Fatal(err)
				}
				client.endpoints = append(client.endpoints, ep)
			}
			var have []int
			for _, v := range client.voices() {
				have = append(have, len(v))
			}
			if !slices.Equal(have, c.want) {
				t.Errorf("voices of %d endpoints, want %d", have, c.want)
			}
		})
	}
}
