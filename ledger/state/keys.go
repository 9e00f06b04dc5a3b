package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"concordat/ledger/statement"
)

// The first byte of a key tells what is under it. Ids hold A-Z, 0-9 and "-"
// only, names of schemes a-z, 0-9, "-" and ".", so a zero byte ends them.
const (
	tagNetwork           = 'n' // alone
	tagAuthority         = 'a' // authority
	tagIssuerKey         = 'i' // region 0 thumbprint(32)
	tagByKeyID           = 'k' // length(1) kid region 0 thumbprint(32)
	tagByPublicKey       = 'p' // SHA-256 of SubjectPublicKeyInfo(32) region 0 thumbprint(32)
	tagKeyCount          = 'c' // length(1) kid region
	tagRegistrationCount = 'q' // SHA-256 of SubjectPublicKeyInfo(32) region
	tagRecognition       = 'g' // grantor 0 grantee
	tagRisk              = 'd' // area 0 authority 0 scheme
	tagSchemeCount       = 's' // area 0 authority
	tagRevocation        = 'r' // hash(16) type(1) authority 0 index(8, big-endian)
	tagBatch             = 'b' // index(8, big-endian)
	tagTotals            = 't' // authority 0 type(1)
	tagOrdinals          = 'o' // alone
	tagValidators        = 'v' // alone
	tagSeal              = 'l' // alone
	tagEvidence          = 'e' // culprit
	tagUsedKey           = 'u' // SHA-256 of the Ed25519 public key(32)
	tagElectorate        = 'w' // least size(8, big-endian)
	tagProposal          = 'j' // index(8, big-endian)
	tagProposalCount     = 'm' // authority
	tagHandover          = 'h' // index(8, big-endian)
	tagRecovery          = 'y' // index(8, big-endian)
	tagRule              = 'f' // authority 0 set 0 id 0 version; without a version: the rule's head
	tagValueSet          = 'x' // authority 0 id
	tagScheme            = 'z' // authority 0 name
	tagCase              = 'C' // authority 0 name
	tagPublished         = 'P' // authority
)

func networkKey() []byte { return []byte{tagNetwork} }

func authorityKey(id statement.Region) []byte {
	return append([]byte{tagAuthority}, id...)
}

func issuerKeyPrefix(region statement.Region) []byte {
	k := append([]byte{tagIssuerKey}, region...)
	return append(k, 0)
}

func issuerKeyKey(region statement.Region, t statement.Thumbprint) []byte {
	return append(issuerKeyPrefix(region), t[:]...)
}

func keyIDPrefix(kid []byte) []byte {
	k := append(make([]byte, 0, 2+len(kid)+statement.MaxRegion+1+sha256.Size), tagByKeyID, byte(len(kid)))
	return append(k, kid...)
}

// keyCountKey is where a region's keys with one kid are counted.
func keyCountKey(region statement.Region, kid []byte) []byte {
	k := append(make([]byte, 0, 2+len(kid)+len(region)), tagKeyCount, byte(len(kid)))
	k = append(k, kid...)
	return append(k, region...)
}

// registrationCountKey is where a region's registrations of one public key are counted.
func registrationCountKey(region statement.Region, key [sha256.Size]byte) []byte {
	k := append([]byte{tagRegistrationCount}, key[:]...)
	return append(k, region...)
}

func publicKeyPrefix(spki []byte) []byte {
	sum := sha256.Sum256(spki)
	return append([]byte{tagByPublicKey}, sum[:]...)
}

// registration ends an index key: whose registration, and of which key.
func registration(prefix []byte, region statement.Region, t statement.Thumbprint) []byte {
	k := append(prefix, region...)
	k = append(k, 0)
	return append(k, t[:]...)
}

// splitRegistration reads what registration wrote after prefix.
func splitRegistration(key, prefix []byte) (statement.Region, statement.Thumbprint, error) {
	region, t, ok := bytes.Cut(key[len(prefix):], []byte{0})
	if !ok || len(t) != sha256.Size || statement.Region(region).Validate() != nil {
		return "", statement.Thumbprint{}, fmt.Errorf("%w: index key %x does not end with region, 0 and thumbprint", ErrCorrupt, key)
	}
	return statement.Region(region), statement.Thumbprint(t), nil
}

func recognitionPrefix(grantor statement.Region) []byte {
	k := append([]byte{tagRecognition}, grantor...)
	return append(k, 0)
}

func recognitionKey(grantor, grantee statement.Region) []byte {
	return append(recognitionPrefix(grantor), grantee...)
}

func riskPrefix(area statement.Area) []byte {
	k := append([]byte{tagRisk}, area...)
	return append(k, 0)
}

func riskKey(area statement.Area, authority statement.Region, scheme string) []byte {
	k := append(riskPrefix(area), authority...)
	k = append(k, 0)
	return append(k, scheme...)
}

// schemeCountKey is where the schemes are counted in which an authority speaks of an area.
func schemeCountKey(area statement.Area, authority statement.Region) []byte {
	k := append([]byte{tagSchemeCount}, area...)
	k = append(k, 0)
	return append(k, authority...)
}

