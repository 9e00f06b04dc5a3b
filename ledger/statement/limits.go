package statement

// Every bound on what a statement may carry. A C2SP tlog-tiles entry ends at
// 65,535 bytes; MaxSize leaves room below it.
const (
	// MaxSize bounds a whole statement, in bytes.
	MaxSize = 60_000
	// MaxRegion bounds a region or authority id, in bytes.
	MaxRegion = 32
	// MaxArea bounds an area id, in bytes.
	MaxArea = 64
	// MaxSubject bounds the subject, in bytes.
	MaxSubject = 256
	// MaxReason bounds a stated reason, in bytes of UTF-8.
	MaxReason = 1_000
	// MaxLegalRef bounds a reference to the legal ground, in bytes of UTF-8.
	MaxLegalRef = 500
	// MaxKeyID bounds a key id (kid): 8 bytes in EU DCC, 32 in SMART Health Cards.
	MaxKeyID = 64
	// MaxPublicKey bounds a public key in SubjectPublicKeyInfo DER; an RSA-4096 key takes 550 bytes.
	MaxPublicKey = 1_200
	// MaxCertificate bounds an issuer's certificate in DER.
	MaxCertificate = 8_192
	// MaxKinds bounds a list of kinds of code.
	MaxKinds = 16
	// MaxLevel and MaxScheme bound the names of a risk level and of the scheme it belongs to.
	MaxLevel  = 32
	MaxScheme = 32
	// MaxLookback bounds how long before a check a stay in a risk area counts, in days.
	MaxLookback = 366
	// HashSize is the length of a revocation hash: SHA-256 cut to 16 bytes (EU DCC revocation).
	HashSize = 16
	// MaxAttachment bounds the attachment that travels beside a statement: 1 MiB, 65,536 hashes.
	MaxAttachment = 1 << 20
	// MaxBatchHashes is how many revocation hashes fit in one attachment.
	MaxBatchHashes = MaxAttachment / HashSize
	// MaxIssuerURL and MaxIssuerName bound how an issuer is called, in bytes of UTF-8.
	MaxIssuerURL  = 512
	MaxIssuerName = 200
	// MaxName bounds the id of a rule or value set, a version, and the names of rule sets and special cases.
	MaxName = 64
	// MaxDocument bounds a rule, value set or condition as it travels, compressed, in bytes.
	MaxDocument = 32 << 10
	// MaxDocumentText bounds the same once inflated, in bytes.
	MaxDocumentText = 512 << 10
	// MaxSchemeLevels bounds the levels of a scheme, MaxCaseKeys the keys that a special case names,
	// MaxNames a list of names in a grant.
	MaxSchemeLevels = 32
	MaxCaseKeys     = 64
	MaxNames        = 32
	// MaxValidators bounds the validators of a network, which a seal lists. With the
	// longest ids they take 36,000 bytes.
	MaxValidators = 256
	// MaxNote bounds the note in a handover, in bytes.
	MaxNote = 56 << 10
	// MaxDescriptor bounds the descriptor in a proposal to admit, in bytes.
	MaxDescriptor = 16 << 10
	// MaxAddresses and MaxAddress bound where a node is found.
	MaxAddresses = 16
	MaxAddress   = 256
	// MaxTitle and MaxText bound the report of an incident, in bytes of UTF-8.
	MaxTitle = 200
	MaxText  = 4_000
	// MaxEvidence bounds the proof in a report of evidence, in bytes.
	MaxEvidence = 32 << 10
	// MaxLogSize bounds the size that a seal names: the largest number that JSON carries exactly everywhere.
	MaxLogSize = 1<<53 - 1
	// MaxTime bounds every time, in Unix seconds: the end of the year 9999.
	MaxTime = 253_402_300_799
)
