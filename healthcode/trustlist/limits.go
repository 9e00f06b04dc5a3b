package trustlist

// Every bound on what is read.
const (
	// MaxFile bounds a list, in bytes. The EU's took about 1 MiB.
	MaxFile = 64 << 20
	// MaxEntries bounds the keys in a list, and its revocation lists.
	MaxEntries = 100_000
	// MaxCertificate bounds one certificate, in bytes of DER: what a statement carries.
	MaxCertificate = 8_192
	// MaxKeyID bounds a key id, in bytes: what a statement carries.
	MaxKeyID = 64
	// MaxIssuer and MaxName bound how an issuer is called, in bytes: what a statement carries.
	MaxIssuer = 512
	MaxName   = 200

	// Bounds on RSA keys, in bits: those by which codes are verified (hc1).
	minRSABits = 2048
	maxRSABits = 4096
	// maxAnchorRSABits bounds the work of checking one signature of a CSCA.
	maxAnchorRSABits = 8192
	// maxAnchors bounds the CSCAs of one file. Some 60 states take part.
	maxAnchors = 2_000
	// maxShown bounds what is quoted of a list in a message, in bytes.
	maxShown = 80
)
