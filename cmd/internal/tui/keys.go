package tui

import (
	"charm.land/bubbles/v2/key"
)

// keyMap is what the keys of the review do.
type keyMap struct {
	Up, Down, PageUp, PageDown, Top, Bottom key.Binding
	Open, Batch, Filter, Sort, Reverse      key.Binding
	Next, Previous, Odd                     key.Binding
	Help, Back, Quit                        key.Binding
}

func bind(name, does string, keys ...string) key.Binding {
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(name, does))
}

func newKeyMap() keyMap {
	return keyMap{
		Up:       bind("up, down", "one line; k and j too", "up", "k"),
		Down:     bind("", "", "down", "j"),
		PageUp:   bind("pgup, pgdown", "one page; space too", "pgup", "ctrl+b"),
		PageDown: bind("", "", "pgdown", "space", "ctrl+f"),
		Top:      bind("home, end", "to the first and last; g and G too", "home", "g"),
		Bottom:   bind("", "", "end", "G"),
		Open:     bind("enter", "all about the item", "enter", "right", "l"),
		Batch:    bind("b", "all about the batch", "b"),
		Next:     bind("n, N", "to the next item with a warning or refusal, or the one before", "n"),
		Previous: bind("", "", "N"),
		Odd:      bind("w", "only items with warnings or refusals, or all again", "w"),
		Filter:   bind("/", "only items with these words", "/"),
		Sort:     bind("s", "sort by amount, recipient, nonce, id, or as in the batch", "s"),
		Reverse:  bind("r", "the other way round", "r"),
		Help:     bind("?", "this help", "?"),
		Back:     bind("esc", "back; in the list, all items again", "esc", "left", "h", "backspace"),
		Quit:     bind("q", "leave", "q"),
	}
}

// all lists the bindings as the help shows them, each pair once.
func (k keyMap) all() []key.Binding {
	return []key.Binding{
		k.Up, k.PageUp, k.Top, k.Open, k.Batch, k.Next, k.Odd,
		k.Filter, k.Sort, k.Reverse, k.Back, k.Help, k.Quit,
	}
}
