package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"math/rand"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"k8s.io/client-go/kubernetes"
)

const nodePasswordFile = "/etc/rancher/node/password"

// agent is the part that makes a machine a node: alone in `k3s agent`, beside the server in `k3s server`.
type agent struct {
	nodeConfig
	children    *children
	lb          *balancer
	apiURL      string
	credentials credentials
	caPEM       []byte
	cluster     clusterConfig
	kube        *kubernetes.Clientset
}

func agentMain(args []string) {
	o, err := parseOptions("agent", onAgent, args)
	if err == nil {
		err = o.check()
	}
	if err != nil {
		logrus.Fatal(err)
	}
	text, err := tokenText(o, "token", "token-file")
	if err != nil {
		logrus.Fatal(err)
	}
	if text == "" {
		logrus.Fatal("--token is required")
	}
	target := o.str("server", "")
	if target == "" {
		logrus.Fatal("--server is required")
	}
	node, err := newNodeConfig(o)
	if err != nil {
		logrus.Fatal(err)
	}
	logrus.Infof("Starting k3s agent %s (%s)", version(), commit)
	if err := runAgent(untilSignal(), node, target, text); err != nil {
		logrus.Fatal(err)
	}
}

func runAgent(ctx context.Context, node nodeConfig, target, token string) error {
	c, err := parseToken(token, "node")
	if err != nil {
		return err
	}
	parsed, err := url.Parse(target)
	if err != nil {
		return err
	}
	address := parsed.Host
	if parsed.Port() == "" {
		address = net.JoinHostPort(parsed.Hostname(), "443")
	}
	lb := newBalancer(address, node.agentPath("etc", "k3s-agent-load-balancer.json"))
	local := net.JoinHostPort("127.0.0.1", strconv.Itoa(node.number("lb-server-port", 6444)))
	if err := lb.serve(ctx, local); err != nil {
		return err
	}
	a := &agent{nodeConfig: node, children: newChildren(), lb: lb, apiURL: "https://" + local, credentials: c}
	if err := a.run(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	if ctx.Err() == nil {
		notifyReady()
		logrus.Info("k3s agent is up and running")
	}
	<-ctx.Done()
	a.children.stop()
	return nil
}

// run retrieves the configuration, for ever if need be, and starts the node's components.
func (a *agent) run(ctx context.Context) error {
	for attempt := func() error { return a.retrieve() }; ctx.Err() == nil; {
		err := attempt()
		if err == nil {
			break
		}
		logrus.Infof("Waiting to retrieve agent configuration; server is not ready: %v", err)
		select {
		case <-ctx.Done():
		case <-time.After(5*time.Second + time.Duration(rand.Int63n(int64(time.Second)))):
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := a.startContainerd(ctx); err != nil {
		return err
	}
	var err error
	if a.kube, err = client(a.agentPath("kubeproxy.kubeconfig")); err != nil {
		return err
	}
	if err := a.startNetwork(ctx); err != nil {
		return err
	}
	return a.startKubelet()
}

// retrieve is one round of the join: trust, configuration, certificates.
func (a *agent) retrieve() error {
	c := &supervisorClient{url: a.apiURL, dial: a.lb.dial, credentials: a.credentials}
	if pair, err := tls.LoadX509KeyPair(a.agentPath("client-kubelet.crt"), a.agentPath("client-kubelet.key")); err == nil {
		c.certificate = &pair
	}
	if err := c.trust(); err != nil {
		return err
	}
	if err := c.getJSON("/v1-k3s/config", &a.cluster); err != nil {
		return fmt.Errorf("failed to retrieve configuration from server: %w", err)
	}
	var servers []string
	if err := c.getJSON("/v1-k3s/apiservers", &servers); err == nil && a.lb.file != "" {
		a.lb.update(servers)
	}
	password, err := nodePassword()
	if err != nil {
		return err
	}
	headers := map[string]string{"K3s-Node-Name": a.nodeName, "K3s-Node-Password": password, "K3s-Node-IP": a.nodeIP}
	for _, name := range []string{"serving-kubelet", "client-kubelet", "client-kube-proxy", "client-k3s-controller"} {
		text, err := c.get("/v1-k3s/"+name+".crt", headers)
		if err != nil {
			return err
		}
		if err := splitPair(a.agentPath(name), text); err != nil {
			return err
		}
	}
	for _, name := range []string{"client-ca.crt", "server-ca.crt"} {
		text, err := c.get("/v1-k3s/"+name, nil)
		if err != nil {
			return err
		}
		if err := writeFile(a.agentPath(name), text, 0o644); err != nil {
			return err
		}
	}
	for file, base := range map[string]string{"kubelet": "client-kubelet", "kubeproxy": "client-kube-proxy", "k3scontroller": "client-k3s-controller"} {
		if err := writeKubeconfig(a.agentPath(file+".kubeconfig"), a.apiURL, a.agentPath("server-ca.crt"), a.agentPath(base), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// splitPair writes certificates to base.crt and the key to base.key.
func splitPair(base string, text []byte) error {
	var certs, key bytes.Buffer
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		into := &key
		if block.Type == "CERTIFICATE" {
			into = &certs
		}
		if err := pem.Encode(into, block); err != nil {
			return err
		}
	}
	if err := writeFile(base+".key", key.Bytes(), 0o600); err != nil {
		return err
	}
	return writeFile(base+".crt", certs.Bytes(), 0o644)
}

// nodePassword is the machine's own secret, made at the first start.
func nodePassword() (string, error) {
	text, err := os.ReadFile(nodePasswordFile)
	if err == nil && len(bytes.TrimSpace(text)) > 0 {
		return strings.TrimSpace(string(text)), nil
	}
	if err != nil && !os.IsNotExist(err) {
		return "", err
	}
	password := randomHex(16)
	if err := os.MkdirAll(filepath.Dir(nodePasswordFile), 0o755); err != nil {
		return "", err
	}
	return password, writeFile(nodePasswordFile, []byte(password+"\n"), 0o600)
}
