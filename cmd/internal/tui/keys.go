package tui

import (
	"charm.land/bubbles/v2/key"
)

// keyMap is what the keys of the review do.
type keyMap struct {
	Up, Down, PageUp, PageDown, Top, Bottom key.Binding
	Open, Batch, Filter, Help, Back, Quit   key.Binding
}

func bind(name, does string, keys ...string) key.Binding {
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(name, does))
}

func newKeyMap() keyMap {
	return keyMap{
		Up:       bind("up, k", "one line up", "up", "k"),
		Down:     bind("down, j", "one line down", "down", "j"),
		PageUp:   bind("page up, ctrl+b", "one page up", "pgup", "ctrl+b"),
		PageDown: bind("page down, space", "one page down", "pgdown", "space", "ctrl+f"),
		Top:      bind("home, g", "to the first", "home", "g"),
		Bottom:   bind("end, G", "to the last", "end", "G"),
		Open:     bind("enter", "everything about the item", "enter", "right", "l"),
		Batch:    bind("b", "everything about the batch", "b"),
		Filter:   bind("/", "show only items with these words", "/"),
		Help:     bind("?", "this help", "?"),
		Back:     bind("esc", "back; in the list, show all items again", "esc", "left", "h", "backspace"),
		Quit:     bind("q", "leave", "q"),
	}
}

// all lists the bindings as the help shows them.
func (k keyMap) all() []key.Binding {
	return []key.Binding{
		k.Up, k.Down, k.PageUp, k.PageDown, k.Top, k.Bottom,
		k.Open, k.Batch, k.Filter, k.Back, k.Help, k.Quit,
	}
}
