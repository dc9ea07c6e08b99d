package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// balancer is the agent's own load balancer: it knows the servers' addresses, remembers them in a file, and hands each new
// connection to one that answers.
type balancer struct {
	mutex       sync.Mutex
	original    string
	servers     []string
	file        string
	connections map[string]map[net.Conn]bool
}

func newBalancer(original, file string) *balancer {
	b := &balancer{original: original, file: file, servers: []string{original}, connections: map[string]map[net.Conn]bool{}}
	var stored struct{ ServerAddresses []string }
	if text, err := os.ReadFile(file); err == nil && json.Unmarshal(text, &stored) == nil {
		b.servers = merged(original, stored.ServerAddresses)
	}
	return b
}

// merged puts the configured server last when it is not one of the living ones: it may be a name or an address for all of them.
func merged(original string, addresses []string) []string {
	out := append([]string{}, addresses...)
	for _, a := range addresses {
		if a == original {
			return out
		}
	}
	return append(out, original)
}

// update replaces the list and writes it down for the next cold start.
func (b *balancer) update(addresses []string) {
	if len(addresses) == 0 {
		return
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.servers = merged(b.original, addresses)
	if b.file == "" {
		return
	}
	text, err := json.MarshalIndent(map[string]interface{}{"ServerURL": "https://" + b.original, "ServerAddresses": addresses}, "", "  ")
	if err == nil {
		err = writeFile(b.file, text, 0o600)
	}
	if err != nil {
		logrus.Warnf("the list of servers could not be kept: %v", err)
	}
}

func (b *balancer) list() []string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return append([]string(nil), b.servers...)
}

// dial connects to the first server that answers; one that did not goes to the end.
func (b *balancer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var failed error
	for _, address := range b.list() {
		conn, err := (&net.Dialer{Timeout: 3 * time.Second, KeepAlive: 5 * time.Second}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn, nil
		}
		failed = err
		b.demote(address)
	}
	return nil, failed
}

func (b *balancer) demote(address string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for i, a := range b.servers {
		if a == address && i < len(b.servers)-1 {
			b.servers = append(append(append([]string{}, b.servers[:i]...), b.servers[i+1:]...), address)
			return
		}
	}
}

// serve listens on address and forwards; a server that stops answering loses its connections, so that clients come back.
func (b *balancer) serve(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	logrus.Infof("Running load balancer %s -> %v", address, b.list())
	go b.checkHealth(ctx)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go b.forward(ctx, conn)
		}
	}()
	return nil
}

func (b *balancer) forward(ctx context.Context, from net.Conn) {
	defer from.Close()
	to, err := b.dial(ctx, "", "")
	if err != nil {
		return
	}
	defer to.Close()
	address := to.RemoteAddr().String()
	b.track(address, to, true)
	defer b.track(address, to, false)
	done := make(chan bool, 2)
	for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
		go func(in, out net.Conn) {
			_, _ = io.Copy(out, in)
			done <- true
		}(pair[0], pair[1])
	}
	<-done
}

func (b *balancer) track(address string, conn net.Conn, add bool) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.connections[address] == nil {
		b.connections[address] = map[net.Conn]bool{}
	}
	if add {
		b.connections[address][conn] = true
	} else {
		delete(b.connections[address], conn)
	}
}

func (b *balancer) checkHealth(ctx context.Context) {
	misses := map[string]int{}
	for ; ctx.Err() == nil; time.Sleep(5 * time.Second) {
		for _, address := range b.list() {
			conn, err := net.DialTimeout("tcp", address, 3*time.Second)
			if err == nil {
				conn.Close()
				misses[address] = 0
				continue
			}
			if misses[address]++; misses[address] == 2 {
				logrus.Warnf("Server %s does not answer: %v", address, err)
				b.demote(address)
				b.drop(address)
			}
		}
	}
}

func (b *balancer) drop(address string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for conn := range b.connections[address] {
		conn.Close()
	}
}
