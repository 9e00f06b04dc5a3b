// Package corpus asks a network of four real nodes about all the real material
// that there is: the EU DCC test data with its pictures, the SMART Health Cards
// examples, and the published acceptance rules of four authorities, beside codes
// of our own.
//
// Its tests promise three things of whole nodes, over HTTP, as a verifier meets
// them: that every code gets the verdict that an independent reader gave it, for
// its reason; that the same question at one size gets the same answer to the byte
// at every node and offline; and that no log line holds anything that a code says.
// What the formats and the engine mean in detail is their own packages' business.
//
// The material lies in ../shared/corpus beside the repository; where that is
// missing, the part of it that the packages carry in their testdata is asked about.
package corpus
