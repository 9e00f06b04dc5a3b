package sentence

// german is the catalogue of that language.
var german = map[string]string{}
