package sentence

// korean is the catalogue of that language.
var korean = map[string]string{}
