package client

import (
	"context"
	"net/http"

	"concordat/recognition"
)

// Reasons is the catalogue of reasons that decisions may give, in one language.
type Reasons struct {
	Language string                `json:"language"` // in which they are told, such as "de"
	Reasons  []recognition.Meaning `json:"reasons"`  // in the order of judgement
}

// Reasons reads what every reason means, as the node knows them. language is as
// in Accept-Language; "" is English, and so is what the node does not speak.
func (c *Client) Reasons(ctx context.Context, language string) (Reasons, error) {
	const path = "/v1/reasons"
	var a Reasons
	body, _, err := c.do(ctx, request{method: http.MethodGet, path: path, language: language})
	if err != nil {
		return a, err
	}
	err = decodeAnswer(path, body, &a)
	return a, err
}

func (a *Reasons) sound() error {
	return each(a.Reasons, func(m *recognition.Meaning) error {
		return first(name("reason", m.Name), oneOf("effect", m.Effect, recognition.For, recognition.Against, recognition.Unknown, recognition.Note))
	}, func() error { return identifier("language", a.Language) })
}
