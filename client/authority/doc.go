// Package authority is an authority's directory at rest: its private keys, and
// the descriptor that is their public half.
//
//	DIR/descriptor.json       what the others may see
//	DIR/keys/governance.key   offline if it can be: may rotate the others
//	DIR/keys/statement.key    signs what the authority says
//	DIR/keys/node.key         the node's libp2p identity; signs blocks
//	DIR/keys/cosign.key       signs checkpoints
//	DIR/keys/next/ROLE.key    is to replace a key, once the ledger names it
//	DIR/keys/former/ROLE-KID.key   was replaced
//	DIR/keys/ROLE.pub         the public keys made here for a role since init
//
// A key is a PKCS#8 PEM file of mode 0600, in a directory of mode 0700; with a
// passphrase, that PEM encrypted by age (https://age-encryption.org) in armor,
// so that `age --decrypt` opens it too.
//
// It promises that Create overwrites nothing and, wherever it is interrupted,
// leaves nothing that Open accepts; that a key is replaced in steps of which each
// leaves both keys to be found, and is never deleted; that a key which others may read is not
// used; that a key is opened only when it is asked for, so that one may be
// kept elsewhere; and that no key appears in an error, a log or a print. It
// expects that a directory is worked on by one process at a time.
package authority
