package sentence

// chinese is the catalogue of that language.
var chinese = map[string]string{}
