package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"concordat/ledger"
	"concordat/node/httpapi/bridge"
)

// bridgeFile is, in the node's directory, the key that signs rules and value sets
// for clients of the EU's business-rule service. It proves that this node gave a
// list and nothing about the ledger; whoever has it can say no more than this node.
const bridgeFile = "bridge.key"

// openBridge makes what serves existing clients in their own formats.
func (n *Node) openBridge() error {
	if n.cfg.Bridge.Disabled {
		return nil
	}
	key, err := openBridgeKey(n.cfg.Dir)
	if err != nil {
		return fmt.Errorf("the key for existing clients: %w", err)
	}
	n.bridge = bridge.New(bridge.Config{Source: bridgeSource{n}, Region: n.me.ID, URL: n.cfg.Bridge.URL, Key: key})
	return nil
}

// bridgeSource is the node as the bridge reads it.
type bridgeSource struct{ *Node }

// FinalView implements bridge.Source.
func (s bridgeSource) FinalView() (*ledger.View, func(), bool) { return s.certifier.FinalView() }

// openBridgeKey takes the key of the directory, and makes one where there is none.
func openBridgeKey(dir string) (*ecdsa.PrivateKey, error) {
	path := filepath.Join(dir, bridgeFile)
	raw, err := readSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeBridgeKey(path)
	}
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(raw)
	if block == nil || block.Type != "PRIVATE KEY" || len(rest) > 0 {
		return nil, fmt.Errorf("%s holds no private key: remove it, and start the node again, which makes another", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: remove it, and start the node again, which makes another", path, err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok || ec.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%s holds no P-256 key: remove it, and start the node again, which makes another", path)
	}
	return ec, nil
}

func makeBridgeKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writeSecret(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
