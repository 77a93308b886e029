package httpapi

import "net/http"

// trends answers /keytree/v1/trends: how the member has fared lately.
func (a *API) trends(*http.Request) (reply, error) {
	return reply{content: contentJSON, body: a.Trends.AppendJSON(nil)}, nil
}