func batchKey(index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{tagBatch}, index)
}

func totalsKey(authority statement.Region, t statement.HashType) []byte {
	k := append([]byte{tagTotals}, authority...)
	return append(k, 0, hashTypeByte(t))
}

func ordinalsKey() []byte   { return []byte{tagOrdinals} }
func validatorsKey() []byte { return []byte{tagValidators} }
func sealKey() []byte       { return []byte{tagSeal} }

func evidenceKey(culprit statement.Region) []byte {
	return append([]byte{tagEvidence}, culprit...)
}

// usedKeyKey is where it is kept whose an Ed25519 key is or was.
func usedKeyKey(sum [sha256.Size]byte) []byte { return append([]byte{tagUsedKey}, sum[:]...) }

func electorateKey(from uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{tagElectorate}, from)
}

func proposalKey(index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{tagProposal}, index)
}

func proposalCountKey(by statement.Region) []byte {
	return append([]byte{tagProposalCount}, by...)
}

func handoverKey(index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{tagHandover}, index)
}

func recoveryKey(index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{tagRecovery}, index)
}

// joined appends parts to a tag, with a zero byte between them.
func joined(tag byte, parts ...string) []byte {
	return append([]byte{tag}, strings.Join(parts, "\x00")...)
}

// rulePrefix begins the keys of all that an authority's rules are kept under.
func rulePrefix(by statement.Region) []byte { return joined(tagRule, string(by), "") }

func ruleKey(by statement.Region, set, id string) []byte {
	return joined(tagRule, string(by), set, id)
}

func ruleVersionKey(by statement.Region, set, id, version string) []byte {
	return joined(tagRule, string(by), set, id, version)
}

func valueSetKey(by statement.Region, id string) []byte { return joined(tagValueSet, string(by), id) }
func schemeKey(by statement.Region, name string) []byte { return joined(tagScheme, string(by), name) }
func caseKey(by statement.Region, name string) []byte   { return joined(tagCase, string(by), name) }

// isRuleVersion tells the key of a version from that of its rule's head.
func isRuleVersion(key []byte) bool { return bytes.Count(key, []byte{0}) == 3 }

func publishedKey(by statement.Region) []byte { return append([]byte{tagPublished}, by...) }

func hashTypeByte(t statement.HashType) byte {
	return byte(slices.Index(statement.HashTypes, t) + 1)
}

// revocationPrefixSize is the length of what RevocationPrefix returns.
const revocationPrefixSize = 1 + statement.HashSize

// RevocationPrefix begins the keys of everything said of hash h, by whomever
// and under whichever type.
func RevocationPrefix(h statement.RevocationHash) []byte {
	return append([]byte{tagRevocation}, h[:]...)
}

// appendRevocationsBy appends what begins the keys of all that an authority
// said of a hash of a type. The zero byte ends the authority, so that what
// CN-31 says is not among what CN says.
func appendRevocationsBy(to, hash []byte, t byte, authority statement.Region) []byte {
	to = append(to, tagRevocation)
	to = append(to, hash...)
	to = append(to, t)
	to = append(to, authority...)
	return append(to, 0)
}

// appendRevocationKey appends the key of one event.
func appendRevocationKey(to, hash []byte, t byte, authority statement.Region, index uint64) []byte {
	to = appendRevocationsBy(to, hash, t, authority)
	return binary.BigEndian.AppendUint64(to, index)
}

func revocationKeySize(authority statement.Region) int {
	return revocationPrefixSize + 1 + len(authority) + 1 + 8
}

// splitRevocationKey reads a key under RevocationPrefix.
func splitRevocationKey(key []byte) (t statement.HashType, authority statement.Region, index uint64, err error) {
	rest := key[revocationPrefixSize:]
	if len(rest) < 1+1+8 {
		return "", "", 0, fmt.Errorf("%w: revocation key has %d bytes, want at least %d", ErrCorrupt, len(key), revocationPrefixSize+10)
	}
	n := int(rest[0])
	if n < 1 || n > len(statement.HashTypes) {
		return "", "", 0, fmt.Errorf("%w: revocation key has hash type %d, want 1 to %d", ErrCorrupt, n, len(statement.HashTypes))
	}
	end := len(rest) - 8 - 1
	if rest[end] != 0 {
		return "", "", 0, fmt.Errorf("%w: revocation key has byte %d after its authority, want 0", ErrCorrupt, rest[end])
	}
	authority = statement.Region(rest[1:end])
	if err := authority.Validate(); err != nil {
		return "", "", 0, fmt.Errorf("%w: revocation key: %v", ErrCorrupt, err)
	}
	return statement.HashTypes[n-1], authority, binary.BigEndian.Uint64(rest[len(rest)-8:]), nil
}

// SplitKey is the length of the part of a key that a Bloom filter is to hold:
// tag and hash for what is said of revocation hashes, so that one probe with
// RevocationPrefix tells that nothing was; the whole key for all others.
func SplitKey(key []byte) int {
	if len(key) >= revocationPrefixSize && key[0] == tagRevocation {
		return revocationPrefixSize
	}
	return len(key)
}
