package localapi

import (
	"net/http"

	"larder/asset"
)

func (c *call) storage() error {
	st, err := c.svc.Storage(c.r.Context())
	st.Apps, st.Notes = listed(st.Apps), listed(st.Notes)
	return c.reply(http.StatusOK, st, err)
}

func (c *call) purge() error {
	var req PurgeRequest
	if err := read(c.w, c.r, &req, false); err != nil {
		return err
	}
	if req.App != "" {
		if _, err := asset.ParseAppID(string(req.App)); err != nil {
			return err
		}
	}
	sum, err := c.svc.Purge(c.r.Context(), req.App)
	return c.reply(http.StatusOK, sum, err)
}
