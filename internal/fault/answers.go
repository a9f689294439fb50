package fault

import (
	"net"
	"net/http"
)

// Hang takes requests and never answers.
func (s *Server) Hang() http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	})
}

// Redirect answers with this status and Location, as they are.
func Redirect(status int, location string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Location"] = []string{location}
		w.WriteHeader(status)
	})
}

// Conn hands the bare connection to answer, after the request was read, and
// closes it afterwards. The connection also ends with the server.
func (s *Server) Conn(answer func(c net.Conn)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer c.Close()
		gone := make(chan struct{})
		defer close(gone)
		go func() {
			select {
			case <-s.done.Done():
				_ = c.Close()
			case <-gone:
			}
		}()
		answer(c)
	})
}

// Raw sends these bytes in place of an answer, and closes the connection.
func (s *Server) Raw(bytes string) http.Handler {
	return s.Conn(func(c net.Conn) { _, _ = c.Write([]byte(bytes)) })
}
