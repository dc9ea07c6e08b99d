package main

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// credentials are what a token gives: a user with a password, or a bootstrap token, and perhaps the hash of the authority.
type credentials struct {
	hash, user, password, bearer string
}

const tokenPrefix = "K10"

// parseToken reads the full form K10<hash>::<user>:<password>, K10<hash>::<id>.<secret>, <id>.<secret>, or a bare password.
func parseToken(text, user string) (credentials, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return credentials{}, errors.New("token must not be empty")
	}
	c := credentials{user: user}
	if strings.HasPrefix(text, tokenPrefix) {
		parts := strings.SplitN(strings.TrimPrefix(text, tokenPrefix), "::", 2)
		if len(parts) != 2 {
			return c, errors.New("invalid token format")
		}
		if len(parts[0]) != sha256.Size*2 {
			return c, errors.New("invalid token CA hash length")
		}
		c.hash, text = parts[0], parts[1]
		if i := strings.Index(text, ":"); i >= 0 {
			if user == "" {
				c.user = text[:i]
			}
			c.password = text[i+1:]
			return c, nil
		}
	}
	if isBootstrapToken(text) {
		c.bearer, c.user = text, ""
		return c, nil
	}
	if c.hash != "" {
		return c, errors.New("invalid token format")
	}
	c.password = text
	return c, nil
}

func isBootstrapToken(text string) bool {
	parts := strings.Split(text, ".")
	if len(parts) != 2 || len(parts[0]) != 6 || len(parts[1]) != 16 {
		return false
	}
	return strings.Trim(parts[0]+parts[1], "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// authorize puts the credentials into a request.
func (c credentials) authorize(r *http.Request) {
	if c.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+c.bearer)
		return
	}
	r.SetBasicAuth(c.user, c.password)
}

// authorityHash is the hash of a token: of the PEM bytes as stored for one certificate, of the root's DER for a chain.
func authorityHash(bundle []byte) (string, error) {
	var ders [][]byte
	for rest := bundle; ; {
		block, more := pem.Decode(rest)
		if block == nil {
			break
		}
		ders, rest = append(ders, block.Bytes), more
	}
	switch len(ders) {
	case 0:
		return "", errors.New("no certificates found in the CA bundle")
	case 1:
		sum := sha256.Sum256(bundle)
		return hex.EncodeToString(sum[:]), nil
	}
	last, err := x509.ParseCertificate(ders[len(ders)-1])
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(last.Raw)
	return hex.EncodeToString(sum[:]), nil
}

// serverTokens are the two passwords of a cluster.
type serverTokens struct{ server, agent string }

// tokenText is a token given directly or in a file.
func tokenText(o options, direct, inFile string) (string, error) {
	if file := o.str(inFile, ""); file != "" && o.str(direct, "") == "" {
		text, err := os.ReadFile(file)
		return strings.TrimSpace(string(text)), err
	}
	return strings.TrimSpace(o.str(direct, "")), nil
}

// ensureTokens settles the passwords: from the configuration, from the files of an earlier start, or made now.
func ensureTokens(o options, dir string) (serverTokens, error) {
	given, err := tokenText(o, "token", "token-file")
	if err != nil {
		return serverTokens{}, err
	}
	var t serverTokens
	if given != "" {
		c, err := parseToken(given, "server")
		if err != nil {
			return t, fmt.Errorf("failed to normalize server token; must be in format K10<CA-HASH>::<USERNAME>:<PASSWORD> or <PASSWORD>: %w", err)
		}
		t.server = c.password
	}
	if t.server == "" {
		t.server = storedPassword(filepath.Join(dir, "token"))
	}
	if t.server == "" {
		t.server = randomHex(16)
	}
	agent, err := tokenText(o, "agent-token", "agent-token-file")
	if err != nil {
		return t, err
	}
	t.agent = t.server
	if agent != "" {
		c, err := parseToken(agent, "node")
		if err != nil {
			return t, err
		}
		t.agent = c.password
	}
	return t, nil
}

func storedPassword(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	c, err := parseToken(string(text), "")
	if err != nil {
		return ""
	}
	return c.password
}

// write puts the full forms where k3s has them: token, node-token (a link to it) and agent-token.
func (t serverTokens) write(dir, hash string) error {
	if err := writeFile(filepath.Join(dir, "token"), []byte(fmt.Sprintf("K10%s::server:%s\n", hash, t.server)), 0o600); err != nil {
		return err
	}
	if err := link(filepath.Join(dir, "node-token"), filepath.Join(dir, "token")); err != nil {
		return err
	}
	agent := filepath.Join(dir, "agent-token")
	if t.agent == t.server {
		return link(agent, filepath.Join(dir, "token"))
	}
	os.Remove(agent)
	return writeFile(agent, []byte(fmt.Sprintf("K10%s::node:%s\n", hash, t.agent)), 0o600)
}

func link(path, to string) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.Symlink(to, path)
}

func randomHex(bytes int) string {
	raw := make([]byte, bytes)
	if _, err := rand.Read(raw); err != nil {
		panic(err)
	}
	return hex.EncodeToString(raw)
}
