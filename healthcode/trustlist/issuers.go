package trustlist

import "fmt"

// issuers are different issuers by their URLs, in the order in which they were added.
type issuers struct {
	urls []string
	has  map[string]struct{}
}

func (i *issuers) add(url string) {
	if i.holds(url) {
		return
	}
	if i.has == nil {
		i.has = map[string]struct{}{}
	}
	i.has[url] = struct{}{}
	i.urls = append(i.urls, url)
}

func (i *issuers) holds(url string) bool {
	if i == nil {
		return false
	}
	_, is := i.has[url]
	return is
}

// but gives the first who is not among others, all of whom are among these, and
// how many there are of them.
func (i *issuers) but(others *issuers) (first string, n int) {
	for _, url := range i.urls {
		if !others.holds(url) {
			return url, len(i.urls) - len(others.urls)
		}
	}
	return "", 0
}

// andOthers names one of n issuers.
func andOthers(first string, n int) string {
	if n > 1 {
		return fmt.Sprintf("%s and %d more", clip(first), n-1)
	}
	return clip(first)
}
