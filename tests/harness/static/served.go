// tests/harness/static/served.go - Go makes its system calls itself: an HTTP server and client, and datagrams, for
// tests/interop/run-static.sh.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(at string) {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "from %s\n", r.RemoteAddr) })
	must(http.ListenAndServe(at, nil))
}

// Each connection is a new one.
func get(url string, at int) {
	var all sync.WaitGroup
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for i := 0; i < at; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			r, err := client.Get(url)
			must(err)
			text, err := io.ReadAll(r.Body)
			must(err)
			if at == 1 {
				os.Stdout.Write(text)
			}
		}()
	}
	all.Wait()
}

func datagrams(to string) {
	peer, err := net.ResolveUDPAddr("udp4", to)
	must(err)
	c, err := net.ListenUDP("udp4", nil)
	must(err)
	buf := make([]byte, 10000)
	for _, size := range []int{1, 1472, 9000} {
		_, err = c.WriteToUDP(buf[:size], peer)
		must(err)
		n, from, err := c.ReadFromUDP(buf)
		must(err)
		if n != size || from.String() != to {
			must(fmt.Errorf("%d bytes from %s", n, from))
		}
	}
}

func main() {
	switch os.Args[1] {
	case "serve":
		serve(os.Args[2])
	case "get":
		get(os.Args[2], 1)
	case "many":
		get(os.Args[2], 100)
	case "udp":
		datagrams(os.Args[2])
	case "lookup":
		all, err := net.LookupHost(os.Args[2])
		must(err)
		fmt.Println(all)
	}
}
