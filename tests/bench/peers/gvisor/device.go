// The TAP as a link of gVisor's: frames behind a vnet header, super-frames of up to 64 KB both ways.
//
// gVisor's own fdbased endpoint has segmentation offload only for sockets, so this is the same for a TAP.
package main

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/bufferv2"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/rawfile"
	"gvisor.dev/gvisor/pkg/tcpip/link/stopfd"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	mtu           = 1500
	gsoMax        = 65535
	vnetSize      = 10
	needsChecksum = 1 // of the vnet header's flags
	gsoTCP4       = 1
	offloadCsum   = 1 // TUN_F_CSUM, TUN_F_TSO4
	offloadTSO4   = 2
	small         = 2048 // what a frame is read into first; the rest goes to a large one
	mac           = "\x02\x00\x00\x00\x00\x01"
)

type device struct {
	fd         int
	dispatcher stack.NetworkDispatcher
}

func ioctl(fd int, request uintptr, arg uintptr) {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, arg); e != 0 {
		fail(e.Error())
	}
}

func openDevice(name string) *device {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		fail(err.Error())
	}
	var req [40]byte
	copy(req[:15], name)
	binary.LittleEndian.PutUint16(req[16:], unix.IFF_TAP|unix.IFF_NO_PI|unix.IFF_VNET_HDR)
	ioctl(fd, unix.TUNSETIFF, uintptr(unsafe.Pointer(&req[0])))
	ioctl(fd, unix.TUNSETOFFLOAD, offloadCsum|offloadTSO4)
	return &device{fd: fd}
}

func (d *device) MTU() uint32                             { return mtu }
func (d *device) MaxHeaderLength() uint16                 { return header.EthernetMinimumSize }
func (d *device) LinkAddress() tcpip.LinkAddress          { return mac }
func (d *device) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareEther }
func (d *device) IsAttached() bool                        { return d.dispatcher != nil }
func (d *device) Wait()                                   {}
func (d *device) GSOMaxSize() uint32                      { return gsoMax }
func (d *device) SupportedGSO() stack.SupportedGSO        { return stack.HostGSOSupported }
func (d *device) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityResolutionRequired | stack.CapabilityRXChecksumOffload
}

func (d *device) Attach(to stack.NetworkDispatcher) {
	d.dispatcher = to
	if to != nil {
		go d.receive()
	}
}

func (d *device) AddHeader(pkt stack.PacketBufferPtr) {
	eth := header.Ethernet(pkt.LinkHeader().Push(header.EthernetMinimumSize))
	eth.Encode(&header.EthernetFields{
		SrcAddr: mac,
		DstAddr: pkt.EgressRoute.RemoteLinkAddress,
		Type:    pkt.NetworkProtocolNumber,
	})
}

// What may be a super-frame has its checksum from the host; the rest has its own.
func vnetHeader(pkt stack.PacketBufferPtr) []byte {
	var h [vnetSize]byte
	gso := pkt.GSOOptions
	if gso.Type == stack.GSONone || !gso.NeedsCsum {
		return h[:]
	}
	h[0] = needsChecksum
	binary.LittleEndian.PutUint16(h[2:], uint16(pkt.HeaderSize()))
	binary.LittleEndian.PutUint16(h[6:], header.EthernetMinimumSize+gso.L3HdrLen)
	binary.LittleEndian.PutUint16(h[8:], gso.CsumOffset)
	if pkt.Data().Size() > int(gso.MSS) {
		h[1] = gsoTCP4
		binary.LittleEndian.PutUint16(h[4:], gso.MSS)
	}
	return h[:]
}

func (d *device) WritePackets(list stack.PacketBufferList) (int, tcpip.Error) {
	n := 0
	for _, pkt := range list.AsSlice() {
		slices := pkt.AsSlices()
		iov := rawfile.AppendIovecFromBytes(make([]unix.Iovec, 0, 8), vnetHeader(pkt), len(slices)+1)
		for _, s := range slices {
			iov = rawfile.AppendIovecFromBytes(iov, s, len(slices)+1)
		}
		if err := rawfile.NonBlockingWriteIovec(d.fd, iov); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// A view that is read into until a frame has used it.
func fresh(v *bufferv2.View, size int) *bufferv2.View {
	if v == nil {
		return bufferv2.NewViewSize(size)
	}
	return v
}

func (d *device) receive() {
	var vnet [vnetSize]byte
	var first, rest *bufferv2.View
	never, e := stopfd.New()
	if e != nil {
		fail(e.Error())
	}
	for {
		first, rest = fresh(first, small), fresh(rest, gsoMax)
		iov := []unix.Iovec{{Base: &vnet[0], Len: vnetSize}, {Base: first.BasePtr(), Len: small},
			{Base: rest.BasePtr(), Len: gsoMax}}
		n, err := rawfile.BlockingReadvUntilStopped(never.EFD, d.fd, iov)
		if err != nil {
			fail(err.String())
		}
		var frame bufferv2.Buffer
		if n -= vnetSize; n <= small {
			first.CapLength(n)
		}
		frame.Append(first)
		first = nil
		if n > small {
			rest.CapLength(n - small)
			frame.Append(rest)
			rest = nil
		}
		d.deliver(frame)
	}
}

func (d *device) deliver(frame bufferv2.Buffer) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: frame})
	defer pkt.DecRef()
	if eth, ok := pkt.LinkHeader().Consume(header.EthernetMinimumSize); ok {
		d.dispatcher.DeliverNetworkPacket(header.Ethernet(eth).Type(), pkt)
	}
}
