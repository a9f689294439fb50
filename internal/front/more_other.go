//go:build !linux

package front

import "net"

func more(c *net.TCPConn, head []byte) error {
	_, err := c.Write(head)
	return err
}
