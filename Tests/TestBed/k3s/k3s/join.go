package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
)

// supervisorClient speaks to a server's supervisor paths.
type supervisorClient struct {
	url         string
	dial        func(ctx context.Context, network, address string) (net.Conn, error)
	credentials credentials
	caPEM       []byte
	// certificate is the node's own, once it has one.
	certificate *tls.Certificate
}

// errPasswordRejected is what k3s' agent says to a 403 on its certificates.
var errPasswordRejected = errors.New("Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match " +
	"server node-passwd entry, try enabling a unique node name with the --with-node-id flag")

func (c *supervisorClient) http(tlsConfig *tls.Config) *http.Client {
	return &http.Client{Timeout: 10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: tlsConfig, DialContext: c.dial, DisableKeepAlives: true}}
}

// trust fetches the authority, compares its hash with the token's and checks that the server's certificate fits it. Nothing
// secret is sent before that.
func (c *supervisorClient) trust() error {
	body, err := get(c.http(&tls.Config{InsecureSkipVerify: true}), c.url+"/cacerts", nil)
	if err != nil {
		return fmt.Errorf("failed to get CA certs: %w", err)
	}
	if c.credentials.hash != "" {
		hash, err := authorityHash(body)
		if err != nil {
			return err
		}
		if hash != c.credentials.hash {
			return fmt.Errorf("token CA hash does not match the Cluster CA certificate hash: %s != %s", c.credentials.hash, hash)
		}
	} else {
		logrus.Warn("Cluster CA certificate is not trusted by the host CA bundle, but the token does not include a CA hash. " +
			"Use the full token from the server's node-token file to enable Cluster CA validation.")
	}
	c.caPEM = body
	if _, err := get(c.http(c.tlsConfig()), c.url+"/cacerts", nil); err != nil {
		return fmt.Errorf("CA cert validation failed: %w", err)
	}
	return nil
}

func (c *supervisorClient) tlsConfig() *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(c.caPEM)
	config := &tls.Config{RootCAs: pool}
	if c.certificate != nil {
		config.Certificates = []tls.Certificate{*c.certificate}
	}
	return config
}

// get fetches a path with the token.
func (c *supervisorClient) get(path string, headers map[string]string) ([]byte, error) {
	return get(c.http(c.tlsConfig()), c.url+path, func(r *http.Request) {
		c.credentials.authorize(r)
		for name, value := range headers {
			r.Header.Set(name, value)
		}
	})
}

func (c *supervisorClient) getJSON(path string, into interface{}) error {
	body, err := c.get(path, nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

func get(client *http.Client, url string, prepare func(*http.Request)) ([]byte, error) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if prepare != nil {
		prepare(request)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	switch {
	case response.StatusCode == http.StatusForbidden && request.Header.Get("K3s-Node-Password") != "":
		return nil, errPasswordRejected
	case response.StatusCode == http.StatusServiceUnavailable:
		var status struct{ Message string }
		if json.Unmarshal(body, &status) == nil && status.Message != "" {
			return nil, fmt.Errorf("%s: %s: %s", url, response.Status, status.Message)
		}
		fallthrough
	case response.StatusCode >= 300:
		return nil, fmt.Errorf("%s: %s", url, response.Status)
	}
	return body, nil
}

// joinClient is a client for the server this one joins.
func (s *server) joinClient() (*supervisorClient, error) {
	text, err := tokenText(s.options, "token", "token-file")
	if err != nil {
		return nil, err
	}
	c, err := parseToken(text, "server")
	if err != nil {
		return nil, err
	}
	if c.bearer != "" {
		return nil, errors.New("bootstrap tokens can join agents only: use the server token")
	}
	joining := &supervisorClient{url: strings.TrimSuffix(s.joinURL, "/"), credentials: c}
	return joining, joining.trust()
}

// fetchShared brings the cluster's keys here and compares what must be equal on all servers.
func (s *server) fetchShared() error {
	c, err := s.joinClient()
	if err != nil {
		return err
	}
	var data sharedData
	if err := c.getJSON("/v1-k3s/server-bootstrap", &data); err != nil {
		return err
	}
	var different []string
	for name, mine := range s.criticalArgs() {
		if theirs := data.Config.Critical[name]; theirs != mine {
			different = append(different, fmt.Sprintf("%s (%q here, %q there)", name, mine, theirs))
		}
	}
	if len(different) > 0 {
		sort.Strings(different)
		return fmt.Errorf("failed to validate server configuration: critical configuration value mismatch between servers: %s", strings.Join(different, ", "))
	}
	for _, name := range sharedFiles {
		if err := writeFile(filepath.Join(s.tls(), name), data.Files[name], 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) fetchMembers(_ context.Context) (memberInfo, error) {
	var info memberInfo
	c, err := s.joinClient()
	if err != nil {
		return info, err
	}
	return info, c.getJSON("/db/info", &info)
}
