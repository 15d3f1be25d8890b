// gvisor DEV: the bench's services on gVisor's netstack, until standard input ends.
//
// A goroutine a connection, CUBIC, SACK, buffers that grow by themselves; behind the TAP at 10.0.0.1.
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"

	"gvisor.dev/gvisor/pkg/log"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// As in ports.h.
const (
	portSink     = 5001
	portSource   = 5002
	portEcho     = 5005
	portConn     = 5006
	portBrief    = 5007
	portRequests = 5008
	bulk         = 128 * 1024
	question     = 64
	nic          = 1
)

func fail(text string) {
	fmt.Fprintln(os.Stderr, "gvisor:", text)
	os.Exit(1)
}

func check(err tcpip.Error) {
	if err != nil {
		fail(err.String())
	}
}

func sink(c net.Conn) {
	var total [8]byte
	buf, n := make([]byte, bulk), uint64(0)
	for {
		got, err := c.Read(buf)
		if err != nil {
			break
		}
		n += uint64(got)
	}
	binary.LittleEndian.PutUint64(total[:], n)
	c.Write(total[:])
}

func source(c net.Conn) {
	buf := make([]byte, bulk)
	for {
		if _, err := c.Write(buf); err != nil {
			return
		}
	}
}

func echo(c net.Conn) {
	buf := make([]byte, 2048)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

func conn(c net.Conn) {
	var buf [question]byte
	if _, err := io.ReadFull(c, buf[:]); err == nil {
		c.Write(buf[:])
	}
}

func listen(s *stack.Stack, port uint16, threads bool, run func(net.Conn)) {
	l, err := gonet.ListenTCP(s, tcpip.FullAddress{NIC: nic, Port: port}, ipv4.ProtocolNumber)
	if err != nil {
		fail(err.Error())
	}
	one := func(c net.Conn) {
		run(c)
		c.Close()
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				fail(err.Error())
			}
			if threads {
				go one(c)
			} else {
				one(c)
			}
		}
	}()
}

func datagrams(s *stack.Stack) {
	at := tcpip.FullAddress{NIC: nic, Addr: "\x0a\x00\x00\x01", Port: portEcho}
	c, err := gonet.DialUDP(s, &at, nil, ipv4.ProtocolNumber)
	if err != nil {
		fail(err.Error())
	}
	buf := make([]byte, 2048)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			fail(err.Error())
		}
		c.WriteTo(buf[:n], from)
	}
}

func newStack(d *device) *stack.Stack {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	sack, moderate, cc := tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(true),
		tcpip.CongestionControlOption("cubic")
	check(s.SetTransportProtocolOption(tcp.ProtocolNumber, &sack))
	check(s.SetTransportProtocolOption(tcp.ProtocolNumber, &moderate))
	check(s.SetTransportProtocolOption(tcp.ProtocolNumber, &cc))
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4096, Default: 1 << 20, Max: 8 << 20}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: 4096, Default: 1 << 20, Max: 8 << 20}
	check(s.SetTransportProtocolOption(tcp.ProtocolNumber, &receive))
	check(s.SetTransportProtocolOption(tcp.ProtocolNumber, &send))
	check(s.CreateNIC(nic, d))
	check(s.AddProtocolAddress(nic, tcpip.ProtocolAddress{
		Protocol:          ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: "\x0a\x00\x00\x01", PrefixLen: 24},
	}, stack.AddressProperties{}))
	net, _ := tcpip.NewSubnet("\x0a\x00\x00\x00", "\xff\xff\xff\x00")
	s.SetRouteTable([]tcpip.Route{{Destination: net, NIC: nic}})
	return s
}

func main() {
	if len(os.Args) != 2 {
		fail("usage: gvisor DEV")
	}
	// It warns of each connection whose client has reset it.
	log.SetTarget(log.GoogleEmitter{Writer: &log.Writer{Next: io.Discard}})
	s := newStack(openDevice(os.Args[1]))
	listen(s, portSink, true, sink)
	listen(s, portSource, true, source)
	listen(s, portEcho, true, echo)
	listen(s, portConn, false, conn)
	listen(s, portBrief, false, conn)
	listen(s, portRequests, true, echo)
	go datagrams(s)
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
}
