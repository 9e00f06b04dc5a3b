package genesis

// Every bound on founding documents and descriptors.
const (
	// MaxSize bounds a founding document, in bytes.
	MaxSize = 1 << 20
	// MaxDescriptor bounds a descriptor, in bytes.
	MaxDescriptor = 16 << 10
	// MaxAuthorities bounds the authorities that found a network.
	MaxAuthorities = 512
	// MaxNetwork bounds the network's name, in bytes.
	MaxNetwork = 64
	// MaxName bounds an authority's name, in bytes of UTF-8.
	MaxName = 200
	// MaxAddresses bounds an authority's libp2p addresses.
	MaxAddresses = 16
	// MaxAddress bounds one address, and the URL of an authority's API, in bytes.
	MaxAddress = 256
)
