package statement

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"fmt"
	"runtime"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

const (
	// batchMost is how many signatures are verified by one equation. Larger
	// batches gain little and, when one signature is wrong, lose more.
	batchMost = 256
	// batchLeast is below what a batch costs more than its signatures one by one.
	batchLeast = 4
	// expandedKeys bounds the keys kept expanded, about 1.5 KiB each: more than any network has authorities.
	expandedKeys = 1024
)

// Checker verifies many statements at once, and each statement once in a
// process: what a node verified when it was submitted is not verified again
// when it is ordered. It says what (*Unverified).Verify says, faster. It
// remembers only that a hash was signed by a key, so it may be kept as long as
// the process. Safe for concurrent use; nothing it starts outlives a call.
type Checker struct {
	verified *lru.Cache[fact, struct{}]
	expanded *lru.Cache[[ed25519.PublicKeySize]byte, *voi.ExpandedPublicKey]
}

// fact is that key has signed the statement of that hash. The hash covers the
// signature and all that is signed, so the fact holds for any statement with it.
type fact struct {
	hash Hash
	key  [ed25519.PublicKeySize]byte
}

// NewChecker makes a checker that remembers the size statements verified last,
// at about 200 bytes each; size is at least 1.
func NewChecker(size int) *Checker {
	verified, err := lru.New[fact, struct{}](max(size, 1))
	if err != nil {
		panic(err) // sizes above zero have none
	}
	expanded, err := lru.New[[ed25519.PublicKeySize]byte, *voi.ExpandedPublicKey](expandedKeys)
	if err != nil {
		panic(err)
	}
	return &Checker{verified: verified, expanded: expanded}
}

// Verify is VerifyAll for one statement.
func (c *Checker) Verify(u *Unverified, key ed25519.PublicKey) (*Verified, error) {
	vs, errs := c.VerifyAll([]*Unverified{u}, []ed25519.PublicKey{key})
	return vs[0], errs[0]
}

// VerifyAll verifies us[i] with keys[i], for every i, on all processors. Of
// each pair in the answer one is nil. Errors wrap ErrSignature.
func (c *Checker) VerifyAll(us []*Unverified, keys []ed25519.PublicKey) ([]*Verified, []error) {
	if len(us) != len(keys) {
		panic(fmt.Sprintf("statement: %d statements with %d keys", len(us), len(keys)))
	}
	vs, errs := make([]*Verified, len(us)), make([]error, len(us))
	var todo []int
	for i, u := range us {
		if len(keys[i]) != ed25519.PublicKeySize {
			errs[i] = errKeySize(keys[i])
		} else if _, known := c.verified.Get(factOf(u, keys[i])); known {
			vs[i] = verifiedBy(u, keys[i])
		} else {
			todo = append(todo, i)
		}
	}
	// Each part of todo is one goroutine's, and with it those places of vs and errs.
	part := min(max((len(todo)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0), batchLeast), batchMost)
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wait sync.WaitGroup
	for len(todo) > part {
		mine := todo[:part]
		todo = todo[part:]
		free <- struct{}{}
		wait.Go(func() {
			c.verify(us, keys, mine, vs, errs)
			<-free
		})
	}
	c.verify(us, keys, todo, vs, errs) // the last part here: one statement needs no goroutine
	wait.Wait()
	return vs, errs
}

// verify verifies the statements at the places todo.
func (c *Checker) verify(us []*Unverified, keys []ed25519.PublicKey, todo []int, vs []*Verified, errs []error) {
	settle := func(i int, good bool) {
		if !good {
			errs[i] = errSignature(us[i], keys[i])
			return
		}
		vs[i] = verifiedBy(us[i], keys[i])
		c.verified.Add(factOf(us[i], keys[i]), struct{}{})
	}
	if len(todo) < batchLeast {
		for _, i := range todo {
			key := c.expand(keys[i])
			settle(i, key != nil && voi.VerifyExpandedWithOptions(key, us[i].toBeSigned(), us[i].signature, zip215))
		}
		return
	}
	batch := voi.NewBatchVerifierWithCapacity(len(todo))
	seed := sha512.New()
	seed.Write([]byte("concordat batch v1\n"))
	var added []int
	for _, i := range todo {
		key := c.expand(keys[i])
		if key == nil {
			settle(i, false)
			continue
		}
		batch.AddExpandedWithOptions(key, us[i].toBeSigned(), us[i].signature, zip215)
		seed.Write(keys[i])
		seed.Write(us[i].hash[:])
		added = append(added, i)
	}
	if len(added) == 0 {
		return
	}
	// The equation's coefficients must be out of reach of whoever made the
	// signatures. They come from a hash over everything that is verified, as in
	// a Fiat-Shamir transform, so that the same statements give the same answer
	// without a random source (S6). If the equation fails, Verify goes on one by
	// one and finds which signatures are wrong.
	_, good := batch.Verify(bytes.NewReader(seed.Sum(nil)))
	for at, i := range added {
		settle(i, good[at])
	}
}

// expand gives the key prepared for verification; nil if it is no point of the curve.
func (c *Checker) expand(key ed25519.PublicKey) *voi.ExpandedPublicKey {
	id := [ed25519.PublicKeySize]byte(key)
	if e, ok := c.expanded.Get(id); ok {
		return e
	}
	e, err := voi.NewExpandedPublicKey(voi.PublicKey(key))
	if err != nil {
		return nil
	}
	c.expanded.Add(id, e)
	return e
}

func factOf(u *Unverified, key ed25519.PublicKey) fact {
	return fact{hash: u.hash, key: [ed25519.PublicKeySize]byte(key)}
}
